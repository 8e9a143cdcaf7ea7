#!/usr/bin/python3
"""Starts a program as a user, with standard output and standard error full and never read. Says of the process that is
held up by that who it is, and how the program ends when the user sends it SIGTERM.

deaf USER PROGRAM ARG...                            as root, who may look
deaf --limit NUMBER PROGRAM ARG...                  how many of them the caller can have at once, with this limit of processes
"""

import fcntl
import os
import pwd
import resource
import signal
import sys
import time

WRITE = {"x86_64": ("1", "20"), "aarch64": ("64", "66")}[os.uname().machine]


def full_pipe():
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    os.set_blocking(writer, False)
    try:
        while True:
            os.write(writer, bytes(4096))
    except BlockingIOError:
        os.set_blocking(writer, True)
    return reader, writer


def start(argv, before=lambda: None):
    (reader, writer) = full_pipe()
    pid = os.fork()
    if pid == 0:
        for number in (1, 2):
            os.dup2(writer, number)
        before()
        os.execv(argv[0], argv)
    os.close(writer)
    return pid, reader


def status(pid):
    with open(f"/proc/{pid}/status") as file:
        return dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)


def family(pid):
    """The process and all of its descendants."""
    found = [pid]
    for one in found:
        try:
            with open(f"/proc/{one}/task/{one}/children") as file:
                found += map(int, file.read().split())
        except OSError:
            pass
    return found


def held_up(pid):
    """Who of them writes to descriptor 1 or 2."""
    for one in family(pid):
        try:
            with open(f"/proc/{one}/syscall") as file:
                call = file.read().split()
        except OSError:
            continue
        if call[0] in WRITE and int(call[1], 16) in (1, 2):
            return one
    return None


def killed(pid):
    """Sends SIGTERM; not to one that stays out of reach. A session's outer process may have a few steps to go until then."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            os.kill(pid, signal.SIGTERM)
            return True
        except PermissionError:
            time.sleep(0.002)
    return False


def of_user(name, argv):
    user = pwd.getpwnam(name)

    def become():
        os.initgroups(name, user.pw_gid)
        os.setgid(user.pw_gid)
        os.setuid(user.pw_uid)
        os.chdir(user.pw_dir)
        os.environ.clear()

    pid, _reader = start(argv, become)
    while (one := held_up(pid)) is None:
        ended, how = os.waitpid(pid, os.WNOHANG)
        if ended:
            print("never held up", os.waitstatus_to_exitcode(how))
            return
        time.sleep(0.002)
    about = status(one)
    groups = " ".join(sorted(about["Groups"].split()))
    own = " ".join(sorted(map(str, os.getgrouplist(name, user.pw_gid))))
    print("uids", *about["Uid"].split())
    print("gids", *about["Gid"].split())
    print("groups", "the user's" if groups == own else groups)
    print("capabilities", int(about["CapEff"], 16) | int(about["CapPrm"], 16) | int(about["CapInh"], 16))
    print("blocked", int(about["SigBlk"], 16) if one == pid else "-")
    sys.stdout.flush()
    killer = os.fork()
    if killer == 0:
        become()
        os._exit(0 if killed(pid) else 1)
    if os.waitstatus_to_exitcode(os.waitpid(killer, 0)[1]) == 1:
        print("killed refused")
        os.kill(pid, signal.SIGKILL)
    print("ended", os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))


def at_once(limit, argv):
    resource.setrlimit(resource.RLIMIT_NPROC, (limit, limit))
    own = [str(os.getuid())] * 4
    name = os.path.basename(argv[0])
    started = []
    while len(started) < 2 * limit:
        try:
            pid, reader = start(argv)
        except BlockingIOError:
            break
        started.append((pid, reader))
        # Before execve it is the caller's anyway; the helper itself has become the caller once it writes.
        def writes():
            about = status(pid)
            return about["Name"] == name and about["Uid"].split() == own

        deadline = time.monotonic() + 10
        while not writes() and time.monotonic() < deadline:
            time.sleep(0.002)
    print("at once", len(started))
    for pid, _ in started:
        if not killed(pid):
            print("killed refused")
    for pid, reader in started:
        os.close(reader)
        os.waitpid(pid, 0)


if sys.argv[1] == "--limit":
    at_once(int(sys.argv[2]), sys.argv[3:])
else:
    of_user(sys.argv[1], sys.argv[2:])
