"""Runs a program of a model in a sandbox: no network, no secrets, nothing to write to, and an end."""

from __future__ import annotations

import enum
import errno
import functools
import os
import platform
import re
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from rewards.sandbox.memory import programs_memory
from rewards.sandbox.syscall_filter import MACHINES, syscall_filter

__all__ = [
    "DEFAULT_LIMITS",
    "Isolation",
    "Outcome",
    "ProgramRun",
    "SandboxLimits",
    "SandboxUnavailableError",
    "check_sandbox",
    "run_program",
    "why_unavailable",
]

Isolation = Literal["namespaces", "none_i_trust_this_code"]
_LAUNCHER = Path(__file__).with_name("launcher.py")
_RUNNER = Path(__file__).with_name("program.py")
_MAX_PROGRAM_BYTES = 1 << 20
_TRIES, _WAIT_SECONDS = 3, 0.2  # of a sandbox that is killed or finds the machine full, with the wait between them
_FULL = (errno.EAGAIN, errno.ENOMEM, errno.ENFILE, errno.EMFILE)
_ERRNO = re.compile(r"\[Errno (\d+)\]")
_START_SECONDS = 10.0  # what the launcher may take beyond the deadline before it is taken for lost


class SandboxUnavailableError(RuntimeError):
    """This machine has no user namespaces, so programs of a model are not run on it."""


class Outcome(enum.StrEnum):
    """How a program ended; every program gets exactly one."""

    FINISHED = "FINISHED"  # exit status 0
    FAILED = "FAILED"  # another exit status: an exception, or no memory left
    NOT_COMPILED = "NOT_COMPILED"
    KILLED = "KILLED"  # by a signal, for its memory, or the sandbox around it did not start or was killed, three times
    TIME_LIMIT = "TIME_LIMIT"  # wall or CPU time
    OUTPUT_LIMIT = "OUTPUT_LIMIT"


@dataclass(frozen=True, kw_only=True)
class SandboxLimits:
    """What one program may use.

    Attributes:
        wall_seconds: from the start of the sandbox to its end. More than `cpu_seconds`, so that a busy machine does not
            decide how a program ends.
        cpu_seconds: of each process.
        memory_bytes: address space of each process, and memory of all of them together, looked at 20 times a second.
        processes: processes and threads at a time.
        output_bytes: of stdout, and of stderr.
        disk_bytes: of the private temporary folder, which lies in memory.
    """

    wall_seconds: float = 10.0
    cpu_seconds: int = 5
    memory_bytes: int = 1 << 30
    processes: int = 4
    output_bytes: int = 1 << 16
    disk_bytes: int = 1 << 24

    def __post_init__(self) -> None:
        wrong = {name: value for name, value in vars(self).items() if value <= 0}
        if wrong:
            raise ValueError(f"limits {wrong} must be more than 0.")


DEFAULT_LIMITS = SandboxLimits()


@dataclass(frozen=True, kw_only=True)
class ProgramRun:
    """A program that was run.

    Attributes:
        outcome: see `Outcome`.
        stdout: what it printed, at most `SandboxLimits.output_bytes`.
        stderr: its messages, at most as many.
        exit_code: its exit status, or minus the signal that ended it.
    """

    outcome: Outcome
    stdout: str
    stderr: str
    exit_code: int


def run_program(
    source: str,
    *,
    limits: SandboxLimits = DEFAULT_LIMITS,
    isolation: Isolation = "namespaces",
    folders: Sequence[str] = (),
) -> ProgramRun:
    """Runs a Python program.

    Args:
        source: the program; anything at all. Where it defines `solution` and does not use it, ``print(solution())`` is
            added, as in PAL (arXiv 2211.10435).
        limits: what it may use.
        isolation: ``"namespaces"``: Linux user, mount, process, network, IPC and host name namespaces of its own and a
            filter on system calls. ``"none_i_trust_this_code"``: the limits alone; the program can read, write and send
            what this process can.
        folders: shown to the program too, read-only, where they are: what it needs beside the system and Python.

    Returns:
        How it ended and what it printed; no program raises.

    Raises:
        SandboxUnavailableError: there are no namespaces on this machine and `isolation` asks for them.
    """
    check_sandbox(isolation)
    program = source.encode("utf-8", "replace")
    if len(program) > _MAX_PROGRAM_BYTES:
        message = f"the program has {len(program)} bytes; at most {_MAX_PROGRAM_BYTES} are compiled"
        return ProgramRun(outcome=Outcome.NOT_COMPILED, stdout="", stderr=message, exit_code=1)
    if isolation == "namespaces":
        return _launch(program, limits, isolation, room="/", folders=folders)
    with tempfile.TemporaryDirectory() as room:
        Path(room, "program.py").write_bytes(program)
        return _launch(program, limits, isolation, room=room)


def check_sandbox(isolation: Isolation) -> None:
    """Refuse what this machine cannot give; the first call in a process runs a program to find out.

    Raises:
        SandboxUnavailableError: there are no namespaces on this machine and `isolation` asks for them.
    """
    if isolation == "namespaces" and (reason := why_unavailable()) is not None:
        raise SandboxUnavailableError(
            f"programs of a model are run in Linux user namespaces only, and here {reason}. Allow them (see "
            'docs/rewards.md), or pass isolation="none_i_trust_this_code" to run without any protection.'
        )


@functools.cache
def why_unavailable() -> str | None:
    """Why namespaces cannot be had on this machine, ``None`` where they can. Found out by running a program."""
    if sys.platform != "linux":
        return f"the system is {sys.platform}"
    if platform.machine() not in MACHINES:
        return f"the machine is {platform.machine()}, for which there is no table of system calls"
    version = tuple(int(part) for part in platform.release().split("-")[0].split(".")[:2])
    if version < (5, 14):
        return f"the kernel is {platform.release()}; before 5.14 it does not count processes by namespace"
    try:
        run = _launch(b"print(6 * 7)", SandboxLimits(wall_seconds=30), "namespaces", room="/")
    except SandboxUnavailableError as error:
        return str(error)
    return None if run.stdout == "42\n" else f"a first program ended with {run}"


def _launch(
    program: bytes, limits: SandboxLimits, isolation: Isolation, room: str, folders: Sequence[str] = ()
) -> ProgramRun:
    """Run it in a sandbox; one that is killed, or for which there are no processes, files or memory, is tried again."""
    failure = ""
    with programs_memory(limits.memory_bytes + limits.disk_bytes):
        for attempt in range(1, _TRIES + 1):
            try:
                status, report, failure = _launch_once(program, limits, isolation, room, folders)
            except OSError as error:
                if error.errno not in _FULL:
                    raise
                status, report, failure = -errno.EAGAIN, b"", str(error)
            if status == 0:
                return _read_report(report)
            if not _is_passing(status, failure):
                raise SandboxUnavailableError(failure)
            if attempt < _TRIES:
                time.sleep(attempt * _WAIT_SECONDS)
    message = f"the sandbox was killed or could not start, {_TRIES} times: {failure}"
    return ProgramRun(outcome=Outcome.KILLED, stdout="", stderr=message, exit_code=-9)


def _is_passing(status: int, failure: str) -> bool:
    """Whether a launcher that ended with `status` may do better the next time."""
    numbers = _ERRNO.findall(failure)
    return status < 0 or bool(numbers and int(numbers[-1]) in _FULL)


def _launch_once(
    program: bytes, limits: SandboxLimits, isolation: Isolation, room: str, folders: Sequence[str]
) -> tuple[int, bytes, str]:
    """Exit status of one launcher, its report, and what it said where it failed."""
    options = {
        **vars(limits),
        "parent": os.getpid(),
        "isolation": isolation,
        "room": room,
        "runner": _RUNNER,
        "filter": syscall_filter(platform.machine()).hex() if isolation == "namespaces" else "",
        **_python(),
    }
    options["python_folders"] = ":".join([str(options["python_folders"]), *map(os.path.realpath, folders)])
    # Imported, not run as a script, for its compiled form; last on the path, so that it hides no module of Python's.
    start = f"import sys; sys.path.append({str(_LAUNCHER.parent)!r}); import {_LAUNCHER.stem}; {_LAUNCHER.stem}.main()"
    command = [sys.executable, "-I", "-S", "-c", start, *(f"{name}={value}" for name, value in options.items())]
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={"LANG": "C.UTF-8"},
        cwd=room,
        start_new_session=True,
    ) as launcher:
        try:
            report, errors = launcher.communicate(program, timeout=limits.wall_seconds + _START_SECONDS)
        except subprocess.TimeoutExpired:
            return 0, b"0 deadline -9 0 17\nthe sandbox hangs", ""
        finally:
            launcher.kill()
    said = errors.decode("utf-8", "replace").strip()[-500:]
    return launcher.returncode, report, said or f"the launcher ended with {launcher.returncode}"


@functools.cache
def _python() -> dict[str, str]:
    """The interpreter without its virtual environment, the folders it lives in, and the folders of its packages."""
    python = os.path.realpath(getattr(sys, "_base_executable", sys.executable))
    folders = dict.fromkeys(os.path.realpath(folder) for folder in (sys.base_prefix, sys.base_exec_prefix))
    packages = dict.fromkeys(os.path.realpath(sysconfig.get_path(name)) for name in ("purelib", "platlib"))
    return {"python": python, "python_folders": ":".join(folders), "package_folders": ":".join(packages)}


def _read_report(report: bytes) -> ProgramRun:
    header, _, outputs = report.partition(b"\n")
    compiled, ended, code, stdout_size, _ = header.decode().split()
    stdout, stderr = outputs[: int(stdout_size)], outputs[int(stdout_size) :]
    exit_code = int(code)
    if ended != "exit":
        outcome = {"deadline": Outcome.TIME_LIMIT, "output": Outcome.OUTPUT_LIMIT, "memory": Outcome.KILLED}[ended]
    elif compiled == "0":
        outcome = Outcome.NOT_COMPILED
    elif exit_code == -24:  # SIGXCPU
        outcome = Outcome.TIME_LIMIT
    elif exit_code < 0:
        outcome = Outcome.KILLED
    else:
        outcome = Outcome.FINISHED if exit_code == 0 else Outcome.FAILED
    return ProgramRun(
        outcome=outcome,
        stdout=stdout.decode("utf-8", "replace"),
        stderr=stderr.decode("utf-8", "replace"),
        exit_code=exit_code,
    )
