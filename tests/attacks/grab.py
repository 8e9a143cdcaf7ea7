#!/usr/bin/python3
"""Grabs at another process in every way that the kernel has.

grab once PID...       tries each process once
grab serve             the same with every id that comes on standard input, a line each; says "done" after each
grab next COUNT LEAST  prints "waiting", then watches for new processes whose name is caddis-helper and tries them
                       again and again, until COUNT of them are over and LEAST were that still after an attempt

A line for what was got, "got WHAT PID"; then "tried N", the number of attempts. What a grabbed descriptor leads to is
looked at: /tmp/only-on-the-host exists on the host alone ("host WHAT PID").
"""

import ctypes
import errno
import os
import signal
import sys

libc = ctypes.CDLL(None, use_errno=True)
ptrace = libc.ptrace
ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
CONT, ATTACH, DETACH, SEIZE, INTERRUPT = 7, 16, 17, 0x4206, 0x4207
ALL, EVENT_STOP = 0x40000000, 128
# The same numbers on every architecture: these calls are younger than the common table.
PIDFD_OPEN, PIDFD_GETFD = 434, 438
CLONE_NEWNS, CLONE_NEWUSER = 0x20000, 0x10000000
MARK = "tmp/only-on-the-host"
tried = 0


class Iovec(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("length", ctypes.c_size_t)]


def checked(result):
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


def leads_to_host(fd):
    """Whether the descriptor is a directory from which the host's files are found."""
    for prefix in ("", "../", "../../", "../../../"):
        try:
            os.close(os.open(prefix + MARK, os.O_PATH, dir_fd=fd))
            return True
        except OSError:
            pass
    return False


def directory(pid, link):
    fd = os.open(f"/proc/{pid}/{link}", os.O_PATH)
    try:
        if leads_to_host(fd):
            print("host", link, pid, flush=True)
    finally:
        os.close(fd)


def descriptors(pid):
    for name in os.listdir(f"/proc/{pid}/fd"):
        fd = os.open(f"/proc/{pid}/fd/{name}", os.O_PATH)
        if leads_to_host(fd):
            print("host", "fd", name, pid, flush=True)
        os.close(fd)


def any_descriptor(pid):
    process = checked(libc.syscall(PIDFD_OPEN, pid, 0))
    error = None
    try:
        for number in range(0, 64):
            try:
                fd = checked(libc.syscall(PIDFD_GETFD, process, number, 0))
            except OSError as failure:
                error = failure
                continue
            if leads_to_host(fd):
                print("host", "pidfd_getfd", number, pid, flush=True)
            os.close(fd)
            error = None
            break
    finally:
        os.close(process)
    if error:
        raise error


def trace(request):
    def attempt(pid):
        checked(ptrace(request, pid, None, None))
        if request == SEIZE:
            checked(ptrace(INTERRUPT, pid, None, None))
        # Until the stop that was asked for: the victim must go on afterwards as if nothing had happened.
        while os.WIFSTOPPED(status := os.waitpid(pid, ALL)[1]):
            stop = os.WSTOPSIG(status)
            if status >> 16 == EVENT_STOP or request == ATTACH and stop == signal.SIGSTOP:
                ptrace(DETACH, pid, None, None)
                return
            ptrace(CONT, pid, None, ctypes.c_void_p(stop))
    return attempt


def memory(pid):
    with open(f"/proc/{pid}/maps") as maps:
        start = next(int(line.split("-")[0], 16) for line in maps if " rw-p " in line)
    with open(f"/proc/{pid}/mem", "r+b", buffering=0) as file:
        file.seek(start)
        file.read(16)


def blind_memory(pid):
    """Any address will do: "no such address" comes after "not allowed"."""
    buffer = ctypes.create_string_buffer(16)
    local = Iovec(ctypes.cast(buffer, ctypes.c_void_p), 16)
    remote = Iovec(0x400000, 16)
    if libc.process_vm_readv(pid, ctypes.byref(local), 1, ctypes.byref(remote), 1, 0) < 0:
        number = ctypes.get_errno()
        if number != errno.EFAULT:
            raise OSError(number, os.strerror(number))


def contents(file):
    def attempt(pid):
        with open(f"/proc/{pid}/{file}", "rb") as opened:
            opened.read(1)
    return attempt


def listed(name):
    def attempt(pid):
        os.listdir(f"/proc/{pid}/{name}")
    return attempt


def namespaces(pid):
    """In a child: joining may work for a process of one's own."""
    mount = os.open(f"/proc/{pid}/ns/mnt", os.O_RDONLY)
    child = os.fork()
    if child == 0:
        if libc.setns(mount, CLONE_NEWNS) == 0 and os.path.exists("/" + MARK):
            print("host", "setns", pid, flush=True)
        os._exit(0)
    os.waitpid(child, 0)
    os.close(mount)


def all_namespaces(pid):
    process = checked(libc.syscall(PIDFD_OPEN, pid, 0))
    child = os.fork()
    if child == 0:
        result = libc.setns(process, CLONE_NEWUSER | CLONE_NEWNS)
        if result == 0 and os.path.exists("/" + MARK):
            print("host", "setns", pid, flush=True)
        os._exit(0 if result == 0 else ctypes.get_errno())
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    os.close(process)
    if status:
        raise OSError(status, os.strerror(status))


WAYS = {
    "root": lambda pid: directory(pid, "root"),
    "cwd": lambda pid: directory(pid, "cwd"),
    "fd": descriptors,
    "pidfd_getfd": any_descriptor,
    "mem": memory,
    "process_vm_readv": blind_memory,
    "seize": trace(SEIZE),
    "attach": trace(ATTACH),
    "environ": contents("environ"),
    "auxv": contents("auxv"),
    "exe": lambda pid: os.readlink(f"/proc/{pid}/exe"),
    "fdinfo": listed("fdinfo"),
    "map_files": listed("map_files"),
    "ns/mnt": namespaces,
    "setns": all_namespaces,
}
# Forks and waits take time, which an attacker in a hurry does not have.
QUICK = [name for name in WAYS if name not in ("ns/mnt", "setns")]


def attack(pid, ways):
    global tried
    got = []
    for name in ways:
        tried += 1
        try:
            WAYS[name](pid)
            got.append(name)
        except (OSError, StopIteration):
            pass
    return got


def name_of(pid):
    try:
        with open(f"/proc/{pid}/comm") as file:
            return file.read().strip()
    except OSError:
        return None


def once(pids):
    for pid in pids:
        for name in attack(pid, WAYS):
            print("got", name, pid, flush=True)
    print("tried", tried, flush=True)


def serve():
    print("ready", flush=True)
    for line in sys.stdin:
        for name in attack(int(line), WAYS):
            print(name, flush=True)
        print("done", flush=True)


def is_helper(pid):
    """Whether it is the helper still. In the middle of execve(2) a process has its new memory already, its descriptors
    closed, and its old name; but whoever may look at it then may also see what it executes."""
    if name_of(pid) != "caddis-helper":
        return False
    try:
        return os.readlink(f"/proc/{pid}/exe").endswith("caddis-helper")
    except OSError:
        return name_of(pid) == "caddis-helper"


def next_ones(count, least):
    """What is got counts only if the process is the helper still, after the attempt."""
    own = {int(name) for name in os.listdir("/proc") if name.isdigit()}
    print("waiting", flush=True)
    over, at_work = set(), set()
    while len(over) < count or len(at_work) < least:
        for pid in {int(name) for name in os.listdir("/proc") if name.isdigit()} - own - over:
            for name in QUICK:
                got = attack(pid, [name])
                if not is_helper(pid):
                    over.add(pid)
                    break
                at_work.add(pid)
                if got:
                    print("got", name, pid, flush=True)
    print("caught", len(at_work), flush=True)
    print("tried", tried, flush=True)


signal.signal(signal.SIGPIPE, signal.SIG_DFL)
if sys.argv[1] == "once":
    once([int(pid) for pid in sys.argv[2:]])
elif sys.argv[1] == "serve":
    serve()
else:
    next_ones(int(sys.argv[2]), int(sys.argv[3]))
