#!/usr/bin/python3
"""Uses up what the kernel counts for a user, and holds it until its standard input ends.

use_up inotify         makes instances of inotify until the kernel refuses; says "made N"
use_up signals N       has N real-time signals wait for it; says "made N"
"""

import ctypes
import errno
import os
import resource
import signal
import sys

libc = ctypes.CDLL(None, use_errno=True)

made = 0
if sys.argv[1] == "inotify":
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    while (descriptor := libc.inotify_init1(0)) >= 0:
        made += 1
        # So that it is this limit that is met.
        assert descriptor < hard - 16, "too few descriptors"
    assert ctypes.get_errno() == errno.EMFILE, os.strerror(ctypes.get_errno())
else:
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGRTMIN})
    for _ in range(int(sys.argv[2])):
        if libc.sigqueue(os.getpid(), int(signal.SIGRTMIN), ctypes.c_void_p(0)) < 0:
            raise OSError(ctypes.get_errno(), "sigqueue")
        made += 1
print("made", made, flush=True)
sys.stdin.read()
