#!/usr/bin/python3
"""Starts a program with descriptors from 3 on, as a login's files are handed on.

hand_on KIND[:PATH]... -- PROGRAM ARG...

KIND is one of those below, or "closed". One more descriptor, that nobody asks for, is open as well: 60.
"""

import ctypes
import os
import socket
import sys

cut = sys.argv.index("--")
libc = ctypes.CDLL(None, use_errno=True)


def system_call(number, *arguments):
    fd = libc.syscall(number, *arguments)
    if fd < 0:
        sys.exit(f"hand_on: system call {number}: {os.strerror(ctypes.get_errno())}")
    return fd


def listening(path):
    one = socket.socket(socket.AF_UNIX)
    one.bind(path)
    one.listen()
    return one.detach()


kinds = {
    "file": lambda path: os.open(path, os.O_RDONLY),
    "written": lambda path: os.open(path, os.O_RDWR | os.O_CREAT, 0o600),
    "path": lambda path: os.open(path, os.O_PATH),
    "link": lambda path: os.open(path, os.O_PATH | os.O_NOFOLLOW),
    "listening": listening,
    "pair": lambda _: socket.socketpair()[0].detach(),
    "netlink": lambda _: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0).detach(),
    "pipe": lambda _: os.pipe()[0],
    "terminal": lambda _: os.openpty()[0],
    "pidfd": lambda _: os.pidfd_open(os.getpid()),
    "eventfd": lambda _: os.eventfd(0),
    "memory": lambda _: os.memfd_create("x"),
    # epoll_create1, fanotify_init(FAN_REPORT_FID), io_uring_setup(1, buffer), inotify_init, memfd_secret
    "epoll": lambda _: system_call(291, 0),
    "fanotify": lambda _: system_call(300, 0x200, 0),
    "uring": lambda _: system_call(425, 1, ctypes.create_string_buffer(120)),
    "inotify": lambda _: system_call(253),
    "secret": lambda _: system_call(447, 0),
}
made = []
for word in sys.argv[1:cut]:
    kind, _, path = word.partition(":")
    # Out of the way of the numbers that are wanted, and not to be closed by an owner of Python's.
    made.append(None if kind == "closed" else os.dup2(kinds[kind](path), 100 + len(made), inheritable=True))
null = os.open("/dev/null", os.O_RDWR)
os.dup2(null, 60, inheritable=True)
os.closerange(3, 60)
for number, fd in enumerate(made, 3):
    if fd is not None:
        os.dup2(fd, number, inheritable=True)
os.closerange(100, 200)
os.execv(sys.argv[cut + 1], sys.argv[cut + 1:])
