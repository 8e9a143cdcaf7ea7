#!/usr/bin/python3
"""Starts a program as a hostile caller would.

launch [--close N,...] [--open N=PATH]... [--limit NAME=SOFT[:HARD]]... [--block-all] [--ignore-all]
       [--umask OCTAL] [--cwd-removed] [--argv0 TEXT | --no-argv] [--env NAME=VALUE]... [--pieces N:SIZE] PROGRAM ARG...

Everything of the environment goes to PROGRAM unless an --env is given: then only those do. TEXT and VALUE may hold
Python's backslash escapes. N further arguments of SIZE bytes are added. Its own status is 98 when the kernel says that
this is too long, 99 when it refuses for another reason.
"""

import ctypes
import os
import resource
import signal
import sys


def unescaped(text):
    return text.encode().decode("unicode_escape").encode("latin-1")


def set_limit(text):
    name, _, values = text.partition("=")
    which = getattr(resource, "RLIMIT_" + name)
    soft, _, hard = values.partition(":")
    number = lambda value: resource.RLIM_INFINITY if value == "unlimited" else int(value)
    resource.setrlimit(which, (number(soft), number(hard) if hard else resource.getrlimit(which)[1]))


def execute(program, argv, environment):
    """execve(2) itself: Python refuses an empty argv."""
    libc = ctypes.CDLL(None, use_errno=True)
    arrays = [(ctypes.c_char_p * (len(strings) + 1))(*strings, None) for strings in (argv, environment)]
    # Everything is loaded by now: from here on no further descriptor or memory is needed.
    for step in last_steps:
        step()
    libc.execve(program, *arrays)
    os._exit(99 if ctypes.get_errno() != 7 else 98)


last_steps = []
closed, argv0, environment, pieces = [], None, [], []
arguments = sys.argv[1:]
while arguments and arguments[0].startswith("--"):
    option = arguments.pop(0)
    value = None if option in ("--block-all", "--ignore-all", "--no-argv", "--cwd-removed") else arguments.pop(0)
    if option == "--close":
        closed += [int(one) for one in value.split(",") if one]
    elif option == "--open":
        number, _, path = value.partition("=")
        fd = os.open(path, os.O_RDONLY)
        os.dup2(fd, int(number), inheritable=True)
    elif option == "--limit":
        last_steps.append(lambda value=value: set_limit(value))
    elif option == "--block-all":
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    elif option == "--ignore-all":
        for one in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
            try:
                signal.signal(one, signal.SIG_IGN)
            except OSError:
                pass
    elif option == "--umask":
        os.umask(int(value, 8))
    elif option == "--cwd-removed":
        directory = os.path.expanduser("~/gone")
        os.mkdir(directory)
        os.chdir(directory)
        os.rmdir(directory)
    elif option == "--argv0":
        argv0 = [unescaped(value)]
    elif option == "--no-argv":
        argv0 = []
    elif option == "--env":
        environment.append(unescaped(value))
    elif option == "--pieces":
        number, _, size = value.partition(":")
        pieces = [b"x" * int(size)] * int(number)
    else:
        sys.exit(f"launch: {option}?")

program, *rest = [os.fsencode(one) for one in arguments]
if argv0 == []:
    rest = []
argv = ([program] if argv0 is None else argv0) + rest + pieces
environment = environment or [name + b"=" + value for name, value in os.environb.items()]
# Descriptors last: Python may still open files before.
for fd in closed:
    last_steps.insert(0, lambda fd=fd: os.close(fd))
execute(program, argv, environment)
