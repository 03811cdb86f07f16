"""The system calls that a sandboxed program may not make, as a seccomp filter (classic BPF)."""

from __future__ import annotations

import errno
import struct

__all__ = ["DENIED", "DENIED_FCNTL", "MACHINES", "syscall_filter"]

MACHINES = {"x86_64": (0xC000003E, 0), "aarch64": (0xC00000B7, 1)}
"""By `platform.machine()`: the audit number of the architecture, and its column in `DENIED`."""

DENIED: dict[str, tuple[int, int]] = {
    # The network. The program's own network namespace is empty, but vsock and the kernel's crypto sockets have none.
    "socket": (41, 198),
    # Memory that outlives or escapes the process's address space, which is what the memory limit counts.
    "shmget": (29, 194),
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
    "msgget": (68, 186),
    "semget": (64, 190),
    "mq_open": (240, 180),
    # New namespaces and mounts, which would give rights back.
    "unshare": (272, 97),
    "setns": (308, 268),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
    "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
    # Files of the system that other programs see too, as channels to them: locks, notices, mounts.
    "flock": (73, 32),
    "inotify_init": (253, 26),  # on aarch64 there is inotify_init1 alone
    "inotify_init1": (294, 26),
    "inotify_add_watch": (254, 27),
    "fanotify_init": (300, 262),
    "fanotify_mark": (301, 263),
    "statmount": (457, 457),
    "listmount": (458, 458),
    # Other processes.
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "pidfd_getfd": (438, 438),
    "kcmp": (312, 272),
    # Parts of the kernel that mathematics does not need and attacks do.
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "syslog": (103, 116),
    "acct": (163, 89),
    "quotactl": (179, 60),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "reboot": (169, 142),
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
}
"""Refused with EPERM: name → number on x86_64 and on aarch64."""

_FCNTL = (72, 25)
DENIED_FCNTL = {
    "F_GETLK": 5,
    "F_SETLK": 6,
    "F_SETLKW": 7,
    "F_OFD_GETLK": 36,
    "F_OFD_SETLK": 37,
    "F_OFD_SETLKW": 38,
    "F_SETLEASE": 1024,
    "F_NOTIFY": 1026,
}
"""Commands of fcntl(2) that are refused with EPERM, for the reason for which flock and inotify are."""

_CLONE, _CLONE3 = (56, 220), 435
_CLONE_NAMESPACES = 0x7E020000  # CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET
_X32 = 0x40000000  # the second set of numbers of x86_64
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT, _SECOND_ARGUMENT = (
    0,
    4,
    16,
    24,
)  # offsets in struct seccomp_data, little endian
_ALLOW, _KILL, _ERROR = 0x7FFF0000, 0x80000000, 0x00050000


def syscall_filter(machine: str) -> bytes:
    """The filter for ``prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ...)``: an array of ``struct sock_filter``.

    `DENIED`, `DENIED_FCNTL` and clone into new namespaces fail with EPERM, clone3 (whose flags a filter cannot see)
    with ENOSYS, so that the C library falls back to clone. A call of another architecture kills the process.

    Args:
        machine: as `platform.machine()` says it.

    Raises:
        ValueError: no table for this machine.
    """
    if machine not in MACHINES:
        raise ValueError(f"machine is {machine!r}; there is a system call table for {', '.join(MACHINES)} only.")
    architecture, column = MACHINES[machine]
    denied = _ERROR | errno.EPERM
    code = [
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_EQUAL, 1, 0, architecture),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _NUMBER),
        (_AT_LEAST, 0, 1, _X32),
        (_RETURN, 0, 0, denied),
        (_EQUAL, 0, 1, _CLONE3),
        (_RETURN, 0, 0, _ERROR | errno.ENOSYS),
    ]
    for numbers in DENIED.values():
        code += [(_EQUAL, 0, 1, numbers[column]), (_RETURN, 0, 0, denied)]
    commands = [
        step for command in DENIED_FCNTL.values() for step in ((_EQUAL, 0, 1, command), (_RETURN, 0, 0, denied))
    ]
    code += [
        (_EQUAL, 0, len(commands) + 2, _FCNTL[column]),
        (_LOAD, 0, 0, _SECOND_ARGUMENT),
        *commands,
        (_RETURN, 0, 0, _ALLOW),
        (_EQUAL, 0, 3, _CLONE[column]),
        (_LOAD, 0, 0, _FIRST_ARGUMENT),
        (_ANY_BIT, 0, 1, _CLONE_NAMESPACES),
        (_RETURN, 0, 0, denied),
        (_RETURN, 0, 0, _ALLOW),
    ]
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in code)
