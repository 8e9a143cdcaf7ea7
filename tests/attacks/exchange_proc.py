#!/usr/bin/python3
"""Exchanges what the link /proc of alice's environment leads to, before each of process 1's system calls. For the host's root.

exchange_proc STRIDE

The link leads to ~/p/d, where process 1 mounts the real one. In ~/q/d there are a `self/stat` and a `self/mem` of alice's
own, which is a link to a file of root's on a file system that is passed through. Prints "written …" when that has changed,
then how often it was tried.
"""

import ctypes
import os
import sys

import starts
import stepper

FILE = "/scratch/roots"
HOME = "/home/alice"
libc = ctypes.CDLL(None, use_errno=True)


def exchange():
    if libc.renameat2(-100, f"{HOME}/p".encode(), -100, f"{HOME}/q".encode(), 2) < 0:
        raise OSError(ctypes.get_errno(), "renameat2")


def content():
    with open(FILE) as file:
        return file.read()


stride = int(sys.argv[1])
before = content()
nowhere = os.open("/dev/null", os.O_RDWR)
tried, moment = 0, 1
while stepper.at_moment([*starts.SESSION, "--", "true"], 1, moment, lambda pid: exchange(), starts.ALICE, nowhere):
    if left := starts.until_none_is_left():
        sys.exit(f"left over: {left}")
    if content() != before:
        print("written at system call", moment, flush=True)
        break
    exchange()
    tried, moment = tried + 1, moment + stride
print("tried", tried, flush=True)
