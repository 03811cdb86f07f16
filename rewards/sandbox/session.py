"""Programs that follow each other in one session: each finds the variables of those before it.

Nothing lives between two programs, since a language model may write for minutes and thousands of completions at a time:
the session is repeated from its beginning, its earlier output left out. So that it repeats itself, its randomness is
fixed (`random`, NumPy, `os.urandom` and what reads it); clocks alone differ.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from rewards.sandbox.run import DEFAULT_LIMITS, Isolation, ProgramRun, SandboxLimits, run_program

__all__ = ["run_session"]

_SESSION = """
import hashlib, os, random, sys

def _steady(count, _state=[0]):
    found = b""
    while len(found) < count:
        _state[0] += 1
        found += hashlib.sha256(b"%d" % _state[0]).digest()
    return found[:count]

def _run(programs):
    os.urandom = random._urandom = _steady
    random.seed(0)
    room = {"__name__": "__main__"}
    nowhere, shown = os.open(os.devnull, os.O_WRONLY), [os.dup(1), os.dup(2)]
    for number, program in enumerate(programs, start=1):
        last = number == len(programs)
        for descriptor in (1, 2):
            os.dup2(shown[descriptor - 1] if last else nowhere, descriptor)
        try:
            exec(compile(program, "<program %d>" % number, "exec"), room)
        except SystemExit as end:
            if last:
                raise
        except BaseException as error:
            if last:
                sys.stdout.flush()
                text = str(error)[:2000]
                os.write(2, (type(error).__name__ + (": " + text if text else "")).encode("utf-8", "replace"))
                os._exit(1)
        finally:
            sys.stdout.flush()
            sys.stderr.flush()

_run(%s)
"""


def run_session(
    programs: Sequence[str], *, limits: SandboxLimits = DEFAULT_LIMITS, isolation: Isolation = "namespaces"
) -> ProgramRun:
    """The last of some programs, run behind the others in one interpreter, as the cells of a notebook are.

    A program that raises keeps what it had defined before; one of which nothing is to be kept is left out of the list.

    Args:
        programs: at least one, in order.
        limits: of one program; time is allowed for each of them.
        isolation: see `run_program`.

    Returns:
        How the last one ended and what it alone printed; the error that ended it, in one line, stands in `stderr`.

    Raises:
        SandboxUnavailableError: there are no namespaces on this machine and `isolation` asks for them.
    """
    count = len(programs)
    whole = replace(limits, wall_seconds=limits.wall_seconds * count, cpu_seconds=limits.cpu_seconds * count)
    source = _SESSION.replace("%s", repr([_clean(program) for program in programs]))
    return run_program(source, limits=whole, isolation=isolation)


def _clean(program: str) -> str:
    """The program without lone surrogates, which no file can hold."""
    return program.encode("utf-8", "replace").decode("utf-8")
