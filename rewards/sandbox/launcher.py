"""Starts one program in fresh namespaces, watches it, and reports how it ended. Linux only.

Runs as a process of its own (`main`, with arguments ``name=value``, the program on stdin), so that the
process that asks for it may have threads, CUDA or an event loop. Three processes:

- this launcher reads the output, keeps the deadline, and writes the report to stdout;
- process 1 of the new namespaces builds the file system, drops its rights, and waits; when it ends or is killed, the
  kernel kills everything that is left in its process namespace, whatever session or parent it has chosen;
- the program, with resource limits and a filter on system calls.

The report is a line ``compiled ended code stdout_bytes stderr_bytes``, then both outputs. `ended` is ``exit``,
``deadline``, ``output`` or ``memory``; `code` is the exit status, or minus the signal. A set-up that fails is told on
stderr.
"""

# os.path in place of pathlib, which costs start-up time at every program
# ruff: noqa: PTH208, PTH102, PTH103, PTH106, PTH110, PTH112, PTH114, PTH115, PTH118, PTH120, PTH123, PTH211

import ctypes
import os
import resource
import select
import struct
import sys
import time
import types

# clone(2): new user, mount, process, network, IPC, host name and control group namespaces
NEW_NAMESPACES = 0x10000000 | 0x00020000 | 0x20000000 | 0x40000000 | 0x08000000 | 0x04000000 | 0x02000000
CLONE = {"x86_64": 56, "aarch64": 220}
MOUNT_SETATTR, PIVOT_ROOT = 442, {"x86_64": 155, "aarch64": 41}
MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_BIND, MS_REC, MS_SLAVE = 2, 4, 8, 4096, 16384, 1 << 19
RDONLY, NOSUID, NODEV, AT_FDCWD, AT_RECURSIVE, MNT_DETACH = 1, 2, 4, -100, 0x8000, 2
SET_PDEATHSIG, SET_DUMPABLE, SET_SECCOMP, SET_CHILD_SUBREAPER, SET_NO_NEW_PRIVS = 1, 4, 22, 36, 38
NOBODY = 65534
LOOK_SECONDS = 0.05  # between two looks at the memory of all processes
SIGINT, SIGKILL, SIGCHLD = 2, 9, 17  # the module `signal` would take a third of the start-up time

SYSTEM = ("/usr", "/bin", "/lib", "/lib32", "/lib64", "/etc/ld.so.cache", "/etc/alternatives")
DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")

libc = ctypes.PyDLL(None, use_errno=True)  # PyDLL keeps the interpreter's lock, which the clone below relies on


def checked(result: int, what: str) -> int:
    """What a call into the C library returned; `OSError` that names `what` where it failed."""
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def prctl(option: int, value: int, pointer: object = 0) -> None:
    """prctl(2) of this process."""
    arguments = [ctypes.c_ulong(value), pointer if pointer else ctypes.c_ulong(0), ctypes.c_ulong(0), ctypes.c_ulong(0)]
    checked(libc.prctl(ctypes.c_int(option), *arguments), f"prctl {option}")


def mount(source: str, target: str, kind: str, flags: int, data: str = "") -> None:
    """The system call mount(2) with these arguments; `OSError` that names `target` where it fails."""
    result = libc.mount(source.encode(), target.encode(), kind.encode(), ctypes.c_ulong(flags), data.encode())
    checked(result, f"mount {target}")


def make_read_only(target: str, attributes: int, recursive: int) -> None:
    """mount_setattr(2): attributes of a mount, with AT_RECURSIVE of those below it too."""
    request = struct.pack("=QQQQ", attributes, 0, 0, 0)
    arguments = (ctypes.c_long(AT_FDCWD), target.encode(), ctypes.c_long(recursive), request, ctypes.c_long(32))
    checked(libc.syscall(ctypes.c_long(MOUNT_SETATTR), *arguments), f"mount_setattr {target}")


def main() -> None:
    """Start the program in its room, watch it to its end, and write to standard output how it ended."""
    options = types.SimpleNamespace(**dict(argument.split("=", 1) for argument in sys.argv[1:]))
    prctl(SET_PDEATHSIG, SIGKILL)
    if os.getppid() != int(options.parent):
        os._exit(1)
    deadline = time.monotonic() + float(options.wall_seconds)
    program = sys.stdin.buffer.read()
    outputs, writers = zip(*(os.pipe() for _ in range(3)), strict=True)  # stdout, stderr, "compiled"
    ends, end_writer = os.pipe()  # how the program ended, or why it could not start
    held, hold = os.pipe()  # closes when this launcher is gone
    if options.isolation == "namespaces":
        child = clone_into_namespaces()
    else:
        prctl(SET_CHILD_SUBREAPER, 1)
        child = os.fork()
    if child == 0:
        os.close(hold)
        run_first_process(options, program, writers, held, end_writer)
    for descriptor in (*writers, end_writer, held):
        os.close(descriptor)
    if options.isolation == "namespaces":
        map_ids(child)
    write_file(f"/proc/{child}/oom_score_adj", "1000")  # where memory runs out, the program is the first to go
    os.write(hold, b"m")
    read = dict.fromkeys((ends, *outputs), b"")
    root = child if options.isolation == "namespaces" else os.getpid()  # whose descendants nobody can leave
    ended = watch(read, deadline, int(options.output_bytes), root, int(options.memory_bytes))
    end_all(child, options.isolation)
    if ended == "exit":  # nobody writes any more: what is still in the pipes is read to its end
        ended = read_rest(read, int(options.output_bytes))
    told, stdout, stderr, compiled = read.values()
    if told.startswith(b"!"):
        sys.exit(told[1:].decode())
    code = os.waitstatus_to_exitcode(int(told)) if told else -SIGKILL
    header = f"{len(compiled)} {ended} {code} {len(stdout)} {len(stderr)}\n"
    sys.stdout.buffer.write(header.encode() + stdout + stderr)


def clone_into_namespaces() -> int:
    """fork() whose child is in namespaces of its own; as fork(), 0 in the child and its number here."""
    number = CLONE[os.uname().machine]
    arguments = (ctypes.c_long(NEW_NAMESPACES | SIGCHLD), *(ctypes.c_long(0) for _ in range(4)))
    return checked(libc.syscall(ctypes.c_long(number), *arguments), "clone into new namespaces")


def map_ids(child: int) -> None:
    """Let `child` be nobody in its user namespace: really so for root, else under the name of nobody."""
    root = os.geteuid() == 0
    if not root:
        write_file(f"/proc/{child}/setgroups", "deny")
    for name, own in (("uid_map", os.geteuid()), ("gid_map", os.getegid())):
        write_file(f"/proc/{child}/{name}", f"0 0 1\n{NOBODY} {NOBODY} 1" if root else f"{NOBODY} {own} 1")


def write_file(path: str, text: str) -> None:
    """Write in one call, as files of /proc want it."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
    os.write(descriptor, text.encode())
    os.close(descriptor)


def watch(read: dict[int, bytes], deadline: float, limit: int, root: int, memory_bytes: int) -> str:
    """Read from all pipes until the first one ends, to the deadline, until one gave more than `limit` bytes, or until
    all processes together hold too much memory."""
    poll = select.poll()
    for descriptor in read:
        poll.register(descriptor, select.POLLIN)
    looked = time.monotonic()
    while (seconds := deadline - time.monotonic()) > 0:
        if time.monotonic() - looked >= LOOK_SECONDS:
            looked = time.monotonic()
            if memory_below(root) > memory_bytes:
                return "memory"
        for descriptor, _ in poll.poll(min(seconds, LOOK_SECONDS) * 1000):
            if not (chunk := os.read(descriptor, 65536)):
                poll.unregister(descriptor)
                if descriptor == next(iter(read)):
                    return "exit"
            read[descriptor] += chunk
            if len(read[descriptor]) > limit:
                read[descriptor] = read[descriptor][:limit]
                return "output"
    return "deadline"


def memory_below(root: int) -> int:
    """Bytes that all processes that come from `root` hold, with the pages that they share counted once.

    0 for a single one: it is bounded by its address space, so that it gets a MemoryError and no signal.
    """
    found, left = [], [root]
    while left:
        found.append(left.pop())
        for thread in entries(f"/proc/{found[-1]}/task"):
            left += map(int, content(f"/proc/{found[-1]}/task/{thread}/children").split())
    if len(programs := found[1:]) <= 1:
        return 0
    resident = [content(f"/proc/{number}/statm").split() for number in programs]
    held = sum(int(sizes[1]) for sizes in resident if sizes) * os.sysconf("SC_PAGE_SIZE")
    shares = [content(f"/proc/{number}/smaps_rollup").partition("\nPss:")[2].split() for number in programs]
    return sum(1024 * int(share[0]) for share in shares if share) or held


def entries(path: str) -> list[str]:
    """Names in a folder of /proc; none of a process that is gone."""
    try:
        return os.listdir(path)
    except OSError:
        return []


def content(path: str) -> str:
    """A file of /proc; nothing of a process that is gone, or that may not be looked at."""
    try:
        with open(path) as file:
            return file.read()
    except OSError:
        return ""


def read_rest(read: dict[int, bytes], limit: int) -> str:
    """Read every pipe to its end, or until one gave more than `limit` bytes."""
    for descriptor in read:
        while len(read[descriptor]) <= limit and (chunk := os.read(descriptor, 65536)):
            read[descriptor] += chunk
        if len(read[descriptor]) > limit:
            read[descriptor] = read[descriptor][:limit]
            return "output"
    return "exit"


def end_all(child: int, isolation: str) -> None:
    """Kill what is left, and wait until it is gone."""
    if isolation == "namespaces":
        os.kill(child, SIGKILL)  # process 1: the kernel kills the others and waits for them
        os.waitpid(child, 0)
        return
    while True:  # orphans come to this launcher, which is their subreaper
        with open(f"/proc/self/task/{os.getpid()}/children") as file:
            for process in file.read().split():
                os.kill(int(process), SIGKILL)
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


def run_first_process(
    options: types.SimpleNamespace, program: bytes, writers: tuple[int, ...], held: int, end_writer: int
) -> None:
    """Process 1 of the namespaces: build the room, start the program, wait for it. Never returns."""
    try:
        os.read(held, 1)  # until the user is mapped
        if options.isolation == "namespaces":
            build_room(options, program)
            drop_rights()
        prctl(SET_PDEATHSIG, SIGKILL)
        prctl(SET_DUMPABLE, 0)
        libc.signal(SIGINT, 0)  # the default: without handlers, the program's signals do not reach process 1
        if select.select([held], [], [], 0)[0]:  # the launcher was gone before it could be told to end us
            os._exit(1)
        if (pid := os.fork()) == 0:
            run_program(options, writers)
    except BaseException as error:  # nothing may get back into the launcher's code
        os.write(end_writer, f"!{type(error).__name__}: {error}".encode()[:4096])
        os._exit(1)
    for descriptor in writers:
        os.close(descriptor)
    while (ended := os.waitpid(-1, 0))[0] != pid:
        pass
    os.write(end_writer, str(ended[1]).encode())
    os._exit(0)


def build_room(options: types.SimpleNamespace, program: bytes) -> None:
    """A new root: the system and Python read-only, a private /tmp, five devices; no /proc, no home, no network."""
    mount("none", "/", "none", MS_SLAVE | MS_REC)
    mount("tmpfs", "/tmp", "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755,size=4m,nr_inodes=1024")
    os.mkdir("/tmp/old")
    os.chdir("/tmp")
    result = libc.syscall(ctypes.c_long(PIVOT_ROOT[os.uname().machine]), b".", b"old")
    checked(result, "pivot_root")
    os.chdir("/")
    os.mkdir("/tmp")
    mount("tmpfs", "/tmp", "tmpfs", MS_NOSUID | MS_NODEV, f"mode=1777,size={options.disk_bytes},nr_inodes=4096")
    for path in (*SYSTEM, *options.python_folders.split(":")):
        show_read_only(f"/old{path}", path, NODEV)
    for number, path in enumerate(options.package_folders.split(":")):
        show_read_only(f"/old{path}", f"/packages/{number}", NODEV)
    for path in DEVICES:
        show_read_only(f"/old{path}", path, 0)
    show_read_only(f"/old{options.runner}", "/sandbox_program.py", NODEV)
    write_file("/program.py", "")
    descriptor = os.open("/program.py", os.O_WRONLY)
    os.write(descriptor, program)
    os.close(descriptor)
    checked(libc.umount2(b"/old", MNT_DETACH), "umount")
    os.rmdir("/old")
    make_read_only("/", RDONLY | NOSUID | NODEV, 0)
    checked(libc.sethostname(b"sandbox", ctypes.c_size_t(7)), "sethostname")
    os.chdir("/tmp")


def show_read_only(source: str, target: str, attributes: int) -> None:
    """Show a file or folder of the system in the new root, read-only; skip what the system does not have."""
    if os.path.islink(source):
        os.symlink(os.readlink(source), target)
    elif os.path.isdir(source) and not os.path.isdir(target):
        os.makedirs(target)
    elif os.path.exists(source) and not os.path.exists(target):
        os.makedirs(os.path.dirname(target), exist_ok=True)
        os.close(os.open(target, os.O_CREAT, 0o644))
    else:
        return  # absent, or inside a folder that is shown already
    if not os.path.islink(source):
        mount(source, target, "none", MS_BIND | MS_REC)
        make_read_only(target, RDONLY | NOSUID | attributes, AT_RECURSIVE)


def drop_rights() -> None:
    """From root to nobody, for good."""
    if os.geteuid() == 0:
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)


def run_program(options: types.SimpleNamespace, writers: tuple[int, ...]) -> None:
    """The program itself: its own session, three pipes, limits, the filter, and a new interpreter."""
    os.setsid()
    null = os.open("/dev/null", os.O_RDONLY)
    spare = [os.dup(descriptor) for descriptor in writers]  # above 3, so that no dup2 below hits one that is needed
    for target, descriptor in enumerate((null, *spare)):
        os.dup2(descriptor, target, inheritable=True)
    namespaces = options.isolation == "namespaces"
    cpu, memory, disk = (int(value) for value in (options.cpu_seconds, options.memory_bytes, options.disk_bytes))
    for name, soft, hard in (
        (resource.RLIMIT_CPU, cpu, cpu + 1),
        (resource.RLIMIT_AS, memory, memory),
        (resource.RLIMIT_FSIZE, disk, disk),
        (resource.RLIMIT_NOFILE, 64, 64),
        (resource.RLIMIT_CORE, 0, 0),
        (resource.RLIMIT_MSGQUEUE, 0, 0),
        (resource.RLIMIT_MEMLOCK, 0, 0),
    ):
        resource.setrlimit(name, (soft, hard))
    if namespaces:  # counted in the user namespace alone; process 1 is one of them
        processes = int(options.processes) + 1
        resource.setrlimit(resource.RLIMIT_NPROC, (processes, processes))
        prctl(SET_NO_NEW_PRIVS, 1)
        install_filter(bytes.fromhex(options.filter))
    packages = options.package_folders.split(":")
    room = "/" if namespaces else options.room
    if namespaces:
        packages = [f"/packages/{number}" for number in range(len(packages))]
    runner = "/sandbox_program.py" if namespaces else options.runner
    environment = {
        "PATH": "/usr/bin:/bin",
        "HOME": "/tmp" if namespaces else room,
        "LANG": "C.UTF-8",
        "PYTHONHASHSEED": "0",
        "PYTHONDONTWRITEBYTECODE": "1",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }
    command = [options.python, "-s", "-S", "-P", runner, os.path.join(room, "program.py"), *packages]
    os.execve(options.python, command, environment)


def install_filter(instructions: bytes) -> None:
    """Refuse the system calls that this BPF program refuses, in this process and all that come from it (seccomp(2))."""
    array = ctypes.create_string_buffer(instructions, len(instructions))
    program = struct.pack("HxxxxxxP", len(instructions) // 8, ctypes.addressof(array))
    pointer = ctypes.create_string_buffer(program, len(program))
    prctl(SET_SECCOMP, 2, ctypes.c_void_p(ctypes.addressof(pointer)))
