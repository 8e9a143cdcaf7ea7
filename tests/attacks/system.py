# What root of a machine may do to it. Every call is harmless where it works: it changes nothing, or asks for what is
# invalid and tells by another error than EPERM that it was allowed to ask.
import socket
import time

SIZE = 4096


def allowed(action):
    """It came past the check of rights if it works or complains of anything but a lack of them."""
    def run():
        try:
            return action() if action else 0
        except OSError as error:
            if error.errno in (errno.EPERM, errno.EACCES, errno.EROFS, errno.ENOSYS, errno.EOPNOTSUPP):
                raise
            return f"allowed, then {errno.errorcode[error.errno]}"
    return apart(run)


def open_to_write(path):
    os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK))
    return "opened"


def make_node(path, major, minor, kind=0o020666):
    os.mknod(path, kind, os.makedev(major, minor))
    os.unlink(path)
    return "made"


def clock():
    now = struct.pack("ll", *divmod(time.clock_gettime_ns(time.CLOCK_REALTIME), 10**9))
    return c("clock_settime", time.CLOCK_REALTIME, ctypes.create_string_buffer(now))


def low_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 81))
    return "bound"


def hard_limit():
    import resource
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    return c("setrlimit", resource.RLIMIT_CORE, ctypes.create_string_buffer(struct.pack("LL", 1, 1)))


def real_time():
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    return "real time"


def link_up():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        import fcntl
        # SIOCSIFFLAGS of lo, to what they are: up and running.
        fcntl.ioctl(control, 0x8914, struct.pack("16sh14x", b"lo", 0x41))
    return "set"


def ioctl(path, number, argument=0):
    import fcntl
    descriptor = os.open(path, os.O_RDONLY)
    fcntl.ioctl(descriptor, number, argument)
    return "done"


def freeze():
    ioctl(home, 0xC0045877)
    ioctl(home, 0xC0045878)
    return "frozen"


place, home = sys.argv[1:]
if place == "nested":
    nest()
buffer = ctypes.create_string_buffer(SIZE)
# In a nested namespace these are for its root, and reach no further.
mounting = {
    "mount tmpfs": lambda: mount("none", "/mnt", "tmpfs"),
    "mount proc": lambda: mount("none", "/mnt", "proc"),
    "mount a disk": lambda: mount("/dev/loop0", "/mnt", "ext4", MS_RDONLY),
    "bind mount": lambda: mount("/etc", "/mnt", None, MS_BIND),
    "remount /sys": lambda: mount("none", "/sys", None, MS_REMOUNT | MS_BIND),
    "change propagation": lambda: mount("none", "/", None, MS_REC | (1 << 20)),
    "umount /tmp": lambda: c("umount2", "/tmp", MNT_DETACH),
    "umount /proc": lambda: c("umount2", "/proc", MNT_DETACH),
    "umount home": lambda: c("umount2", home, MNT_DETACH),
    "umount /": lambda: c("umount2", "/", MNT_DETACH),
    "move a mount": lambda: mount("/tmp", "/mnt", None, MS_MOVE),
    "open_tree clone": lambda: syscall("open_tree", AT_FDCWD, "/etc", 1),
    "fsopen": lambda: syscall("fsopen", "tmpfs", 0),
    "mount_setattr": lambda: syscall("mount_setattr", AT_FDCWD, "/sys", 0, struct.pack("QQQQ", 0, 1, 0, 0), 32),
    "pivot_root": lambda: syscall("pivot_root", "/tmp", "/tmp"),
}
attempts = {
    "swapon": lambda: c("swapon", "/nonexistent", 0),
    "swapoff": lambda: c("swapoff", "/nonexistent"),
    "acct": lambda: c("acct", "/nonexistent"),
    "quotactl": lambda: syscall("quotactl_fd", os.open(home, os.O_RDONLY), (0x800008 << 8), 1001, buffer),
    "init_module": lambda: syscall("init_module", buffer, 0, ""),
    "delete_module": lambda: syscall("delete_module", "no_such_module", 0o4000),
    "kexec_load": lambda: syscall("kexec_load", 0, 0, 0, 0xFFFF),
    "reboot": lambda: c("reboot", 0x12345678),
    "kernel's log": lambda: c("klogctl", 9, 0, 0) and c("klogctl", 6, 0, 0),
    "node of a disk": lambda: make_node("/tmp/node", 8, 0, 0o060666),
    "node of memory": lambda: make_node("/tmp/node", 1, 1),
    "node of the kernel's log": lambda: make_node("/dev/node", 1, 11),
    "node at home": lambda: make_node(f"{home}/node", 1, 3),
    "immutable file": lambda: ioctl_flags(f"{home}/immutable"),
    "label of the file system": lambda: ioctl(home, 0x41009432, b"lab".ljust(256, b"\0")),
    "freeze": freeze,
    "trim": lambda: ioctl(home, 0xC0185879, struct.pack("QQQ", 0, 0, 0)),
    "trusted attribute": lambda: os.setxattr(f"{home}/attribute", "trusted.mine", b"1"),
    "overlay's attribute": lambda: os.setxattr("/etc/passwd", "trusted.overlay.redirect", b"/root"),
    "fanotify": lambda: c("fanotify_init", 0x4, 0),
    "bpf": lambda: syscall("bpf", 5, ctypes.create_string_buffer(struct.pack("IIQQ", 3, 0, 0, 0), 128), 128),
    "watch a whole CPU": lambda: syscall("perf_event_open", ctypes.create_string_buffer(
        struct.pack("IIQ", 1, 112, 0), 112), -1, 0, -1, 0),
    "real time": real_time,
    "raise a hard limit": hard_limit,
    "low port": low_port,
    "raw socket": lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1).close() or "open",
    "packet socket": lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0).close() or "open",
    "network interface": link_up,
}


def ioctl_flags(path):
    open(path, "w").close()
    import fcntl
    descriptor = os.open(path, os.O_RDONLY)
    # FS_IOC_SETFLAGS, FS_IMMUTABLE_FL; then back.
    fcntl.ioctl(descriptor, 0x40086602, struct.pack("l", 0x10))
    fcntl.ioctl(descriptor, 0x40086602, struct.pack("l", 0))
    return "set"


if place != "host":
    # These would reach the machine that the test's host runs on.
    attempts["set the clock"] = clock
    attempts["adjust the clock"] = lambda: c("adjtimex", ctypes.create_string_buffer(struct.pack("I", 0x2000), 256))
if place != "nested":
    attempts |= mounting
open(f"{home}/attribute", "w").close()
for name, action in attempts.items():
    attempt(name, allowed(action))
# Some kernels have none of these.
for name, path, flags in [("sysrq", "/proc/sysrq-trigger", os.O_WRONLY), ("kcore", "/proc/kcore", os.O_RDONLY),
                          ("kmsg", "/proc/kmsg", os.O_RDONLY | os.O_NONBLOCK)]:
    attempt(name, apart(lambda: os.close(os.open(path, flags))))
symbols = open("/proc/kallsyms").read().splitlines() if os.path.exists("/proc/kallsyms") else []
attempt("addresses of the kernel", lambda: any(int(line.split()[0], 16) for line in symbols) and "shown")
