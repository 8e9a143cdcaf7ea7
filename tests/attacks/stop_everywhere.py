#!/usr/bin/python3
"""Stops a process of Caddis before each of its system calls, as its user may; then others must not have to wait. For
the host's root.

stop_everywhere VICTIM STRIDE start|join|remove|new [PROGRAM]

VICTIM as in kill_everywhere. Alice sends SIGSTOP from the host, with PROGRAM (a kill(1) that she has from somewhere) if
there is one. Then bob lists his environments; root lists all, runs something in alice's environment and ends all of
hers. Prints who had to wait, then "stopped N of M".
"""

import os
import signal
import subprocess
import sys

import starts
import stepper

victim, stride, what = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
program = sys.argv[4] if len(sys.argv) > 4 else "/bin/kill"
REQUESTS = {
    "start": [*starts.SESSION, "--", "cat", "/srv/kept"],
    "join": [*starts.SESSION, "--", "cat", "/srv/kept"],
    "remove": [starts.HELPER, "remove", "other", "--force"],
    "new": [starts.HELPER, "new", "copy", "--from", "default"],
}
FOR_ALICE = ["--for", "1000:1000,2000"]
PEOPLE = [
    ("bob lists", ["setpriv", "--reuid=1001", "--regid=1001", "--clear-groups", starts.HELPER, "list"]),
    ("root lists", [starts.HELPER, "list", "--all"]),
    ("root runs", [starts.HELPER, "session", *FOR_ALICE, "--home", "/home/alice", "--", "true"]),
    ("root stops", [starts.HELPER, "stop", *FOR_ALICE, "--every"]),
]
nowhere = os.open("/dev/null", os.O_RDWR)
answers = os.pipe()


def state(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0]
    except OSError:
        return ""


def stop(pid):
    sent = subprocess.run([*starts.AS_ALICE, program, "-STOP", str(pid)], stderr=nowhere)
    os.write(answers[1], f"{pid} {sent.returncode}\n".encode())


def others(where):
    for name, words in PEOPLE:
        # Signals that would end it are blocked: it is to be killed.
        running = subprocess.Popen(words, stdin=nowhere, stdout=nowhere, stderr=subprocess.PIPE, text=True, cwd="/")
        try:
            _, errors = running.communicate(timeout=20)
        except subprocess.TimeoutExpired:
            print(f"{where}: {name}: has to wait", flush=True)
            running.kill()
            running.communicate()
            continue
        if running.returncode:
            print(f"{where}: {name}: {running.returncode}: {errors}", flush=True)


def go_on():
    """Everybody who was stopped."""
    for name in starts.processes():
        number = int(name.split()[0])
        if state(number) == "T":
            os.kill(number, signal.SIGCONT)


starts.run("--as", "root", "--", "sh", "-c", "echo kept > /srv/kept").check_returncode()
stopped, moments, moment = 0, 0, 1
while True:
    starts.until_none_is_left()
    keeper = None
    if what == "join":
        keeper = starts.begin("--", "sh", "-c", "echo ready; read line")
        keeper.stdout.readline()
    elif what == "remove":
        starts.run("--env", "other", "--", "true").check_returncode()
    elif what == "new":
        subprocess.run([*starts.AS_ALICE, starts.HELPER, "remove", "copy"], stderr=nowhere)
    if not stepper.at_moment(REQUESTS[what], victim, moment, stop, starts.ALICE, nowhere):
        break
    pid, refused = os.read(answers[0], 64).decode().split()
    moments += 1
    stopped += refused == "0"
    others(f"{what}, victim {victim}, system call {moment}")
    while left := starts.processes():
        go_on()
        if keeper and keeper.poll() is None:
            keeper.kill()
        if not starts.until_none_is_left(left):
            break
    if keeper:
        keeper.communicate()
    moment += stride
print(f"stopped {stopped} of {moments}", flush=True)
