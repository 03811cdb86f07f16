"""Formal proofs: a model's proof of a given statement, judged by a proof checker that really runs.

A checker is given by name: Metamath, which Debian has, or Lean 4 and Isabelle by a command of the user's. It runs in
the sandbox: no network, an end, no files but those that it needs. What is proved is the statement of the problem: the
proof alone comes from the model, and a proof that leaves a gap or states an axiom of its own is refused.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from benchmarks.problem import Problem, Statement
from rewards.checker.extraction import without_draft
from rewards.reward import Reward, Rewards
from rewards.sandbox.run import Isolation, Outcome, ProgramRun, SandboxLimits, check_sandbox, run_program
from rewards.verdict import Status, Verdict
from sampling.blocks import code_blocks
from sampling.rollout import Rollout

__all__ = [
    "CommandChecker",
    "Metamath",
    "ProofChecker",
    "ProofCheckerMissingError",
    "ProofReward",
    "isabelle",
    "lean4",
    "proof_of",
    "prove",
    "statement_of",
]

_RUN = """
import subprocess, sys
with open(NAME, "w", encoding="utf-8") as file:
    file.write(TEXT)
ran = subprocess.run(COMMAND, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
sys.stdout.buffer.write(ran.stdout)
sys.exit(0 if ran.returncode == 0 else 1)
"""
_LABELS = re.compile(r"[A-Za-z0-9._\-()\s]+")  # a Metamath proof is labels, or letters behind labels in brackets
_LEAN_AXIOMS = {"propext", "Classical.choice", "Quot.sound"}  # those of Mathlib


class ProofCheckerMissingError(RuntimeError):
    """The proof checker, or its library, is not installed here."""


class ProofChecker(Protocol):
    """A proof checker.

    Attributes:
        language: whose statements it reads (`Statement.language`).
    """

    @property
    def language(self) -> str:
        """The language of its statements."""
        ...

    def check(self) -> None:
        """Refuse a machine that lacks it.

        Raises:
            ProofCheckerMissingError: names what is missing and how to get it.
        """
        ...

    def refusal(self, statement: Statement, proof: str) -> str:
        """Why the proof does not prove the statement; ``""`` where it does, ``TIMEOUT`` where no end was seen."""
        ...


@dataclass(frozen=True, kw_only=True)
class Metamath:
    """Metamath 0.195 on a database (Debian packages ``metamath``, ``metamath-databases``).

    A statement's header is what stands before its label, ``${ hyp $e |- ph $.`` and the like; its text is
    ``LABEL $p |- …``. Axioms are those of the database: a proof is labels, and can state nothing.

    Attributes:
        database: read before the statement.
        program: the checker.
        limits: of one check; set.mm takes 2 s and 0.4 GiB to read.
        isolation: see `rewards.sandbox.run.run_program`.
    """

    database: Path = Path("/usr/share/metamath/databases/set.mm")
    program: Path = Path("/usr/bin/metamath")
    limits: SandboxLimits = field(
        default_factory=lambda: SandboxLimits(wall_seconds=60, cpu_seconds=30, memory_bytes=2 << 30)
    )
    isolation: Isolation = "namespaces"

    @property
    def language(self) -> str:
        """The name of the proof language: ``metamath``."""
        return "metamath"

    def check(self) -> None:
        """See `ProofChecker.check`."""
        check_sandbox(self.isolation)
        for path in (self.program, self.database):
            if not path.is_file():
                raise ProofCheckerMissingError(
                    f"there is no {path}; proofs in Metamath need the Debian packages metamath and metamath-databases "
                    "(apt install metamath metamath-databases)."
                )

    def refusal(self, statement: Statement, proof: str) -> str:
        """See `ProofChecker.refusal`."""
        if not _LABELS.fullmatch(proof):
            return "a Metamath proof is labels alone, and this is something else"
        label = statement.text.split()[0]
        closing = " $}" * (statement.header.count("${") - statement.header.count("$}"))
        source = f"$[ {self.database} $]\n{statement.header}\n{statement.text} $=\n{proof}\n$.{closing}\n"
        command = [str(self.program), "read 'goal.mm'", f"verify proof {label}", "exit"]
        run = _checked(self.isolation, self.limits, "goal.mm", source, command)
        if run.outcome is not Outcome.FINISHED:
            return _unfinished(run)
        # It says what is wrong and ends with 0 all the same; of a proof that is right it repeats the label alone.
        reading, _, verifying = run.stdout.partition(f"MM> verify proof {label}\n")
        said = verifying.removesuffix("MM> exit\n").strip()
        if "No errors were found." in reading and said == label:
            return ""
        return said.removeprefix(label).strip()[:500] or "Metamath could not read it"


@dataclass(frozen=True, kw_only=True)
class CommandChecker:
    """A checker that a command of the user's runs; see `lean4` and `isabelle`.

    Attributes:
        language: see `ProofChecker`.
        command: with ``{file}`` for the file to check; status 0 accepts it.
        file: its name.
        forbidden: words that leave a gap or state an axiom; refused wherever they stand.
        ending: put behind the proof; ``{name}`` is the theorem's.
        axioms: those that the last line of Lean's ``#print axioms`` may name; ``None`` does not look.
        folders: shown to the checker, read-only: where it and its libraries are installed.
        limits: of one check.
        isolation: see `rewards.sandbox.run.run_program`.
    """

    language: str
    command: tuple[str, ...]
    file: str
    forbidden: tuple[str, ...]
    ending: str
    axioms: frozenset[str] | None = None
    folders: tuple[str, ...] = ()
    limits: SandboxLimits = field(
        default_factory=lambda: SandboxLimits(
            wall_seconds=600, cpu_seconds=300, memory_bytes=16 << 30, processes=64, disk_bytes=1 << 28
        )
    )
    isolation: Isolation = "namespaces"

    def check(self) -> None:
        """See `ProofChecker.check`; the command itself is found out by the first proof."""
        check_sandbox(self.isolation)
        for folder in self.folders:
            if not Path(folder).is_dir():
                raise ProofCheckerMissingError(f"there is no folder {folder}, which the {self.language} checker needs.")

    def refusal(self, statement: Statement, proof: str) -> str:
        """See `ProofChecker.refusal`."""
        for word in self.forbidden:
            if re.search(rf"(?<![\w.']){re.escape(word)}(?![\w'])", proof):
                return f"the proof says {word!r}, which proves nothing"
        name = statement.text.split()[1].rstrip(":")
        source = f"{statement.header}{statement.text.rstrip()}\n{proof.strip()}\n{self.ending.replace('{name}', name)}"
        command = [part.replace("{file}", self.file) for part in self.command]
        run = _checked(self.isolation, self.limits, self.file, source, command, self.folders)
        if run.outcome is not Outcome.FINISHED:
            return _unfinished(run)
        if self.axioms is not None:
            return self._beyond_axioms(run.stdout, name)
        return ""

    def _beyond_axioms(self, output: str, name: str) -> str:
        last = (output.strip().splitlines() or [""])[-1]
        if re.fullmatch(rf".*'{re.escape(name)}' does not depend on any axioms", last):
            return ""
        told = re.fullmatch(rf".*'{re.escape(name)}' depends on axioms: \[(.*)\]", last)
        if told is None:
            return f"the checker does not say which axioms {name} rests on"
        beyond = {each.strip() for each in told.group(1).split(",")} - (self.axioms or frozenset())
        return f"it rests on {', '.join(sorted(beyond))}" if beyond else ""


def lean4(command: Sequence[str], *, folders: Sequence[str] = ()) -> CommandChecker:
    """Lean 4 by a command such as ``lake env lean {file}``, accepted with Mathlib's three axioms alone.

    Args:
        command: with ``{file}``.
        folders: where Lean and the project's packages are installed.
    """
    return CommandChecker(
        language="lean4",
        command=tuple(command),
        file="goal.lean",
        forbidden=("sorry", "admit", "axiom", "native_decide", "unsafe", "implemented_by", "extern"),
        ending="#print axioms {name}\n",
        axioms=frozenset(_LEAN_AXIOMS),
        folders=tuple(folders),
    )


def isabelle(command: Sequence[str], *, folders: Sequence[str] = ()) -> CommandChecker:
    """Isabelle by a command such as ``isabelle process_theories -D . Goal``; its status decides.

    Args:
        command: with ``{file}`` where it wants one.
        folders: where Isabelle and its heaps are installed.
    """
    return CommandChecker(
        language="isabelle",
        command=tuple(command),
        file="Goal.thy",
        forbidden=("sorry", "oops", "axiomatization", "axioms", "oracle", "ML", "ML_file", "setup", "quick_and_dirty"),
        ending="end\n",
        folders=tuple(folders),
    )


def _checked(
    isolation: Isolation,
    limits: SandboxLimits,
    name: str,
    text: str,
    command: Sequence[str],
    folders: Sequence[str] = (),
) -> ProgramRun:
    source = _RUN.replace("NAME", repr(name)).replace("TEXT", repr(text)).replace("COMMAND", repr(list(command)))
    return run_program(source, limits=limits, isolation=isolation, folders=folders)


def _unfinished(run: ProgramRun) -> str:
    if run.outcome is Outcome.TIME_LIMIT:
        return "TIMEOUT"
    said = (run.stdout.strip() or run.stderr.strip())[-500:]
    return said or f"the checker ended with {run.outcome}"


def proof_of(completion: str) -> str:
    """The proof in a completion: its last block of code, or all of it where it has none; nothing where that is cut.

    A thought (``<think>``), closed or not, is no proof.
    """
    text = without_draft(completion)
    blocks = code_blocks(text)
    if not blocks:
        return text.strip()
    return blocks[-1].code.strip() if blocks[-1].closed else ""


def statement_of(problem: Problem, language: str) -> Statement:
    """The problem's statement in a language.

    Raises:
        ValueError: it has none; file and line are named where they are known.
    """
    found = next((each for each in problem.statements if each.language == language), None)
    if found is None:
        have = ", ".join(each.language for each in problem.statements) or "none"
        raise ValueError(
            f"{problem.where or problem.problem_id}: no statement in {language} (it has {have}); choose another "
            f"checker, or add the field {language}_statement."
        )
    return found


def prove(problem: Problem, completion: str, checker: ProofChecker) -> Verdict:
    """The verdict on a completion's proof of the problem's statement in the checker's language.

    Raises:
        ValueError: the problem has no statement in it.
    """
    statement = statement_of(problem, checker.language)
    proof = proof_of(completion).removeprefix(statement.text.strip()).strip()
    if not proof:
        return Verdict(status=Status.NO_ANSWER, answer="", answer_class="")
    refusal = checker.refusal(statement, proof)
    if not refusal:
        return Verdict(status=Status.CORRECT, answer=proof, answer_class="correct")
    status = Status.TIMEOUT if refusal == "TIMEOUT" else Status.INCORRECT
    return Verdict(status=status, answer=proof, answer_class="", reason=refusal)


@dataclass(frozen=True, kw_only=True)
class ProofReward(Reward):
    """1 for a proof that the checker accepts, else 0; right is what is proved.

    Attributes:
        name: what the reward is called in messages.
        checker: which one.
        threads: proofs that are checked at a time.
    """

    name: str = "proof"
    checker: ProofChecker = field(default_factory=Metamath)
    threads: int = field(default_factory=lambda: max(1, len(os.sched_getaffinity(0))))

    @property
    def right_and_wrong(self) -> tuple[float, float]:
        """See `Reward.right_and_wrong`."""
        return 1.0, 0.0

    def check(self) -> None:
        """Refusal of a machine that lacks the checker.

        Raises:
            ProofCheckerMissingError: see `ProofChecker.check`.
            SandboxUnavailableError: there are no namespaces.
        """
        self.checker.check()

    def verdicts(self, rollouts: Sequence[Rollout]) -> list[Verdict]:
        """The checker's verdict on each completion; none depends on another."""
        with ThreadPoolExecutor(self.threads) as pool:
            return list(pool.map(lambda each: prove(each.problem, each.judged_text, self.checker), rollouts))

    def __call__(self, rollouts: Sequence[Rollout], verdicts: Sequence[Verdict]) -> Rewards:
        """Each completion's proof, checked; the verdict on its answer is not looked at."""
        proved = tuple(verdict.correct for verdict in self.verdicts(rollouts))
        return Rewards(total=tuple(map(float, proved)), correct=proved)
