# Root of a nested user and mount namespace tries to see what the mounts of a view hide, and to weaken them.
#   uncover.py
nest(CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWCGROUP)
mounts = [line.split() for line in open("/proc/self/mountinfo")]
places = [fields[4] for fields in mounts if fields[4] != "/"]
os.makedirs("/tmp/at", exist_ok=True)
MOUNT_ATTR_CLEAR = {"RDONLY": 1, "NOSUID": 2, "NODEV": 4, "NOEXEC": 8}

for at in places:
    attempt(f"umount {at}", apart(lambda: c("umount2", at, MNT_DETACH)))
    attempt(f"move {at}", apart(lambda: mount(at, "/tmp/at", None, MS_MOVE)))
for fields in mounts:
    at, options = fields[4], fields[5].split(",")
    for option, name in [("ro", "RDONLY"), ("nosuid", "NOSUID"), ("nodev", "NODEV"), ("noexec", "NOEXEC")]:
        if option in options:
            attempt(f"clear {option} of {at}", apart(lambda: syscall(
                "mount_setattr", AT_FDCWD, at, 0, struct.pack("QQQQ", 0, MOUNT_ATTR_CLEAR[name], 0, 0), 32)))
# What is under the mounts would show in a copy of the tree without them.
for at in ["/", "/dev", "/sys", "/home"]:
    attempt(f"bind {at} without its mounts", apart(lambda: mount(at, "/tmp/at", None, MS_BIND)))
    attempt(f"clone {at} without its mounts", apart(lambda: syscall("open_tree", AT_FDCWD, at, 1)))
    attempt(f"overlay of {at}", apart(lambda: mount("none", "/tmp/at", "overlay", 0, f"lowerdir={at}:/usr")))
for kind in ["ext4", "xfs", "devtmpfs", "debugfs", "tracefs", "securityfs", "configfs", "pstore", "efivarfs"]:
    attempt(f"mount {kind}", apart(lambda: mount("/dev/loop0", "/tmp/at", kind, MS_RDONLY)))
attempt("mount sysfs for writing", apart(lambda: mount("none", "/tmp/at", "sysfs")))
attempt("make a node", apart(lambda: os.mknod("/tmp/node", 0o20666, os.makedev(1, 1))))


def control_groups():
    mount("none", "/tmp/at", "cgroup2")
    names = [f"/tmp/at/{name}" for name in os.listdir("/tmp/at") if os.path.isfile(f"/tmp/at/{name}")]
    return could(names)


def could(names):
    found = []
    for name in names:
        try:
            os.close(os.open(name, os.O_WRONLY))
            found.append(name)
        except OSError:
            pass
    return " ".join(found) or False


def new_proc():
    mount("none", "/tmp/at", "proc")
    pids = sorted(int(name) for name in os.listdir("/tmp/at") if name.isdigit())
    return "shows others" if len(pids) > 2 else False


def new_root():
    """A root of one's own, and the old one gone: its mounts are still where they were."""
    mount("none", "/", None, MS_REC | MS_PRIVATE)
    mount("none", "/tmp/at", "tmpfs")
    os.mkdir("/tmp/at/old")
    os.mkdir("/tmp/at/copy")
    mount("/", "/tmp/at/copy", None, MS_BIND | MS_REC)
    syscall("pivot_root", "/tmp/at", "/tmp/at/old")
    os.chdir("/")
    for top in ["/old", "/copy"]:
        for at in places:
            try:
                c("umount2", top + at, MNT_DETACH)
                return f"{top}{at} is gone"
            except OSError:
                pass
    c("umount2", "/old", MNT_DETACH)
    return False


attempt("control groups", apart(control_groups))
attempt("other processes in a new /proc", apart(new_proc))
attempt("what a new root uncovers", apart(new_root))
