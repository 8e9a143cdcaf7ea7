#!/usr/bin/python3
"""Pushes a command into every terminal within reach (TIOCSTI), as if somebody had typed it there."""

import fcntl
import os
import sys
import termios

reached = set()
for path in ["/dev/tty", "/proc/self/fd/0", "/proc/self/fd/1", "/proc/self/fd/2", "/dev/console"] + [
        "/dev/pts/" + name for name in os.listdir("/dev/pts")]:
    try:
        terminal = os.open(path, os.O_RDWR | os.O_NOCTTY)
    except OSError:
        continue
    try:
        for byte in sys.argv[1].encode() + b"\n":
            fcntl.ioctl(terminal, termios.TIOCSTI, bytes([byte]))
        reached.add(path)
    except OSError:
        pass
