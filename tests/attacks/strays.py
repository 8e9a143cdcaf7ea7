#!/usr/bin/python3
"""Processes on the host with ids of an environment's range, started by the user through setuid copies of Python.

    strays.py PYTHON… -- KIND COUNT

COUNT processes of that kind run with the id of each copy. Prints "there N", the number of those that are meant to
stay, and waits.
"""

import ctypes
import os
import signal
import sys
import threading
import time

libc = ctypes.CDLL(None, use_errno=True)
# Whose reports are awaited.
reader, writer = os.pipe()


def become():
    uid = os.geteuid()
    os.setresuid(uid, uid, uid)


def stay():
    while True:
        signal.pause()


def report():
    os.write(int(os.environ["REPORT"]), b"x")


def plain():
    """It starts the others itself, which takes less time than to execute each."""
    become()
    for _ in range(1, int(os.environ["COUNT"])):
        if os.fork() == 0:
            break
    report()
    stay()


def half():
    """The user's own id in two places of three."""
    os.setresuid(-1, os.geteuid(), os.getuid())
    report()
    stay()


def named():
    become()
    libc.prctl(15, b"x) Z 1\nUid:\t0\t0\t\xff", 0, 0, 0)
    report()
    stay()


def traced():
    become()
    child = os.fork()
    if child == 0:
        libc.ptrace(0, 0, 0, 0)
        os.kill(os.getpid(), signal.SIGSTOP)
        stay()
    os.waitpid(child, 0)
    report()
    stay()


def leaderless():
    """The first thread ends, another one goes on: /proc shows a zombie."""
    become()
    def other():
        while open(f"/proc/{os.getpid()}/status").read().find("State:\tZ") < 0:
            time.sleep(0.01)
        report()
        while True:
            time.sleep(1000)
    threading.Thread(target=other).start()
    libc.syscall(60, 0)


def nested():
    """Process 1 of a pid namespace of its own, in a user namespace of its own."""
    become()
    # CLONE_NEWUSER | CLONE_NEWPID
    if libc.unshare(0x10000000 | 0x20000000):
        os._exit(1)
    if os.fork():
        os._exit(0)
    report()
    stay()


def hopping():
    """A new process again and again, and the former one ends."""
    become()
    report()
    while True:
        try:
            if os.fork():
                os._exit(0)
        except OSError:
            pass


def forking():
    """As many as the limit allows; one that ends is replaced, one that is stopped is continued."""
    become()
    report()
    while True:
        try:
            if os.fork() == 0:
                continue
        except OSError:
            pass
        try:
            os.kill(-1, signal.SIGCONT)
        except OSError:
            pass
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except OSError:
            pass


def changing():
    """Executes one setuid program after the other, each with another id."""
    pythons = os.environ["PYTHONS"].split(":")
    if "REPORTED" not in os.environ:
        report()
        os.environ["REPORTED"] = "1"
    become()
    try:
        if os.fork() == 0:
            time.sleep(0.05)
            os._exit(0)
    except OSError:
        pass
    own = int(os.environ.get("NEXT", "0"))
    os.environ["NEXT"] = str((own + 1) % len(pythons))
    os.execv(pythons[own], [pythons[own], "-I", sys.argv[0], "as", "changing"])


if sys.argv[1] == "as":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    globals()[sys.argv[2]]()
    os._exit(0)

at = sys.argv.index("--")
pythons, kind, count = sys.argv[1:at], sys.argv[at + 1], int(sys.argv[at + 2])
os.set_inheritable(writer, True)
os.environ.update(REPORT=str(writer), PYTHONS=":".join(pythons))
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
os.environ["COUNT"] = str(count)
for python in pythons:
    for _ in range(1 if kind == "plain" else count):
        if os.fork() == 0:
            os.setsid()
            os.close(reader)
            os.execv(python, [python, "-I", sys.argv[0], "as", kind])
        # One by one: until then it counts for the user.
        os.read(reader, 1)
    if kind == "plain":
        for _ in range(1, count):
            os.read(reader, 1)
print("there", len(pythons) * count, flush=True)
stay()
