# Reads keys by their numbers:   keys.py here|nested NUMBER…
if sys.argv[1] == "nested":
    nest(CLONE_NEWNS)
READ, DESCRIBE, LINK, SEARCH, SETPERM, GET_PERSISTENT = 11, 6, 8, 10, 5, 22
SESSION, PROCESS = -3, -2


def text(operation, key):
    buffer = ctypes.create_string_buffer(1024)
    length = syscall("keyctl", operation, key, buffer, 1024)
    return buffer.raw[:length].decode(errors="replace")


for key in map(int, sys.argv[2:]):
    attempt(f"read {key}", apart(lambda: text(READ, key)))
    attempt(f"describe {key}", apart(lambda: text(DESCRIBE, key)))
    attempt(f"open to all {key}", apart(lambda: syscall("keyctl", SETPERM, key, 0x3F3F3F3F)))

    def by_link():
        syscall("keyctl", LINK, key, PROCESS)
        return text(READ, key)
    attempt(f"link {key}", apart(by_link))
for uid in (0, 1000, 1001):
    def persistent():
        ring = syscall("keyctl", GET_PERSISTENT, uid, PROCESS)
        key = syscall("keyctl", SEARCH, ring, "user", "secret", 0)
        return text(READ, key)
    attempt(f"persistent keyring of {uid}", apart(persistent))
attempt("listed", lambda: "secret" in open("/proc/keys").read() and "named")
