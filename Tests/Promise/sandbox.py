"""Namespaces of our own for processes, mounts and networks, so that whatever happens to us the
kernel ends every process and takes back every interface that we made. Needs root."""

import contextlib
import ctypes
import fcntl
import os
import signal
import socket
import struct
from pathlib import Path

CLONE_NEWNS = 0x00020000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000
MS_REC, MS_PRIVATE = 0x4000, 0x40000
PR_SET_PDEATHSIG = 1
SIOCSIFFLAGS, IFF_UP = 0x8914, 1
LIBC = ctypes.CDLL(None, use_errno=True)


def _checked(result):
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _mount(source, target, kind, flags=0):
    _checked(LIBC.mount(source, target.encode(), kind, flags, None))


def enter():
    """Goes on in namespaces of our own, as another process.

    Returns twice: there (None, None), and here, when that has ended, (its exit code, None). Where
    it cannot be done it returns once: (None, the reason).
    """
    if os.geteuid() != 0:
        return None, "it needs root"
    try:
        _checked(LIBC.unshare(CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET))
    except OSError as error:
        return None, f"no namespaces here: {error}"
    child = os.fork()
    if child:
        _pass_on(child)
        return _exit_code(os.waitpid(child, 0)[1]), None
    _die_with_parent()
    _start_loopback()
    _mount(b"none", "/", None, MS_REC | MS_PRIVATE)
    _mount(b"proc", "/proc", b"proc")
    os.makedirs("/run/netns", exist_ok=True)
    _mount(b"tmpfs", "/run/netns", b"tmpfs")
    # The first process of the namespace reaps what others leave behind; the work is its child's.
    worker = os.fork()
    if worker:
        _reap(worker)
    _die_with_parent()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    return None, None


def _start_loopback():
    """A new network has an interface lo, which is down."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        request = struct.pack("16sh14x", b"lo", IFF_UP)
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, request)


def _die_with_parent():
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _pass_on(child):
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda n, _: _signal(child, n))


def _signal(child, number):
    with contextlib.suppress(ProcessLookupError):
        os.kill(child, number)


def _exit_code(status):
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def _reap(worker):
    _pass_on(worker)
    while True:
        pid, status = os.wait()
        if pid == worker:
            os._exit(_exit_code(status))


def join_network(name):
    """Enters a network namespace that `ip netns` made."""
    descriptor = os.open(Path("/run/netns") / name, os.O_RDONLY)
    try:
        _checked(LIBC.setns(descriptor, CLONE_NEWNET))
    finally:
        os.close(descriptor)


def prepare(network=None, user=None, death=signal.SIGKILL):
    """What a child does before it executes: enters a network, becomes a user, dies with us."""

    def run():
        if network is not None:
            join_network(network)
        if user is not None:
            os.setgroups([])
            os.setgid(user.pw_gid)
            os.setuid(user.pw_uid)
        LIBC.prctl(PR_SET_PDEATHSIG, death)

    return run
