#!/usr/bin/python3
"""Exchanges a link under a starting session before each of its system calls, one run after the other. For the host's
root.

swap_everywhere VICTIM STRIDE

The session's home and working directory are a link of alice's. At the start it leads to a directory of her own; from
the moment on, to root's home or to bob's. VICTIM is the process whose system calls are counted, as in kill_everywhere;
for process 1, which knows where the link led, the directory itself is replaced by such a link. Prints "leak …" when the session shows anything of the two, then how often the home was taken and how often refused.
"""

import os
import sys
import tempfile

import starts
import stepper

LINK = "/home/alice/link"
OWN = "/home/alice/own"
SCRIPT = f"""cat {LINK}/secret.txt {LINK}/private.txt secret.txt private.txt /root/secret.txt /home/bob/private.txt
ls -a {LINK} .; cat /proc/self/mountinfo"""
FORBIDDEN = ["/root", "/home/bob"]
SECRETS = ["for root's eyes", "bob's own words"]


def link(path, target):
    os.symlink(target, path + ".new")
    os.rename(path + ".new", path)


def prepare():
    if os.path.islink(OWN):
        os.unlink(OWN)
    os.makedirs(OWN, exist_ok=True)
    os.chown(OWN, 1000, 1000)
    link(LINK, OWN)


def swap(target):
    if victim == 0:
        link(LINK, target)
    else:
        os.rmdir(OWN)
        os.symlink(target, OWN)


victim, stride = (int(one) for one in sys.argv[1:3])
for role, target in (("user", FORBIDDEN[0]), ("root", FORBIDDEN[1])):
    taken, refused, moment = 0, 0, 1
    while True:
        prepare()
        with tempfile.TemporaryFile("w+") as output:
            session = [starts.HELPER, "session", "--home", LINK, "--cwd", LINK, "--as", role, "--", "sh", "-c", SCRIPT]
            more = stepper.at_moment(session, victim, moment, lambda pid: swap(target), starts.ALICE,
                                     output.fileno())
            if left := starts.until_none_is_left():
                sys.exit(f"left over: {left}")
            output.seek(0)
            text = output.read()
        roots = [line.split()[3] for line in text.splitlines() if " - " in line]
        if not roots and "cannot" not in text:
            print(f"nothing has run: {text}", flush=True)
        if any(secret in text for secret in SECRETS) or any(root.startswith(tuple(FORBIDDEN)) for root in roots):
            print(f"leak as {role} at system call {moment}: {text}", flush=True)
        taken += OWN in roots
        refused += "belongs to somebody else" in text
        if not more:
            break
        moment += stride
    print(f"as {role}: {moment} calls, taken {taken}, refused {refused}", flush=True)
