# Calls of the kernel that give memory which is counted for each uid, and the socket that hears of
# all processes:
#     kernel_limits.py here|nested [IDS]
# Each is tried through every table of system calls that the machine has. With IDS, container root
# tries to multiply limits by as many ids.
import mmap
import socket

AF_NETLINK, SOCK_RAW, NETLINK_ROUTE, NETLINK_CONNECTOR = 16, 3, 0, 11
O_NOTIFICATION_PIPE, O_CLOEXEC = 0o200, 0o2000000
GET_KEYRING_ID, JOIN_SESSION_KEYRING, LINK = 0, 1, 8
SESSION, USER, USER_SESSION = -3, -4, -5
X32 = 0x40000000
PAGE = 4096

place = sys.argv[1]
ids = int(sys.argv[2]) if len(sys.argv) > 2 else 0
if place == "nested":
    nest(CLONE_NEWNS)

# The table of 64-bit programs, that of 32-bit ones, and that of programs with short pointers.
if platform.machine() == "x86_64":
    CALLS = {"perf_event_open": 298, "add_key": 248, "request_key": 249, "keyctl": 250, "socket": 41, "pipe2": 293,
             "io_uring_setup": 425}
    CALLS_OF_32_BITS = {"perf_event_open": 336, "add_key": 286, "request_key": 287, "keyctl": 288, "socket": 359,
                        "pipe2": 331, "io_uring_setup": 425, "socketcall": 102}
else:
    CALLS = {"perf_event_open": 241, "add_key": 217, "request_key": 218, "keyctl": 219, "socket": 198, "pipe2": 59,
             "io_uring_setup": 425}
    CALLS_OF_32_BITS = None
libc.syscall.restype = ctypes.c_long


def result(value):
    if value < 0:
        raise OSError(-value, os.strerror(-value))
    return value


def native(name, *arguments, mark=0):
    words = [ctypes.c_long(word) for word in arguments]
    return checked(libc.syscall(ctypes.c_long(CALLS[name] | mark), *words), name)


def x32(name, *arguments):
    return native(name, *arguments, mark=X32)


# Takes the address of seven words, number and arguments, and enters the kernel as 32-bit programs
# do.
ENTER = bytes.fromhex("5355 4889f8 8b5808 8b4810 8b5018 8b7020 8b7828 8b6830 8b00 cd80 5d5bc3".replace(" ", ""))
MAP_32BIT = 0x40


def low(size, protection=3):
    """The address of memory that 32 bits reach."""
    libc.mmap.restype = ctypes.c_long
    libc.mmap.argtypes = [ctypes.c_void_p] + [ctypes.c_long] * 5
    return libc.mmap(None, size, protection, 0x22 | MAP_32BIT, -1, 0)


if CALLS_OF_32_BITS:
    code = low(PAGE, 7)
    ctypes.memmove(code, ENTER, len(ENTER))
    enter = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p)(code)
    text = low(4 * PAGE)
else:
    buffer = ctypes.create_string_buffer(4 * PAGE)
    text = ctypes.addressof(buffer)


def int80(name, *arguments):
    words = [CALLS_OF_32_BITS[name], *arguments]
    words += [0] * (7 - len(words))
    return result(enter((ctypes.c_uint64 * 7)(*(word & 0xFFFFFFFF for word in words))))


def put(offset, data):
    ctypes.memmove(text + offset, data, len(data))
    return text + offset


# A software event of nobody but the caller: what perf_event_paranoid allows everybody.
event = put(0, struct.pack("=IIQQQQQ", 1, 112, 9, 0, 0, 0, 1 | 1 << 5 | 1 << 6) + bytes(80))
kind, name = put(256, b"user\0"), put(288, b"limits\0")
payload = put(PAGE, b"x" * PAGE)
parameters = put(512, bytes(120))


def ways():
    yield "", native
    if CALLS_OF_32_BITS:
        yield "int80 ", int80
        yield "x32 ", x32


for way, call in ways():
    def closing(*arguments, call=call):
        descriptor = call(*arguments)
        os.close(descriptor)
        return "opened"

    attempt(f"{way}perf", lambda: closing("perf_event_open", event, 0, -1, -1, 0))
    # A keyring is there to take the key, or the call itself makes one.
    attempt(f"{way}add_key", apart(lambda: call("add_key", kind, name, payload, 100, -2)))
    # ENOKEY is the answer of a kernel that has looked for it.
    attempt(f"{way}request_key", lambda: call("request_key", kind, name, 0, 0))
    attempt(f"{way}user keyring", apart(lambda: call("keyctl", GET_KEYRING_ID, USER, 1)))
    attempt(f"{way}session keyring", apart(lambda: call("keyctl", JOIN_SESSION_KEYRING, 0)))
    attempt(f"{way}connector", lambda: closing("socket", AF_NETLINK, SOCK_RAW | O_CLOEXEC, NETLINK_CONNECTOR))
    attempt(f"{way}connector by datagrams", lambda: closing("socket", AF_NETLINK, 2, NETLINK_CONNECTOR))

    def joined(call=call):
        with socket.socket(fileno=call("socket", AF_NETLINK, SOCK_RAW | O_CLOEXEC, NETLINK_CONNECTOR)) as connector:
            # CN_IDX_PROC
            connector.bind((0, 1))
        return "joined"

    attempt(f"{way}process events", joined)
    attempt(f"{way}notifications", lambda: closing("pipe2", text + 1024, O_NOTIFICATION_PIPE | O_CLOEXEC))
    if call is not x32:
        attempt(f"{way}route", lambda: closing("socket", AF_NETLINK, SOCK_RAW | O_CLOEXEC, NETLINK_ROUTE))
        attempt(f"{way}pipe", lambda: f"made {call('pipe2', text + 1024, O_CLOEXEC)}")
        attempt(f"{way}ring", lambda: closing("io_uring_setup", 1, parameters))
# The kernel takes no more than 32 bits of these.
high = 1 << 32
attempt("connector with more bits",
        lambda: native("socket", AF_NETLINK | high, SOCK_RAW | high, NETLINK_CONNECTOR | high))
attempt("notifications with more bits", lambda: native("pipe2", text + 1024, O_NOTIFICATION_PIPE | high))
if CALLS_OF_32_BITS:
    def socketcall(family, protocol):
        words = put(640, struct.pack("=III", family, SOCK_RAW, protocol))
        descriptor = int80("socketcall", 1, words)
        os.close(descriptor)
        return "opened"
    attempt("socketcall connector", lambda: socketcall(AF_NETLINK, NETLINK_CONNECTOR))
    attempt("socketcall route", lambda: socketcall(AF_NETLINK, NETLINK_ROUTE))


def of_each_id(action, unit=1024):
    """The sum of what an action obtains under each of the ids, in one process; of bytes, in KiB."""
    total = 0
    for uid in range(20_000, 20_000 + ids):
        os.setresuid(uid, uid, 0)
        total += action(uid)
        os.setresuid(0, 0, 0)
    return total // unit


held = []


def ring_buffers(uid):
    obtained = 0
    while True:
        descriptor = native("perf_event_open", event, 0, -1, -1, 0)
        try:
            held.append(mmap.mmap(descriptor, 65 * PAGE))
        except OSError:
            os.close(descriptor)
            return obtained
        obtained += 65 * PAGE


def keys(uid):
    obtained = 0
    for number in range(4):
        native("add_key", kind, put(288, b"limits %d %d\0" % (uid, number)), payload, PAGE, SESSION)
        obtained += PAGE
    return obtained


def keyrings(uid):
    # What stays when the process has ended and no process has the id any more.
    return native("keyctl", GET_KEYRING_ID, USER, 1) and 1024


def until_refused(number, make):
    """How many can be made under the caller's id, all of which stay."""
    made = 0
    while made < 400:
        try:
            held.append(make(made))
        except OSError as error:
            assert error.errno in number, error
            return made
        made += 1
    return made


def inotify_instances(uid):
    return until_refused((errno.EMFILE,), lambda _: c("inotify_init1", 0))


def bytes_of_queues(uid):
    def make(number):
        name = f"/{uid}-{number}"
        queue = c("mq_open", name, os.O_CREAT | os.O_RDWR, 0o600, struct.pack("=qqqq32x", 0, 4, 4096, 0))
        c("mq_unlink", name)
        return queue
    return 4 * 4096 * until_refused((errno.EMFILE, errno.ENOSPC), make)


if ids:
    attempt("inotify instances of many ids", apart(lambda: of_each_id(inotify_instances, 1)))
    attempt("bytes of queues of many ids", apart(lambda: of_each_id(bytes_of_queues, 1)))
    attempt("ring buffers of many ids", apart(lambda: of_each_id(ring_buffers)))
    attempt("keys of many ids", apart(lambda: of_each_id(keys)))
    attempt("keyrings of many ids", apart(lambda: of_each_id(keyrings)))
