# Opens for writing what the kernel shows as files, and what belongs to process 1. Nothing is written but to
# what everybody may open, where the kernel looks at the writer later.
#   kernel_files.py here|nested
if sys.argv[1] == "nested":
    nest(CLONE_NEWNS | CLONE_NEWPID)


def could_write(path):
    descriptor = os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
    try:
        if os.fstat(descriptor).st_mode & 0o002:
            os.write(descriptor, b"50000")
    finally:
        os.close(descriptor)
    return "opened"


for directory, inner, files in os.walk("/proc"):
    if directory == "/proc":
        inner[:] = [name for name in inner if not name.isdigit() and name not in ("self", "thread-self", "net")]
    for name in files:
        attempt(f"{directory}/{name}", lambda: could_write(f"{directory}/{name}"))
# One of a kind is as good as all.
for directory, inner, files in os.walk("/sys"):
    if directory.count("/") > 4:
        inner.clear()
    for name in files:
        attempt(f"{directory}/{name}", lambda: could_write(f"{directory}/{name}"))
for file in ("mem", "oom_score_adj", "attr/current", "setgroups", "uid_map", "gid_map", "coredump_filter",
             "loginuid", "timerslack_ns", "clear_refs", "root/etc/passwd", "cwd/passwd", "exe", "fd/3", "fd/4", "fd/5"):
    attempt(f"/proc/1/{file}", lambda: could_write(f"/proc/1/{file}"))
for link in ("exe", "root", "cwd", "ns/mnt", "ns/pid", "fd", "fdinfo", "map_files", "environ", "auxv", "maps", "stack",
             "io", "syscall", "personality"):
    def look():
        path = f"/proc/1/{link}"
        if os.path.islink(path):
            return os.readlink(path)
        return os.listdir(path) if os.path.isdir(path) else open(path, "rb").read()
    attempt(f"look at /proc/1/{link}", look)
