# Reads everything there is to be read, as the administrator's grep would: every file below / that is not large,
# the environment and command line of every process. What holds the mark is named; nothing is changed.
#   sweep.py here|nested
if sys.argv[1] == "nested":
    nest(CLONE_NEWNS)
LEFT_OUT = {"/usr/bin", "/usr/lib", "/usr/share", "/usr/sbin", "/usr/include", "/var/lib/dpkg", "/sys", "/srv/repo"}
MARK = b"SECRET:"
looked = 0


def look(path):
    global looked
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return
    looked += 1
    try:
        content = os.read(descriptor, 1 << 17)
    except OSError:
        content = b""
    os.close(descriptor)
    if MARK in content:
        attempt(path, lambda: content[content.index(MARK):].split(b"\n")[0].split(b"\0")[0].decode())


for directory, inner, files in os.walk("/"):
    at_top = directory == "/"
    inner[:] = [name for name in inner if not (at_top and name == "proc")
                and os.path.join(directory, name) not in LEFT_OUT]
    for name in files:
        path = os.path.join(directory, name)
        if not os.path.islink(path) and os.path.lexists(path) and os.path.isfile(path):
            look(path)
for pid in filter(str.isdigit, os.listdir("/proc")):
    if int(pid) != os.getpid():
        look(f"/proc/{pid}/environ")
        look(f"/proc/{pid}/cmdline")
print(f"looked at {looked}")
