"""The command line `coeflab`: a laboratory for comparing RL algorithms for mathematical reasoning."""

from __future__ import annotations

import errno
import os
import select
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import metadata
from typing import Any, Literal, get_args, get_origin, get_type_hints

import tyro

from benchmarks.naming import did_you_mean, nearest_names
from experiments.commands.audit import AuditGolds
from experiments.commands.audit_run import AuditRun
from experiments.commands.compare import Compare, Train
from experiments.commands.convert import Convert
from experiments.commands.curves import Curves
from experiments.commands.evaluate import Evaluate, WriteReport
from experiments.commands.evaluate_rewards import EvaluateRewards
from experiments.commands.explain import Explain
from experiments.commands.inspect import Benchmarks, Methods, ShowCoefficients
from experiments.commands.laws import Laws
from experiments.commands.look import Show, ShowStatus, Twin, Watch
from experiments.commands.new import New
from experiments.commands.plot import Plot
from experiments.commands.power import Power
from experiments.commands.problems import Decontaminate, Export, ShowPrompt
from experiments.commands.speed import Speed
from experiments.commands.sweep import Sweep

__all__ = ["main", "told", "version"]


# One dataclass a command, its fields the options; what is heavy is imported when the command runs.
COMMANDS: dict[str, type] = {
    "methods": Methods,
    "benchmarks": Benchmarks,
    "prompt": ShowPrompt,
    "decontaminate": Decontaminate,
    "export": Export,
    "compare": Compare,
    "sweep": Sweep,
    "train": Train,
    "evaluate": Evaluate,
    "evaluate-rewards": EvaluateRewards,
    "status": ShowStatus,
    "watch": Watch,
    "report": WriteReport,
    "plot": Plot,
    "power": Power,
    "curves": Curves,
    "coefficients": ShowCoefficients,
    "laws": Laws,
    "explain": Explain,
    "speed": Speed,
    "twins": Twin,
    "audit": AuditRun,
    "audit-golds": AuditGolds,
    "convert": Convert,
    "show": Show,
    "new": New,
}


def main() -> None:
    """Entry point of `coeflab`; expected errors are one paragraph on stderr and exit code 1."""
    with _reader_may_leave():
        if sys.argv[1:] == ["--version"]:
            print(version())
            return
        _check_command(sys.argv[1:])
        command = _command(sys.argv[1:])
        try:
            command.run()
        except KeyboardInterrupt:
            print("stopped; start the same command again to go on.", file=sys.stderr)
            sys.exit(130)
        except ModuleNotFoundError as error:
            print(
                f"error: {error}. `make setup`, or `pip install coeflab[train]`, brings what trains.", file=sys.stderr
            )
            sys.exit(1)
        except (ValueError, OSError, RuntimeError, ImportError) as error:
            if isinstance(error, BrokenPipeError) and _reader_has_left():  # and no worker
                raise
            print(f"error: {told(error)}", file=sys.stderr)
            sys.exit(1)


def _check_command(arguments: Sequence[str]) -> None:
    """Exit with code 2 and the nearest commands where the first word is none; options are tyro's to read."""
    name = next(iter(arguments), "-")
    if name.startswith("-") or name.replace("_", "-") in COMMANDS:
        return
    near = did_you_mean(name, COMMANDS)
    print(f"error: unknown command {name!r}{near}Known: {', '.join(COMMANDS)}.", file=sys.stderr)
    sys.exit(2)


def _command(arguments: Sequence[str]) -> Any:
    """The command with its options read; exits with code 2 where they cannot be, the nearest words said at the end."""
    try:
        return tyro.extras.subcommand_cli_from_dict(COMMANDS, args=arguments, prog="coeflab", description=__doc__)
    except SystemExit as stop:
        if stop.code == 2:
            for line in _meant(arguments):
                print(f"error: {line}", file=sys.stderr)
        raise


def _meant(arguments: Sequence[str]) -> Iterator[str]:
    """A proposal for each word that its option does not take, of options that take a few words only."""
    if not arguments or (kind := COMMANDS.get(arguments[0].replace("_", "-"))) is None:
        return
    known, option = dict[str, tuple[str, ...]](), ""
    for field, hint in get_type_hints(kind, include_extras=True).items():
        positional = tyro.conf.Positional in get_args(hint)
        known[field if positional else f"--{field.replace('_', '-')}"] = _closed_words(hint)
        option = option or (field if positional else "")  # of the first word
    for word in (part for argument in arguments[1:] for part in argument.split("=", 1)):
        if word.startswith("--"):
            option = word.replace("_", "-")
            continue
        words = known.get(option, ())
        if word not in words and nearest_names(word, words):
            yield f"{option} is {word!r}{did_you_mean(word, words).rstrip()}"
        option = option if option.startswith("--") else ""


def _closed_words(hint: Any) -> tuple[str, ...]:
    """The words of the ``Literal`` in a type, none where there is none."""
    parts = get_args(hint)
    return parts if get_origin(hint) is Literal else tuple(word for part in parts for word in _closed_words(part))


@contextmanager
def _reader_may_leave() -> Iterator[None]:
    """A reader that has seen enough (`coeflab --help | head`) is no error."""
    try:
        try:
            yield
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or the interpreter's last flush would fail


def _reader_has_left() -> bool:
    """Whether nobody reads the other end of stdout any more."""
    poller = select.poll()
    poller.register(sys.stdout.fileno(), 0)
    return any(event & select.POLLERR for _, event in poller.poll(0))


def told(error: Exception) -> str:
    """An error's own words; where they are the system's, what they mean and what to do."""
    if type(error).__module__ != "builtins" or not isinstance(error, OSError) or error.errno is None:
        return str(error)
    file = error.filename or "a file"
    match error.errno:
        case errno.ENOENT:
            return f"{file} does not exist; check the path."
        case errno.EEXIST:
            return f"{file} is there already; remove it, or name another one."
        case errno.ENOTDIR:
            return f"{file} is a file, or lies below one; expected a folder."
        case errno.EACCES | errno.EPERM | errno.EROFS:
            return f"{file} may not be read or written here ({error.strerror}); choose another place, e.g. with --out."
        case errno.ENOSPC | errno.EDQUOT:
            return f"no space is left for {file}; free some and start the same command again: what is there is kept."
    return str(error)


def version() -> str:
    """``coeflab 0.1.0``; a checkout that was never installed says so."""
    try:
        return f"coeflab {metadata.version('coeflab')}"
    except metadata.PackageNotFoundError:
        return "coeflab (a checkout that is not installed)"


if __name__ == "__main__":
    main()
