#!/usr/bin/python3
"""Takes an open file over from a process in an environment, and keeps it, on the host.

hold NAME KIND         waits on the abstract socket NAME; says "ready", "held" once it has it, ends with its input
hold NAME KIND PATH    in the environment: hands the file over

KIND: file (written to at the end), read, path (O_PATH), directory, cwd (no descriptor any more, but the working
directory), map (no descriptor any more, but memory).
"""

import mmap
import os
import socket
import sys

name, kind = sys.argv[1:3]
end = socket.socket(socket.AF_UNIX)
if len(sys.argv) > 3:
    flags = {"file": os.O_RDWR, "map": os.O_RDWR, "read": os.O_RDONLY, "path": os.O_PATH}
    descriptor = os.open(sys.argv[3], flags.get(kind, os.O_RDONLY | os.O_DIRECTORY))
    end.connect("\0" + name)
    socket.send_fds(end, [b"x"], [descriptor])
    # Until it is there: a descriptor on its way belongs to nobody's process.
    end.recv(1)
    sys.exit()
end.bind("\0" + name)
end.listen()
print("ready", flush=True)
connection, _ = end.accept()
_, [descriptor], _, _ = socket.recv_fds(connection, 1, 1)
if kind == "map":
    memory = mmap.mmap(descriptor, 4)
    os.close(descriptor)
elif kind == "cwd":
    os.fchdir(descriptor)
    os.close(descriptor)
connection.send(b"x")
print("held", flush=True)
sys.stdin.read()
if kind == "file":
    os.pwrite(descriptor, b"late\n", 0)
