"""What the attacks on a starting session have in common: sessions of alice's, and what is left of them."""

import os
import subprocess
import time

HELPER = "/usr/local/libexec/caddis/caddis-helper"
ALICE = (1000, [1000, 2000])
SESSION = [HELPER, "session", "--home", "/home/alice"]
VARIABLES = {"+PATH": "/usr/bin:/bin", "+HOME": "/home/alice", "PATH": "/usr/bin:/bin"}
PATIENCE = 60
AS_ALICE = ["setpriv", "--reuid=1000", "--regid=1000", "--init-groups"]


def mounts():
    with open("/proc/self/mountinfo") as file:
        return file.read()


def processes():
    """Ours, and whatever lives in another pid namespace than the host's."""
    found = set()
    host = os.readlink("/proc/self/ns/pid")
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/stat") as file:
                state = file.read().rsplit(")", 1)[1].split()[0]
            with open(f"/proc/{name}/comm") as file:
                command = file.read().strip()
            if state != "Z" and (command.startswith("caddis") or os.readlink(f"/proc/{name}/ns/pid") != host):
                found.add(f"{name} ({command})")
        except OSError:
            pass
    return found


def until_none_is_left(tolerated=frozenset()):
    """The end of a pid namespace takes a moment that nothing announces to somebody outside."""
    end = time.monotonic() + PATIENCE
    while left := processes() - tolerated:
        if time.monotonic() > end:
            return left
        time.sleep(0.001)
    return set()


def run(*arguments):
    """A session of alice's, to its end."""
    return subprocess.run([*AS_ALICE, *SESSION, *arguments], env=VARIABLES, capture_output=True, text=True,
                          timeout=PATIENCE, cwd="/")


def begin(*arguments):
    """A session of alice's to talk to."""
    return subprocess.Popen([*AS_ALICE, *SESSION, *arguments], env=VARIABLES, text=True, stdin=subprocess.PIPE,
                            stdout=subprocess.PIPE, cwd="/")
