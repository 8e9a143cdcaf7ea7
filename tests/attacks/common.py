# What the attack programs share: raw system calls, and one line of output for each attempt.
import ctypes
import errno
import os
import platform
import struct
import sys

libc = ctypes.CDLL(None, use_errno=True)

CLONE_NEWNS, CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET, CLONE_NEWCGROUP = (
    0x20000, 0x10000000, 0x20000000, 0x40000000, 0x02000000)
MS_RDONLY, MS_REMOUNT, MS_BIND, MS_MOVE, MS_REC, MS_PRIVATE = 1, 32, 4096, 8192, 16384, 1 << 18
MNT_DETACH = 2
AT_FDCWD, AT_EMPTY_PATH = -100, 0x1000

# Numbers of calls that the C library has no function for. From 424 on all machines agree.
NUMBERS = {"open_tree": 428, "move_mount": 429, "fsopen": 430, "pidfd_open": 434, "pidfd_getfd": 438,
           "mount_setattr": 442, "quotactl_fd": 443}
NUMBERS |= {
    "x86_64": {"keyctl": 250, "add_key": 248, "pivot_root": 155, "init_module": 175, "delete_module": 176,
               "kexec_load": 246, "bpf": 321, "perf_event_open": 298},
    "aarch64": {"keyctl": 219, "add_key": 217, "pivot_root": 41, "init_module": 105, "delete_module": 106,
                "kexec_load": 104, "bpf": 280, "perf_event_open": 241},
}[platform.machine()]


def checked(result, what=None):
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), what)
    return result


def plain(argument):
    if isinstance(argument, str):
        return argument.encode()
    return ctypes.c_long(argument) if isinstance(argument, int) else argument


def c(name, *arguments):
    """A function of the C library; an error is an OSError."""
    return checked(getattr(libc, name)(*map(plain, arguments)), name)


def syscall(name, *arguments):
    libc.syscall.restype = ctypes.c_long
    return checked(libc.syscall(ctypes.c_long(NUMBERS[name]), *map(plain, arguments)), name)


def mount(source, target, kind, flags=0, options=None):
    return c("mount", source, target, kind, flags, options)


def attempt(name, action):
    """One attempt: a line with its name and what came of it. An action that returns False has failed."""
    try:
        result = action()
        said = "refused no effect" if result is False else f"done {result}"
    except OSError as error:
        said = f"refused {errno.errorcode.get(error.errno, error.errno)}"
    print(name, said.replace("\n", "\\n"), sep="\t", flush=True)


def apart(action):
    """The action, in a process of its own: it may change its ids, root and namespaces."""
    def run():
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                answer = b"+" + str(action()).encode()
            except OSError as error:
                answer = b"-" + str(error.errno).encode()
            except BaseException as error:
                answer = b"!" + repr(error).encode()
            os.write(writer, answer[:60000])
            os._exit(0)
        os.close(writer)
        with os.fdopen(reader, "rb") as pipe:
            answer = pipe.read().decode()
        os.waitpid(child, 0)
        if answer[:1] == "-":
            raise OSError(int(answer[1:]), "in the child")
        assert answer[:1] == "+", f"the attack itself failed: {answer}"
        return False if answer == "+False" else answer[1:]
    return run


def uncovered():
    """The environment's own root, without anything that is mounted in it. For root of an environment, apart."""
    top = os.open("/", os.O_RDONLY)
    c("unshare", CLONE_NEWNS)
    mount("none", "/mnt", "tmpfs")
    os.mkdir("/mnt/old")
    os.chdir("/mnt")
    syscall("pivot_root", ".", "old")
    os.chdir("/")
    # All that was mounted in the former root goes, and what is open of it stays.
    c("umount2", "/old", MNT_DETACH)
    return top


def write(path, text):
    descriptor = os.open(path, os.O_WRONLY)
    try:
        return os.write(descriptor, text.encode())
    finally:
        os.close(descriptor)


def nest(flags=CLONE_NEWNS):
    """Root of a nested user namespace: with all ids if they are ours to give, else with one."""
    uid, gid = os.getuid(), os.getgid()
    parent_reader, child_writer = os.pipe()
    child_reader, parent_writer = os.pipe()
    # Maps of more than one's own id must be written from outside, by a process with CAP_SETUID there.
    helper = os.fork()
    if helper == 0:
        os.read(parent_reader, 1)
        pid = os.getppid()
        for file in ("uid_map", "gid_map"):
            if uid == 0:
                # Piece by piece: a range must not span several of the parent's.
                ranges = [line.split() for line in open(f"/proc/self/{file}")]
                text = "".join(f"{inside} {inside} {count}\n" for inside, _, count in ranges)
            else:
                text = f"0 {uid if file == 'uid_map' else gid} 1"
                if file == "gid_map":
                    write(f"/proc/{pid}/setgroups", "deny")
            write(f"/proc/{pid}/{file}", text)
        os.write(parent_writer, b"x")
        os._exit(0)
    c("unshare", CLONE_NEWUSER | flags)
    os.write(child_writer, b"x")
    os.close(parent_writer)
    mapped = os.read(child_reader, 1)
    os.waitpid(helper, 0)
    assert mapped == b"x", "no id map"
    os.setresgid(0, 0, 0)
    os.setresuid(0, 0, 0)
    if flags & CLONE_NEWPID:
        child = os.fork()
        if child:
            os._exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))


def end():
    print("end", flush=True)
