#!/usr/bin/python3
"""Mounts until the kernel has no room for more mounts in this namespace (fs.mount-max), below the current directory.

fill_mounts SPARE

The first SPARE mounts are the directories spare0, spare1, ...: each one that is unmounted makes room for one.
"""

import ctypes
import errno
import os
import sys

REC, BIND, PRIVATE = 1 << 14, 1 << 12, 1 << 18
libc = ctypes.CDLL(None, use_errno=True)


def mount(source, target, kind, flags):
    """Whether there was room."""
    if libc.mount(source.encode(), target.encode(), kind, flags, None) == 0:
        return True
    if ctypes.get_errno() != errno.ENOSPC:
        raise OSError(ctypes.get_errno(), target)
    return False


def new(name):
    os.mkdir(name)
    if not mount("fill", name, b"tmpfs", 0):
        return False
    # Copies of it are to be on it, and nowhere else.
    return mount("none", name, None, PRIVATE)


for number in range(int(sys.argv[1])):
    assert new(f"spare{number}"), "no room to begin with"
# Each tree of mounts grows until its double does not fit, so each is smaller than the one before.
tree = 0
while new(f"tree{tree}"):
    inner = f"tree{tree}/inner"
    os.mkdir(inner)
    while mount(f"tree{tree}", inner, None, BIND | REC):
        pass
    tree += 1
