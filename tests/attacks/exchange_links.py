#!/usr/bin/python3
"""Exchanges directories for links as soon as somebody has listed them, until its input ends.

exchange_links.py DIRECTORY TARGET

In DIRECTORY, which is the caller's, are three directories with a directory `inner` in each, among thousands of other
names, and beside each a link to TARGET. When one has been listed, the link takes its place, so that what is looked at next by way
of it is in TARGET. After a while without a visitor all are put back. Says "going".
"""

import ctypes
import os
import select
import struct
import sys

directory, target = sys.argv[1:]
libc = ctypes.CDLL(None, use_errno=True)
AT_FDCWD, EXCHANGE, CLOSE_NOWRITE = -100, 2, 0x10
queue = libc.inotify_init()
pairs, swapped = {}, set()


def exchange(watch):
    real, link = pairs[watch]
    libc.renameat2(AT_FDCWD, real.encode(), AT_FDCWD, link.encode(), EXCHANGE)


file = f"{directory}/file"
open(file, "w").close()
for number in range(3):
    real, link = f"{directory}/d{number}", f"{directory}/l{number}"
    os.makedirs(f"{real}/inner")
    for other in range(6000):
        os.link(file, f"{real}/{other}")
    os.symlink(target, link)
    pairs[libc.inotify_add_watch(queue, real.encode(), CLOSE_NOWRITE)] = (real, link)
print("going", flush=True)
while True:
    ready = select.select([queue, sys.stdin], [], [], 0.2)[0]
    if sys.stdin in ready:
        break
    if queue in ready:
        watch = struct.unpack("i", os.read(queue, 16)[:4])[0]
        if watch in pairs and watch not in swapped:
            exchange(watch)
            swapped.add(watch)
    else:
        for watch in swapped:
            exchange(watch)
        swapped.clear()
