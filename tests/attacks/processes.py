# Process 1 of the instance, processes of the host, and what processes have in common.
#   processes.py here|nested HOST_PID…
import signal
place, pids = sys.argv[1], [int(pid) for pid in sys.argv[2:]]
if place == "nested":
    nest(CLONE_NEWNS)


class Vector(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("length", ctypes.c_size_t)]


def memory(pid):
    own = ctypes.create_string_buffer(64)
    local = Vector(ctypes.addressof(own), 64)
    for line in open(f"/proc/{pid}/maps"):
        remote = Vector(int(line.split("-")[0], 16), 64)
        return c("process_vm_readv", pid, ctypes.byref(local), 1, ctypes.byref(remote), 1, 0)
    remote = Vector(0x400000, 64)
    return c("process_vm_readv", pid, ctypes.byref(local), 1, ctypes.byref(remote), 1, 0)


def attach(pid):
    c("ptrace", 16, pid, 0, 0)
    os.waitpid(pid, 0x40000000)
    return c("ptrace", 17, pid, 0, 0)


for pid in [1, *pids]:
    name = "process 1" if pid == 1 else f"host process {pid}"
    attempt(f"attach to {name}", apart(lambda: attach(pid)))
    attempt(f"seize {name}", apart(lambda: c("ptrace", 0x4206, pid, 0, 0)))
    attempt(f"read memory of {name}", apart(lambda: memory(pid)))
    attempt(f"open memory of {name}", apart(lambda: os.close(os.open(f"/proc/{pid}/mem", os.O_RDONLY))))
    for number in range(0, 8):
        attempt(f"take descriptor {number} of {name}", apart(
            lambda: syscall("pidfd_getfd", syscall("pidfd_open", pid, 0), number, 0)))
    if pid != 1:
        attempt(f"see {name}", apart(lambda: os.kill(pid, 0)))
        attempt(f"limit {name}", apart(lambda: c("prlimit", pid, 4, 0, ctypes.create_string_buffer(16))))
        attempt(f"see the scheduling of {name}", apart(lambda: os.sched_getscheduler(pid)))


def terminals():
    import fcntl
    found = []
    for name in filter(str.isdigit, os.listdir("/dev/pts")):
        try:
            descriptor = os.open(f"/dev/pts/{name}", os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        except OSError:
            continue
        # A terminal of her own on the host can be opened, as from any session of hers; nothing can be typed into it.
        try:
            fcntl.ioctl(descriptor, 0x5412, b"x")
            found.append(name)
        except OSError:
            pass
    return " ".join(found) or False


attempt("type into a terminal", apart(terminals))
