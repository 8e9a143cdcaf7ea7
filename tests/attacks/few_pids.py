#!/usr/bin/python3
"""Runs a program while its host has only a few process ids left.

few_pids USER LEFT PROGRAM ARG...

Started by root. Ends with the program's status, or 99 when the ids could not be used up.
"""

import os
import pwd
import signal
import sys

# From Linux 6.14 on, each pid namespace has its own. Before that it is the machine's, and left alone.
LIMIT = "/proc/sys/kernel/pid_max"
# The smallest that the kernel takes is 301; ids below 300 are not given out a second time.
SMALL = 400


def idle():
    """A process that does nothing, or None when there is no id left for one."""
    try:
        pid = os.fork()
    except BlockingIOError:
        return None
    if pid == 0:
        signal.pause()
        os._exit(0)
    return pid


def end(pid):
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def become(user, program):
    entry = pwd.getpwnam(user)
    os.initgroups(user, entry.pw_gid)
    os.setgid(entry.pw_gid)
    os.setuid(entry.pw_uid)
    os.environ.update(HOME=entry.pw_dir, USER=user, LOGNAME=user)
    os.chdir(entry.pw_dir)
    os.execvp(program[0], program)


release = [int(part) for part in os.uname().release.split("-")[0].split(".")[:2]]
if release < [6, 14]:
    print("few_pids: the machine's kernel is older than 6.14, its hosts share one table of process ids", file=sys.stderr)
    sys.exit(99)
user, left, *program = sys.argv[1:]
start, go = os.pipe()
runner = os.fork()
if runner == 0:
    os.close(go)
    os.read(start, 1)
    os.close(start)
    become(user, program)
with open(LIMIT) as file:
    before = file.read()
with open(LIMIT, "w") as file:
    file.write(str(SMALL))
idlers = []
while len(idlers) <= SMALL and (pid := idle()):
    idlers.append(pid)
full = len(idlers) <= SMALL
# The last ones have ids that are given out again.
for _ in range(int(left)):
    end(idlers.pop())
os.close(start)
os.write(go, b"x")
_, status = os.waitpid(runner, 0)
with open(LIMIT, "w") as file:
    file.write(before)
for pid in idlers:
    end(pid)
sys.exit(os.waitstatus_to_exitcode(status) if full else 99)
