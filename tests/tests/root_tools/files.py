"""What programs do with files beyond reading and writing, in each directory given as an argument."""
import ctypes
import fcntl
import mmap
import os
import select
import socket
import struct
import sys

libc = ctypes.CDLL(None, use_errno=True)
IN_MODIFY, IN_CREATE = 0x2, 0x100


def unix_socket(path):
    with socket.socket(socket.AF_UNIX) as server, socket.socket(socket.AF_UNIX) as client:
        server.bind(path)
        server.listen()
        client.connect(path)
        connection, _ = server.accept()
        client.send(b"x")
        assert connection.recv(1) == b"x"
        # Who is at the other end, in ids of this environment.
        peer = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
        assert struct.unpack("iII", peer)[1] == os.getuid(), peer
        connection.close()


def fifo(path):
    os.mkfifo(path)
    both = os.open(path, os.O_RDWR)
    os.write(both, b"y")
    assert os.read(both, 1) == b"y"
    os.close(both)


def shared_map(path):
    with open(path, "w+b") as one, open(path, "r+b") as other:
        one.truncate(8192)
        here, there = mmap.mmap(one.fileno(), 8192), mmap.mmap(other.fileno(), 8192)
        here[5] = 7
        assert there[5] == 7
        child = os.fork()
        if child == 0:
            there[6000] = 9
            os._exit(0)
        os.waitpid(child, 0)
        assert here[6000] == 9
        here.flush()
        other.seek(6000)
        assert other.read(1) == b"\x09"


def locks(path):
    with open(path, "w") as one, open(path, "w") as other:
        for lock in (fcntl.flock, fcntl.lockf):
            lock(one, fcntl.LOCK_EX)
            child = os.fork()
            if child == 0:
                try:
                    lock(open(path, "w"), fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    os._exit(0)
                os._exit(1)
            assert os.waitpid(child, 0)[1] == 0, lock
            lock(one, fcntl.LOCK_UN)
            lock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
            lock(other, fcntl.LOCK_UN)


def watches(path):
    os.mkdir(path)
    with open(path + "/old", "w") as old:
        watch = libc.inotify_init()
        assert libc.inotify_add_watch(watch, path.encode(), IN_MODIFY | IN_CREATE) > 0
        old.write("x")
        old.flush()
        open(path + "/new", "w").close()
        assert select.select([watch], [], [], 60)[0]
        events, data = [], os.read(watch, 4096)
        while data:
            _, mask, _, length = struct.unpack_from("iIII", data)
            events.append((mask, data[16:16 + length].rstrip(b"\0")))
            data = data[16 + length:]
        assert events == [(IN_MODIFY, b"old"), (IN_CREATE, b"new")], events
        os.close(watch)
    os.unlink(path + "/old")
    os.unlink(path + "/new")
    os.rmdir(path)


def unnamed(path):
    directory = os.path.dirname(path)
    file = os.open(directory, os.O_TMPFILE | os.O_RDWR, 0o600)
    os.write(file, b"unnamed")
    # With a directory given, link(2) becomes linkat(2), which can follow the link in /proc.
    os.link(f"/proc/self/fd/{file}", path, src_dir_fd=file, follow_symlinks=True)
    assert open(path).read() == "unnamed"
    os.close(file)


def sparse(path):
    with open(path, "wb") as file:
        file.seek(1 << 30)
        file.write(b"e")
    stat = os.stat(path)
    assert stat.st_size == (1 << 30) + 1 and stat.st_blocks * 512 < 1 << 20, stat
    file = os.open(path, os.O_RDWR)
    assert os.lseek(file, 0, os.SEEK_DATA) >= (1 << 30) - (1 << 21)
    os.posix_fallocate(file, 0, 1 << 16)
    os.close(file)


def attributes(path):
    open(path, "w").close()
    os.chmod(path, 0o6751 if os.getuid() == 0 else 0o751)
    os.utime(path, ns=(1_000_000_001, 2_000_000_002))
    stat = os.stat(path)
    assert (stat.st_atime_ns, stat.st_mtime_ns) == (1_000_000_001, 2_000_000_002), stat
    if not path.startswith(("/run", "/tmp", "/dev/shm")):
        os.setxattr(path, "user.larva", b"stone")
        assert os.getxattr(path, "user.larva") == b"stone"


def many(path):
    os.mkdir(path)
    for number in range(3000):
        os.mknod(f"{path}/{number}")
    assert len(os.listdir(path)) == 3000
    for number in range(0, 3000, 2):
        os.unlink(f"{path}/{number}")
    assert len(os.listdir(path)) == 1500
    for name in os.listdir(path):
        os.unlink(f"{path}/{name}")
    os.rmdir(path)


def append_and_direct(path):
    with open(path, "ab", buffering=0) as one, open(path, "ab", buffering=0) as other:
        one.write(b"1")
        other.write(b"2")
        one.write(b"3")
    assert open(path).read() == "123"
    os.truncate(path, 1)
    assert os.stat(path).st_size == 1


for place in sys.argv[1:]:
    for test in (unix_socket, fifo, shared_map, locks, watches, unnamed, sparse, attributes, many, append_and_direct):
        path = f"{place}/{test.__name__}"
        try:
            test(path)
        except (AssertionError, OSError) as error:
            sys.exit(f"{path}: {error!r}")
        if os.path.lexists(path):
            os.unlink(path)
    print(place)
