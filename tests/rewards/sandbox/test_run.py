"""Each attack of a program has one definite end, in bounded time, and leaves no process and no file behind."""

from __future__ import annotations

import os
import platform
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from rewards.sandbox import memory
from rewards.sandbox import run as sandbox
from rewards.sandbox.run import Outcome, SandboxLimits, SandboxUnavailableError, run_program, why_unavailable
from rewards.sandbox.syscall_filter import DENIED, MACHINES, syscall_filter

REASON = why_unavailable()
needs_namespaces = pytest.mark.skipif(REASON is not None, reason=f"no sandbox here: {REASON}")
LIMITS = SandboxLimits(wall_seconds=20.0, cpu_seconds=2, memory_bytes=512 << 20)
SHORT = SandboxLimits(wall_seconds=2.5, memory_bytes=512 << 20)

ENDS: list[tuple[str, Outcome, str, str]] = [
    ("print(6 * 7)", Outcome.FINISHED, "42\n", "a sound program"),
    ("import sympy\nprint(sympy.sqrt(8))", Outcome.FINISHED, "2*sqrt(2)\n", "packages are there"),
    ("def solution():\n    return 6 * 7", Outcome.FINISHED, "42\n", "solution() is printed"),
    ("def solution():\n    return 6 * 7\nprint(solution())", Outcome.FINISHED, "42\n", "but once"),
    ("def solution(): return 1\nanswer = solution()", Outcome.FINISHED, "", "and not where it is used otherwise"),
    ("1 / 0", Outcome.FAILED, "", "an exception"),
    ("print(5)\nraise SystemExit(3)", Outcome.FAILED, "5\n", "an exit status"),
    ("def (", Outcome.NOT_COMPILED, "", "no Python"),
    ("\0", Outcome.NOT_COMPILED, "", "a null byte"),
    ("(" * 5000, Outcome.NOT_COMPILED, "", "deep nesting"),
    ("-" * 200_000 + "1", Outcome.NOT_COMPILED, "", "deeper nesting"),
    (
        "x = '" + "a" * 70_000 + " = = (",
        Outcome.NOT_COMPILED,
        "",
        "a syntax error on a line longer than its messages may be",
    ),
    ("#" * (1 << 20) + "\nprint(1)", Outcome.NOT_COMPILED, "", "a program of more than a megabyte"),
    ("import ctypes\nctypes.string_at(0)", Outcome.KILLED, "", "a crash of the interpreter"),
    ("def f(): f()\nf()", Outcome.FAILED, "", "endless recursion"),
    ("input()", Outcome.FAILED, "", "there is no input"),
    ("import os\nos.close(1)\nos.close(2)", Outcome.FINISHED, "", "closed outputs"),
    ("print('\\ud800')", Outcome.FAILED, "", "a text that is no text"),
]


@needs_namespaces
@pytest.mark.parametrize(("program", "outcome", "printed", "why"), ENDS, ids=[case[3] for case in ENDS])
def test_ends(program: str, outcome: Outcome, printed: str, why: str) -> None:
    run = run_program(program, limits=LIMITS)
    assert (run.outcome, run.stdout) == (outcome, printed), run


ATTACKS: list[tuple[str, Outcome, str, str]] = [
    ("print(open({secret!r}).read())", Outcome.FAILED, "FileNotFoundError", "read a file outside"),
    ("print(open('/old' + {secret!r}).read())", Outcome.FAILED, "FileNotFoundError", "read it through the old root"),
    ("print(open('/etc/passwd').read())", Outcome.FAILED, "FileNotFoundError", "read the user list"),
    ("import os\nprint(os.listdir('/proc'))", Outcome.FAILED, "FileNotFoundError", "see other processes"),
    ("open('/usr/mine', 'w')", Outcome.FAILED, "Read-only file system", "write to the system"),
    ("open('/mine', 'w')", Outcome.FAILED, "Read-only file system", "write to the root"),
    ("import os\nos.chmod('/program.py', 0o777)", Outcome.FAILED, "Read-only file system", "change the program"),
    ("import socket\nsocket.create_connection(('127.0.0.1', {port}))", Outcome.FAILED, "PermissionError", "connect"),
    ("import socket\nsocket.socket(socket.AF_UNIX)", Outcome.FAILED, "PermissionError", "open a local socket"),
    ("import socket\nsocket.socket(40)", Outcome.FAILED, "PermissionError", "open a socket to the host machine"),
    ("x = bytearray(10 << 30)", Outcome.FAILED, "MemoryError", "allocate 10 GB"),
    ("x = []\nwhile True: x.append(bytearray(1 << 20))", Outcome.FAILED, "MemoryError", "allocate bit by bit"),
    ("import os\nos.memfd_create('x')", Outcome.FAILED, "PermissionError", "allocate outside of its memory"),
    (
        "f = open('/tmp/{marker}', 'wb')\nwhile True: f.write(bytes(1 << 16))",
        Outcome.FAILED,
        "File too large",
        "a big file",
    ),
    (
        "for i in range(10 ** 6):\n    with open(f'/tmp/{marker}{{i}}', 'wb') as f: f.write(bytes(1 << 20))",
        Outcome.FAILED,
        "No space left on device",
        "fill the disk",
    ),
    (
        "for i in range(10 ** 6): open(f'/tmp/{marker}{{i}}', 'w')",
        Outcome.FAILED,
        "Errno",
        "fill the disk with empty files",
    ),
    ("import os\nfor i in range(50): os.fork()", Outcome.FAILED, "Resource temporarily", "fork"),
    (
        "import threading, time\nfor i in range(50): threading.Thread(target=time.sleep, args=(0.5,)).start()",
        Outcome.FAILED,
        "can't start new thread",
        "start threads without end",
    ),
    ("while True: print('x' * 10 ** 6)", Outcome.OUTPUT_LIMIT, "", "print a gigabyte"),
    ("import sys\nwhile True: print('x' * 10 ** 6, file=sys.stderr)", Outcome.OUTPUT_LIMIT, "", "on stderr"),
    ("while True: pass", Outcome.TIME_LIMIT, "", "compute for ever"),
    ("import os\nos.setuid(0)", Outcome.FAILED, "PermissionError", "become root"),
    ("import os\nos.kill(0, 9)", Outcome.KILLED, "", "kill its group"),
    (
        "import os\nfor n in range(1, 65):\n    os.kill(1, n)\nos.kill(-1, 9)",
        Outcome.FAILED,
        "ProcessLookupError",
        "signal process 1",
    ),
]


@pytest.fixture(scope="module")
def listening():
    """A port of this machine that accepts connections: the program could reach it if it had the network."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@needs_namespaces
@pytest.mark.parametrize(("program", "outcome", "message", "why"), ATTACKS, ids=[case[3] for case in ATTACKS])
def test_attacks(program: str, outcome: Outcome, message: str, why: str, tmp_path: Path, listening: int) -> None:
    secret = tmp_path / "secret"
    secret.write_text("s3cret")
    secret.chmod(0o644)
    marker = f"left-behind-{uuid.uuid4().hex}"
    started = time.monotonic()
    run = run_program(program.format(secret=str(secret), port=listening, marker=marker), limits=LIMITS)
    assert time.monotonic() - started < LIMITS.wall_seconds + 5
    assert run.outcome is outcome and message in run.stderr, run
    assert "s3cret" not in run.stdout
    assert len(run.stdout) <= LIMITS.output_bytes
    assert _launchers() == []
    assert list(Path("/tmp").glob(f"{marker}*")) == []


LOCKS = {
    "flock": "fcntl.flock(file, fcntl.LOCK_SH)",
    "lockf": "fcntl.lockf(file, fcntl.LOCK_SH)",
    "open file lock": "fcntl.fcntl(file, 37, bytes(32))",
    "lease": "fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_RDLCK)",
    "notice": "fcntl.fcntl(os.open('/usr', os.O_RDONLY), fcntl.F_NOTIFY, 1)",
}


@needs_namespaces
@pytest.mark.parametrize("way", LOCKS)
def test_no_program_can_tell_another_something_by_way_of_a_file(way: str) -> None:
    run = run_program(f"import fcntl, os\nfile = open(os.__file__)\n{LOCKS[way]}", limits=LIMITS)
    assert "Operation not permitted" in run.stderr, run
    assert run_program("import fcntl\nfcntl.fcntl(0, fcntl.F_GETFL)", limits=LIMITS).outcome is Outcome.FINISHED


HOLD = """\
import os, time
x = bytearray(250 << 20)
def fill():
    x[::4096] = bytes(len(x[::4096]))
"""
APART = "for i in range(3):\n    if os.fork() == 0: break\nfill()\ntime.sleep(9)"
SHARED = "fill()\nfor i in range(3):\n    if os.fork() == 0: time.sleep(1); os._exit(0)\ntime.sleep(1.5)\nprint(1)"


@needs_namespaces
def test_all_processes_of_a_program_have_its_memory_together() -> None:
    limits = SandboxLimits(wall_seconds=20.0, memory_bytes=400 << 20)
    apart = run_program(HOLD + APART, limits=limits)
    assert (apart.outcome, apart.exit_code) == (Outcome.KILLED, -9)
    assert run_program(HOLD + SHARED, limits=limits).stdout == "1\n"
    assert _launchers() == []


@needs_namespaces
def test_where_memory_runs_out_the_program_is_the_first_to_go() -> None:
    marker = f"sleeps-{uuid.uuid4().hex}"
    with ThreadPoolExecutor() as pool:
        ends = pool.submit(run_program, f"import os\nos.execl('/bin/sleep', '{marker}', '2')", limits=LIMITS)
        found: list[str] = []

        def scores() -> bool:
            found[:] = [
                _read(process / "oom_score_adj").strip()
                for process in Path("/proc").glob("[0-9]*")
                if _read(process / "cmdline").startswith(marker)
            ]
            return bool(found)

        _wait_until(scores, "the program has started")
        assert found == ["1000"]
        assert Path("/proc/self/oom_score_adj").read_text().strip() != "1000"
        ends.result()


def ends_of_launchers(monkeypatch: pytest.MonkeyPatch, *first: tuple[int, bytes, str]) -> list[int]:
    """Let the first launchers end so, and count those that were started."""
    real, started = sandbox._launch_once, list[int]()

    def launch(*arguments):
        started.append(len(started))
        return first[started[-1]] if started[-1] < len(first) else real(*arguments)

    monkeypatch.setattr(sandbox, "_launch_once", launch)
    monkeypatch.setattr(sandbox, "_WAIT_SECONDS", 0.01)
    return started


KILLED, FULL = (-9, b"", "the launcher ended with -9"), (1, b"", "OSError: [Errno 24] Too many open files")


@needs_namespaces
@pytest.mark.parametrize("end", [KILLED, FULL])
def test_a_launcher_that_is_killed_or_finds_the_machine_full_is_tried_again(monkeypatch, end) -> None:
    started = ends_of_launchers(monkeypatch, end, end)
    assert run_program("print(1)", limits=LIMITS).stdout == "1\n" and len(started) == 3
    started = ends_of_launchers(monkeypatch, end, end, end)
    run = run_program("print(1)", limits=LIMITS)
    assert run.outcome is Outcome.KILLED and end[2] in run.stderr and len(started) == 3


@needs_namespaces
def test_too_many_open_files_here_end_one_program_and_not_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "_WAIT_SECONDS", 0.01)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest = os.dup(0)
    os.close(lowest)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest + 2, hard))
    try:
        run = run_program("print(1)", limits=LIMITS)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert run.outcome is Outcome.KILLED and "Too many open files" in run.stderr
    assert run_program("print(1)", limits=LIMITS).stdout == "1\n"


def test_programs_wait_for_memory_and_one_alone_never_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "programs_budget", lambda: 100)
    together, most = [0], [0]

    def run(size: int) -> None:
        with memory.programs_memory(size):
            together[0] += size
            most[0] = max(most[0], together[0])
            threading.Event().wait(0.02)
            together[0] -= size

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(run, [40] * 12))
    assert most[0] == 80
    run(1000)
    assert memory.programs_budget() > 0 and most[0] == 1000


FUGITIVES = {
    "sleep": "",
    "ignore every signal": (
        "for n in range(1, 65):\n    try: signal.signal(n, signal.SIG_IGN)\n    except OSError: pass\n"
    ),
    "its own session": "if os.fork(): os._exit(0)\nos.setsid()\n",
    "a daemon": "if os.fork(): os._exit(0)\nos.setsid()\nif os.fork(): os._exit(0)\nos.close(1)\nos.close(2)\n",
    "a child in the background": "if os.fork(): print(5, flush=True); os._exit(0)\n",
    "forks for ever": "while True:\n    try: os.fork()\n    except OSError: pass\n",
}


@needs_namespaces
@pytest.mark.parametrize("way", FUGITIVES)
def test_nothing_outlives_its_program_or_the_deadline(way: str) -> None:
    """The marker is the argument of a process that sleeps: it is looked for among all processes of the machine."""
    marker = f"fugitive-{uuid.uuid4().hex}"
    sleeper = "time.sleep(1000)\n"
    rename = f"import ctypes, os, signal, time\nctypes.CDLL(None).prctl(15, b'{marker[-15:]}', 0, 0, 0)\n"
    started = time.monotonic()
    run = run_program(rename + FUGITIVES[way] + sleeper, limits=SHORT)
    assert time.monotonic() - started < SHORT.wall_seconds + 5
    if way in ("its own session", "a daemon", "a child in the background"):  # its first process has ended
        assert run.outcome is Outcome.FINISHED, run
        assert run.stdout == ("5\n" if way == "a child in the background" else "")
    else:
        assert run.outcome is Outcome.TIME_LIMIT, run
    names = [_read(process / "comm").strip() for process in Path("/proc").glob("[0-9]*")]
    assert marker[-15:] not in names
    assert _launchers() == []


@needs_namespaces
def test_no_secrets_are_inherited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("API_TOKEN", "s3cret")
    reader, writer = os.pipe()
    os.set_inheritable(reader, True)
    program = (
        "import os\nprint(sorted(os.environ))\nopen_now = []\n"
        "for n in range(1024):\n    try: os.fstat(n); open_now.append(n)\n    except OSError: pass\n"
        "print(open_now, os.getuid(), os.getgroups(), os.uname().nodename, os.getpid(), os.getcwd(), os.listdir())"
    )
    try:
        lines = run_program(program, limits=LIMITS).stdout.splitlines()
    finally:
        os.close(reader)
        os.close(writer)
    names = "HOME LANG OMP_NUM_THREADS OPENBLAS_NUM_THREADS PATH PYTHONDONTWRITEBYTECODE PYTHONHASHSEED"
    assert set(lines[0].strip("[]").replace("'", "").split(", ")) - {"LC_CTYPE"} == set(names.split())
    assert lines[1] == "[0, 1, 2] 65534 [] sandbox 2 /tmp []"


@needs_namespaces
def test_every_denied_call_fails_in_the_sandbox() -> None:
    """Each number of the table, asked of the kernel with arguments that would otherwise give another error."""
    _, column = MACHINES[platform.machine()]
    numbers = {name: pair[column] for name, pair in DENIED.items()}
    program = (
        f"import ctypes\nlibc = ctypes.CDLL(None, use_errno=True)\nfor name, number in {numbers}.items():\n"
        "    result = libc.syscall(number, -1, -1, -1, -1, -1)\n    print(name, result, ctypes.get_errno())\n"
        f"for flags in (0x10000000, 0x20000, 0x40000000):\n"
        f"    print('clone', libc.syscall({56 if column == 0 else 220}, flags | 17, 0, 0, 0, 0), ctypes.get_errno())\n"
        "print('clone3', libc.syscall(435, 0, 0), ctypes.get_errno())\n"
    )
    lines = run_program(program, limits=LIMITS).stdout.splitlines()
    assert lines == [f"{name} -1 1" for name in DENIED] + ["clone -1 1"] * 3 + ["clone3 -1 38"]


@needs_namespaces
def test_a_program_has_no_capabilities_and_cannot_get_any() -> None:
    number = {"x86_64": 125, "aarch64": 90}[platform.machine()]  # capget
    program = (
        "import ctypes, struct\nlibc = ctypes.CDLL(None)\nheader = struct.pack('II', 0x20080522, 0)\n"
        f"sets = ctypes.create_string_buffer(24)\nlibc.syscall({number}, header, sets)\n"
        "print(struct.unpack('6I', sets.raw), libc.prctl(39, 0, 0, 0, 0))"  # PR_GET_NO_NEW_PRIVS
    )
    assert run_program(program, limits=LIMITS).stdout == "(0, 0, 0, 0, 0, 0) 1\n"


def test_the_filter_has_no_table_for_other_machines() -> None:
    with pytest.raises(ValueError, match="riscv64"):
        syscall_filter("riscv64")


@needs_namespaces
def test_a_program_gives_the_same_output_twice() -> None:
    program = "print({'a', 'b', 'c', 'd', 'e'}, hash('x'))"
    assert run_program(program, limits=LIMITS) == run_program(program, limits=LIMITS)


@needs_namespaces
def test_several_threads_at_a_time_do_not_mix() -> None:
    with ThreadPoolExecutor(4) as pool:
        runs = list(pool.map(lambda n: run_program(f"print({n})", limits=LIMITS), range(12)))
    assert [run.stdout for run in runs] == [f"{n}\n" for n in range(12)]


@needs_namespaces
def test_the_sandbox_dies_with_the_process_that_asked_for_it() -> None:
    code = (
        "from rewards.sandbox.run import run_program\nprint('ready', flush=True)\n"
        "run_program('import time\\ntime.sleep(1000)')"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, cwd=Path(__file__).parents[3], text=True
    ) as asker:
        assert asker.stdout is not None and asker.stdout.readline() == "ready\n"
        _wait_until(lambda: len(_launchers(asker.pid)) >= 2, "launcher and process 1 have started")
        asker.send_signal(signal.SIGKILL)
    _wait_until(lambda: _launchers(asker.pid) == [], "they are gone")


@pytest.mark.skipif(shutil.which("unshare") is None, reason="util-linux is the second opinion")
def test_programs_run_wherever_another_tool_gets_namespaces() -> None:
    """A broken sandbox must not pass for a machine without namespaces, on which the tests above are skipped."""
    command = ["unshare", "--user", "--map-root-user", "--mount", "--net", "--ipc", "--uts", "--pid", "--fork", "true"]
    if subprocess.run(command, capture_output=True, check=False).returncode == 0:
        assert REASON is None


def test_without_namespaces_programs_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "why_unavailable", lambda: "they are switched off")
    with pytest.raises(SandboxUnavailableError, match=r"switched off.*none_i_trust_this_code"):
        run_program("print(1)")
    if sys.platform == "linux":
        assert run_program("print(1)", limits=LIMITS, isolation="none_i_trust_this_code").stdout == "1\n"


@needs_namespaces
def test_a_kernel_that_refuses_namespaces_is_found_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The launcher, run under a filter that forbids clone into namespaces, as container runtimes forbid it."""
    source = Path(sandbox.__file__).with_name("launcher.py").read_text()
    forbidden = source.replace('"clone into new namespaces")', '"clone into new namespaces")', 1).replace(
        "    options = types",
        "    prctl(SET_NO_NEW_PRIVS, 1)\n"
        f"    install_filter(bytes.fromhex('{syscall_filter(platform.machine()).hex()}'))\n    options = types",
        1,
    )
    launcher = tmp_path / "forbidden_launcher.py"
    launcher.write_text(forbidden)
    monkeypatch.setattr(sandbox, "_LAUNCHER", launcher)
    why_unavailable.cache_clear()
    try:
        assert "Operation not permitted" in (why_unavailable() or "")
        with pytest.raises(SandboxUnavailableError, match="Operation not permitted"):
            run_program("print(1)")
    finally:
        why_unavailable.cache_clear()


@pytest.mark.skipif(sys.platform != "linux", reason="the launcher needs Linux")
def test_a_trusted_program_still_has_limits_and_an_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    def trusted(program: str, limits: SandboxLimits = LIMITS) -> sandbox.ProgramRun:
        return run_program(program, limits=limits, isolation="none_i_trust_this_code")

    assert trusted("import os\nprint(os.path.exists('/proc'), dict(os.environ).get('HOME') == os.getcwd())").stdout == (
        "True True\n"
    )
    assert "MemoryError" in trusted("bytearray(10 << 30)").stderr
    escaped = trusted("import os, time\nif os.fork(): os._exit(0)\nos.setsid()\ntime.sleep(1000)", SHORT)
    assert escaped.outcome is Outcome.FINISHED
    assert trusted("import time\ntime.sleep(1000)", SHORT).outcome is Outcome.TIME_LIMIT
    assert _launchers() == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("field", ["wall_seconds", "cpu_seconds", "memory_bytes", "processes", "disk_bytes"])
def test_limits_must_be_more_than_nothing(field: str) -> None:
    with pytest.raises(ValueError, match=field):
        SandboxLimits(**{field: 0})


def _launchers(parent: int | None = None) -> list[str]:
    """Command lines of sandbox processes that this process (or `parent`) has asked for."""
    lines = [_read(process / "cmdline") for process in Path("/proc").glob("[0-9]*")]
    asked = f"parent={parent or os.getpid()}\0"
    return [line for line in lines if ("import launcher;" in line and asked in line)]


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:  # the process has ended meanwhile
        return ""


def _wait_until(done, what: str) -> None:
    end = time.monotonic() + 30
    while not done():
        assert time.monotonic() < end, f"not within 30 s: {what}"
        threading.Event().wait(0.02)
