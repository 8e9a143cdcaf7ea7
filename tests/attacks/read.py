# Tries to read the files that it is given, one after the other, by all ways that it knows of:
#   read.py here|nested PATH…
# The files hold a line with the mark; whatever is read is searched for it. An attempt that found it is "done".
import mmap
import shutil

MARK = b"SECRET:"
place, secrets = sys.argv[1], sys.argv[2:]
if place == "nested":
    nest(CLONE_NEWNS | CLONE_NEWPID)
work = os.environ.get("HOME", "/tmp") + f"/attack.{os.getuid()}.{place}"
try:
    os.makedirs(work, exist_ok=True)
except OSError:
    work = f"/tmp/attack.{os.getuid()}.{place}"
    os.makedirs(work, exist_ok=True)


def marked(content):
    if MARK not in content:
        return False
    return content[content.index(MARK):].split(b"\n")[0].decode()


def read(path, directory=None):
    with open(os.open(path, os.O_RDONLY, dir_fd=directory), "rb") as file:
        return marked(file.read())


def by_path_descriptor(path):
    found = os.open(path, os.O_PATH)
    try:
        return read(f"/proc/self/fd/{found}")
    finally:
        os.close(found)


def by_mapping(path):
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as memory:
        return marked(memory[:])


def by_parents(path):
    here = os.open("/", os.O_PATH | os.O_DIRECTORY)
    for _ in range(20):
        here = os.open("..", os.O_PATH | os.O_DIRECTORY, dir_fd=here)
    return read(path[1:], here)


def by_processes(path):
    for pid in filter(str.isdigit, os.listdir("/proc")):
        for link in ("root", "cwd", "cwd/../../../../../.."):
            try:
                if found := read(f"/proc/{pid}/{link}{path}"):
                    return found
            except OSError:
                pass
    return False


def by_hard_link(path):
    for new in (f"{work}/link", f"{os.path.dirname(path)}/link.of.mine", "/tmp/link"):
        try:
            os.link(path, new)
            return read(new)
        except OSError as error:
            last = error
    raise last


def by_symbolic_link(path):
    new = f"{work}/symbolic"
    if os.path.lexists(new):
        os.unlink(new)
    os.symlink(path, new)
    return read(new)


def by_new_rights(path):
    for change in (lambda: os.chmod(path, 0o777), lambda: os.chown(path, os.getuid(), os.getgid()),
                   lambda: os.chmod(os.path.dirname(path), 0o777),
                   lambda: os.chown(os.path.dirname(path), os.getuid(), os.getgid()),
                   lambda: os.setxattr(path, "user.mine", b"1"),
                   # Everybody may read and write: version, then entries of tag, permissions, id.
                   lambda: os.setxattr(path, "system.posix_acl_access", struct.pack(
                       "<I" + "HHI" * 4, 2, 1, 6, 0xffffffff, 4, 6, 0xffffffff, 16, 6, 0xffffffff, 32, 6, 0xffffffff)),
                   lambda: os.utime(path)):
        try:
            change()
        except OSError:
            pass
    return read(path)


def by_writing(path):
    """Opening for writing copies a file up; what was copied could be read then."""
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_APPEND))
    except OSError:
        pass
    return read(path)


def own_mounts():
    c("unshare", CLONE_NEWNS)
    mount("none", "/", None, MS_REC | MS_PRIVATE)


def by_bind_mount(path):
    own_mounts()
    mount(os.path.dirname(path), "/mnt", None, MS_BIND)
    return read("/mnt/" + os.path.basename(path))


def by_overlay(path):
    own_mounts()
    mount("none", "/mnt", "tmpfs")
    lower = os.path.dirname(path)
    os.mkdir("/mnt/upper")
    os.mkdir("/mnt/work")
    os.mkdir("/mnt/merged")
    mount("none", "/mnt/merged", "overlay", 0,
          f"userxattr,lowerdir={lower},upperdir=/mnt/upper,workdir=/mnt/work")
    os.chmod("/mnt/merged/" + os.path.basename(path), 0o777)
    return read("/mnt/merged/" + os.path.basename(path))


def by_its_owners_ids(path):
    """As whoever it seems to belong to, with all groups that there could be."""
    found = os.stat(path)
    os.setgroups(sorted({found.st_gid, *range(0, 1000, 16), 42, 2000}))
    os.setresgid(found.st_gid, found.st_gid, found.st_gid)
    os.setresuid(found.st_uid, found.st_uid, found.st_uid)
    return read(path)


def by_moving_it(path):
    new = f"{os.path.dirname(path)}/moved.by.me"
    os.rename(path, new)
    try:
        return read(new)
    finally:
        os.rename(new, path)


def by_moving_its_directory(path):
    """To stay: the sweep that follows looks at it again, in the next instance as well."""
    directory = os.path.dirname(path)
    new = directory + ".moved"
    os.rename(directory, new)
    return read(f"{new}/{os.path.basename(path)}")


ways = [("as it is", read), ("path descriptor", by_path_descriptor), ("mapping", by_mapping), ("parents", by_parents),
        ("processes", by_processes), ("hard link", by_hard_link), ("symbolic link", by_symbolic_link),
        ("bind mount", by_bind_mount), ("overlay", by_overlay), ("owner", by_its_owners_ids),
        ("new rights", by_new_rights), ("writing", by_writing), ("moving", by_moving_it),
        ("moving the directory", by_moving_its_directory)]
for way, action in ways:
    for secret in secrets:
        attempt(f"{secret}: {way}", apart(lambda: action(secret)))
shutil.rmtree(work, ignore_errors=True)
