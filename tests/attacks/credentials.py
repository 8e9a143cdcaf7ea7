#!/usr/bin/python3
"""Runs a program with sockets as standard output and standard error that ask the kernel who writes (SO_PASSCRED). Prints
a line `UID GID` for each that has.

credentials PROGRAM ARG...
"""

import select
import socket
import struct
import subprocess
import sys

pairs = [socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET) for _ in range(2)]
for here, _ in pairs:
    here.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
(_, out), (_, error) = pairs
process = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL, stdout=out, stderr=error)
out.close()
error.close()
waiting, seen = [here for here, _ in pairs], set()
while waiting:
    for here in select.select(waiting, [], [])[0]:
        text, about, _, _ = here.recvmsg(1 << 20, 4096)
        if not text:
            waiting.remove(here)
        for _, _, data in about if text else ():
            seen.add(struct.unpack("iII", data)[1:])
process.wait()
for uid, gid in sorted(seen):
    print(uid, gid)
