# Makes it expensive to look at processes. Says "ready" and waits.
#   look.py command         a command line of 4 GiB, of which nothing takes up memory
#   look.py groups COUNT    COUNT processes with as many groups as the kernel allows
#   look.py chain COUNT UID processes with that id, each the parent of the next one
#   look.py watches COUNT   a descriptor that waits for COUNT files, of which the kernel names each
import select
import signal
kind, count = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 0


class Map(ctypes.Structure):
    _fields_ = [(name, ctypes.c_uint64) for name in (
        "start_code end_code start_data end_data start_brk brk start_stack "
        "arg_start arg_end env_start env_end auxv").split()] + [
        ("auxv_size", ctypes.c_uint32), ("exe_fd", ctypes.c_uint32)]


def command():
    size = 4 << 30
    libc.mmap.restype = ctypes.c_void_p
    # PROT_READ | PROT_WRITE; MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE
    start = libc.mmap(None, ctypes.c_size_t(size), 3, 0x4022, -1, ctypes.c_long(0))
    # So that it does not end in zeros.
    ctypes.memset(start, 0x78, 1)
    ctypes.memset(start + size - 2, 0x78, 1)
    field = [0, 0] + open("/proc/self/stat").read().rpartition(")")[2].split()
    number = lambda index: int(field[index - 1])
    new = Map(number(26), number(27), number(45), number(46), number(47), libc.sbrk(0) or number(47), number(28),
              start, start + size, number(50), number(51), 0, 0, 0xffffffff)
    new.brk = max(new.brk, new.start_brk)
    # PR_SET_MM, PR_SET_MM_MAP
    c("prctl", 35, 14, ctypes.byref(new), ctypes.sizeof(new), 0)


def groups():
    os.setgroups([0] * 65536)
    for _ in range(count):
        if os.fork() == 0:
            signal.pause()


def chain():
    os.setresuid(*[int(sys.argv[3])] * 3)
    for _ in range(count):
        if os.fork():
            signal.pause()


def watches():
    """A file counts once for each number that it has had, although the number is another file's now."""
    poll = select.epoll()
    numbers = range(200, 1000)
    for _ in range(count // len(numbers)):
        reader, _ = os.pipe()
        for number in numbers:
            os.dup2(reader, number)
            poll.register(number)
    globals()["kept"] = poll


libc.sbrk.restype = ctypes.c_long
libc.sbrk.argtypes = [ctypes.c_long]
{"command": command, "groups": groups, "chain": chain, "watches": watches}[kind]()
print("ready", flush=True)
signal.pause()
