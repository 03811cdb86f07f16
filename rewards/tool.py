"""Python as a tool: programs of a model run in sessions, their output or error as text for it to read."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from rewards.sandbox.run import DEFAULT_LIMITS, Isolation, Outcome, ProgramRun, SandboxLimits
from rewards.sandbox.session import run_session
from sampling.rounds import ToolOutput

__all__ = ["PythonTool"]


@dataclass(frozen=True, kw_only=True)
class PythonTool:
    """A `sampling.rounds.Tool` on the sandbox.

    Attributes:
        limits: what one program may use.
        isolation: see `rewards.sandbox.run.run_program`.
        threads: programs that run at a time.
    """

    limits: SandboxLimits = DEFAULT_LIMITS
    isolation: Isolation = "namespaces"
    threads: int = field(default_factory=lambda: max(1, len(os.sched_getaffinity(0))))

    def __call__(self, sessions: Sequence[Sequence[str]], /) -> list[ToolOutput]:
        """What the last program of each session printed, then its error; of one that was ended nothing is kept.

        Raises:
            SandboxUnavailableError: programs cannot be run safely on this machine.
        """
        with ThreadPoolExecutor(self.threads) as pool:
            return list(pool.map(self._one, sessions))

    def _one(self, programs: Sequence[str]) -> ToolOutput:
        run = run_session(programs, limits=self.limits, isolation=self.isolation)
        ended = run.outcome in (Outcome.FINISHED, Outcome.FAILED)
        lines = [run.stdout.strip(), self._error(run)]
        return ToolOutput(text="\n".join(line for line in lines if line), kept=ended)

    def _error(self, run: ProgramRun) -> str:
        """One line on what was wrong, nothing where all was well."""
        match run.outcome:
            case Outcome.FINISHED:
                return ""
            case Outcome.TIME_LIMIT:
                return f"TimeoutError: no end after {self.limits.cpu_seconds} s; nothing of this program is kept"
            case Outcome.OUTPUT_LIMIT:
                return f"OutputError: more than {self.limits.output_bytes} bytes; nothing of this program is kept"
            case Outcome.KILLED:
                return "MemoryError: the program was killed; nothing of it is kept"
        return run.stderr.strip().splitlines()[-1] if run.stderr.strip() else f"SystemExit: {run.exit_code}"
