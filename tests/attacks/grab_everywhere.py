#!/usr/bin/python3
"""Stops a process of a session after each of its system calls and lets attackers grab at it. For the host's root.

grab_everywhere VICTIM STRIDE [join]

VICTIM as in kill_everywhere. With "join" three attackers are at work: alice and the environment's root, both inside,
and alice on the host; without it only the last one, since there is no inside yet. Prints "NAME got …" for what they got from
a process of ours, "NAME got from the command …" for what they get once it has become that, then "stopped N".
"""

import os
import signal
import subprocess
import sys
import time

import starts
import stepper

GRAB = "/usr/local/lib/attacks/grab.py"


class Attacker:
    def __init__(self, name, process, inside):
        self.name, self.process, self.inside = name, process, inside
        assert process.stdout.readline() == "ready\n", name

    def attack(self, numbers):
        """`numbers` are the ids of the process, the host's first, then the environment's."""
        if self.inside and len(numbers) < 2:
            return []
        self.process.stdin.write(f"{numbers[-1] if self.inside else numbers[0]}\n")
        self.process.stdin.flush()
        return [line.strip() for line in iter(self.process.stdout.readline, "done\n")]


def status(pid, field):
    try:
        with open(f"/proc/{pid}/status") as file:
            return next(line.split(":", 1)[1].split() for line in file if line.startswith(field + ":"))
    except (OSError, StopIteration):
        return [""]


def state(pid):
    return status(pid, "State")[0]


def until_it_stands_still(pid):
    """In the stop that was asked for, or over."""
    while state(pid) not in ("T", "Z", ""):
        time.sleep(0.0005)
    return state(pid) == "T"


def stop(pid):
    os.kill(pid, signal.SIGSTOP)
    os.write(found[1], f"{pid}\n".encode())


victim, stride = (int(one) for one in sys.argv[1:3])
join = sys.argv[3:] == ["join"]
on_host = subprocess.Popen([*starts.AS_ALICE, GRAB, "serve"], text=True, stdin=subprocess.PIPE,
                           stdout=subprocess.PIPE)
attackers = [Attacker("alice on the host", on_host, False)]
if join:
    attackers += [
        Attacker("alice inside", starts.begin("--", GRAB, "serve"), True),
        Attacker("root inside", starts.begin("--as", "root", "--", GRAB, "serve"), True),
    ]
nowhere = os.open("/dev/null", os.O_RDWR)
found = os.pipe()
stopped, moment, over = 0, 1, False
while not over and stepper.at_moment([*starts.SESSION, "--", "cat", "/proc/self/status"], victim, moment, stop, starts.ALICE,
                        nowhere):
    pid = int(os.read(found[0], 64))
    if until_it_stands_still(pid):
        stopped += 1
        over = not status(pid, "Name")[0].startswith("caddis")
        for attacker in attackers:
            got = attacker.attack([int(one) for one in status(pid, "NSpid")])
            if over:
                print(attacker.name, "got from the command:", *got, flush=True)
            elif got:
                print(attacker.name, "got:", *got, f"(system call {moment})", flush=True)
    # The session stops along with its command, so that all of it has to be told to go on.
    tolerated = {attacker.process.pid for attacker in attackers}
    while state(pid) not in ("Z", ""):
        for name in starts.processes():
            number = int(name.split()[0])
            if number not in tolerated and state(number) == "T":
                os.kill(number, signal.SIGCONT)
        time.sleep(0.0005)
    moment += stride
for attacker in attackers:
    attacker.process.communicate()
print("stopped", stopped, flush=True)
