#!/usr/bin/python3
"""Looks at the descriptors of a session's command before each of the system calls that make it one. For the host's root.

descriptors_everywhere VICTIM [join]

VICTIM as in kill_everywhere. A line for each moment: "host" or "inside", the mount namespace that the process is in,
then what its descriptors lead to. The last one is of the command itself.
"""

import os
import sys

import starts
import stepper

victim = int(sys.argv[1])
host = os.readlink("/proc/self/ns/mnt")
keeper, tolerated = None, set()
if sys.argv[2:] == ["join"]:
    keeper = starts.begin("--", "sh", "-c", "echo ready; read line")
    keeper.stdout.readline()
    tolerated = starts.processes()
nowhere = os.open("/dev/null", os.O_RDWR)
found = os.pipe()


def look(pid):
    place = "host" if os.readlink(f"/proc/{pid}/ns/mnt") == host else "inside"
    numbers = sorted(int(number) for number in os.listdir(f"/proc/{pid}/fd"))
    # Without the numbers of pipes, which are others each time.
    links = [f"{number}={os.readlink(f'/proc/{pid}/fd/{number}').split('[')[0]}" for number in numbers]
    with open(f"/proc/{pid}/comm") as file:
        name = file.read().strip()
    os.write(found[1], f"{place} {name} {' '.join(links)}\n".encode())


moment = 1
while stepper.at_moment([*starts.SESSION, "--", "cat", "/proc/self/comm"], victim, moment, look, starts.ALICE, nowhere):
    line = os.read(found[0], 65536).decode()
    print(line, end="", flush=True)
    if not line.split()[1].startswith("caddis"):
        break
    # Or the next one would join this one's instance.
    starts.until_none_is_left(tolerated)
    moment += 1
if keeper:
    keeper.communicate("end\n")
