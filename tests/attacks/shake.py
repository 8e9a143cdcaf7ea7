#!/usr/bin/python3
"""Renames, replaces and links what is in a directory of an environment for as long as it can: with a descriptor that
was passed out of it, so that this goes on while Caddis works on the directory.

shake NAME        waits on the abstract socket NAME for the directory; says "ready", then "held"; ends with its input
shake NAME PATH   in the environment: hands the directory over
"""

import os
import select
import socket
import sys

name = sys.argv[1]
end = socket.socket(socket.AF_UNIX)
if len(sys.argv) > 2:
    end.connect("\0" + name)
    socket.send_fds(end, [b"x"], [os.open(sys.argv[2], os.O_RDONLY | os.O_DIRECTORY)])
    end.recv(1)
    sys.exit()
end.bind("\0" + name)
end.listen()
print("ready", flush=True)
connection, _ = end.accept()
_, [directory], _, _ = socket.recv_fds(connection, 1, 1)
connection.send(b"x")
print("held", flush=True)


def quietly(action, *arguments, **more):
    try:
        action(*arguments, **more)
    except OSError:
        pass


round = 0
while not select.select([sys.stdin], [], [], 0)[0]:
    round += 1
    # A directory, a link out of the tree, a FIFO and a file take turns under the same names.
    for number in range(8):
        one, other = f"n{number}", f"n{(number + round) % 8}"
        quietly(os.rename, one, other, src_dir_fd=directory, dst_dir_fd=directory)
        kind = (round + number) % 4
        quietly(os.unlink, one, dir_fd=directory)
        quietly(os.rmdir, one, dir_fd=directory)
        if kind == 0:
            quietly(os.mkdir, one, dir_fd=directory)
        elif kind == 1:
            quietly(os.symlink, "/etc", one, dir_fd=directory)
        elif kind == 2:
            quietly(os.mkfifo, one, dir_fd=directory)
        else:
            quietly(lambda: os.close(os.open(one, os.O_CREAT | os.O_WRONLY, dir_fd=directory)))
