#!/usr/bin/python3
"""Kills a process of a session before each of its system calls, one run after the other. For the host's root.

kill_everywhere VICTIM STRIDE [join]

VICTIM is its number (0: the helper, 1: process 1, 2: the owner of the user namespace, 3: the command; with "join",
where an instance runs already, 1: the command). After each run a next session must work and find what was written
before, and at the end nothing may be left: no process, no mount. Prints what is wrong, then "killed N".
"""

import os
import signal
import subprocess
import sys

import starts
import stepper

victim, stride = (int(one) for one in sys.argv[1:3])
join = sys.argv[3:] == ["join"]
keeper, tolerated = None, set()
starts.run("--as", "root", "--", "sh", "-c", "echo kept > /srv/kept").check_returncode()
starts.until_none_is_left()
before = starts.mounts()
if join:
    keeper = starts.begin("--", "sh", "-c", "echo ready; read line")
    keeper.stdout.readline()
    tolerated = starts.processes()
nowhere = os.open("/dev/null", os.O_RDWR)
killed, moment = 0, 1
while stepper.at_moment([*starts.SESSION, "--", "cat", "/srv/kept"], victim, moment,
                        lambda pid: os.kill(pid, signal.SIGKILL), starts.ALICE, nowhere):
    killed += 1
    where = f"victim {victim}, system call {moment}"
    try:
        # At once, so that it meets whatever is being cleaned up.
        again = starts.run("--as", "root", "--", "sh", "-c", "cat /srv/kept; echo more >> /srv/more")
        if (again.returncode, again.stdout) != (0, "kept\n"):
            print(f"{where}: the next session: {again}", flush=True)
    except subprocess.TimeoutExpired:
        print(f"{where}: the next session hangs; there are {starts.processes()}", flush=True)
        sys.exit(1)
    if left := starts.until_none_is_left(tolerated):
        print(f"{where}: left over: {left}", flush=True)
        sys.exit(1)
    if starts.mounts() != before:
        print(f"{where}: the host's mounts have changed:\n{before}\n{starts.mounts()}", flush=True)
        sys.exit(1)
    moment += stride
if keeper:
    keeper.communicate("end\n")
    if left := starts.until_none_is_left():
        print(f"left over at the end: {left}", flush=True)
print("killed", killed, flush=True)
