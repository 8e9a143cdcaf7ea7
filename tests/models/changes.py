"""A tree of the base, random operations in it, and what they come to: a model of `caddis diff`.

base SEED     makes the tree, on the host
change SEED   works in it, inside
list          writes all that can be seen of it as JSON
check         applies what `caddis diff --json` said to the host's list, and compares with the list from inside
"""
import base64, hashlib, json, os, random, shutil, socket, stat, subprocess, sys

TOP = b"/opt/tree"
NAMES = [b"a", b"b", b"c", b"dir", b"e f", b"g\xff", b"h\n"]


def entries():
    """All paths below the top, the top first."""
    yield TOP
    for here, directories, files in os.walk(TOP):
        for name in sorted(directories + files):
            yield os.path.join(here, name)


def describe(path):
    found = os.lstat(path)
    kind = stat.S_IFMT(found.st_mode)
    attributes = {}
    for name in os.listxattr(path, follow_symlinks=False):
        if name.startswith("user.") or name.startswith("system.posix_acl"):
            value = os.getxattr(path, name, follow_symlinks=False)
            attributes[name] = base64.b64encode(value).decode()
    content = ""
    if kind == stat.S_IFREG:
        with open(path, "rb") as file:
            content = hashlib.sha256(file.read()).hexdigest()
    elif kind == stat.S_IFLNK:
        content = base64.b64encode(os.readlink(path)).decode()
    names = {stat.S_IFREG: "file", stat.S_IFDIR: "directory", stat.S_IFLNK: "link",
             stat.S_IFIFO: "fifo", stat.S_IFSOCK: "socket"}
    return {
        "kind": names[kind], "mode": "%04o" % stat.S_IMODE(found.st_mode), "uid": found.st_uid, "gid": found.st_gid,
        "size": found.st_size if kind in (stat.S_IFREG, stat.S_IFLNK) else 0,
        "content": content, "attributes": attributes,
    }


def write(path, text, flags=os.O_TRUNC):
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NONBLOCK | flags, 0o644)
    os.write(handle, text)
    os.close(handle)


def base(pick):
    os.mkdir(TOP)
    places = [TOP]
    for _ in range(40):
        place = pick.choice(places)
        path = os.path.join(place, pick.choice(NAMES) + str(pick.randrange(3)).encode())
        if os.path.lexists(path):
            continue
        what = pick.randrange(8)
        if what < 3:
            os.mkdir(path)
            places.append(path)
        elif what == 3:
            os.symlink(pick.choice([b"a0", b"../x", b"/etc/passwd"]), path)
        else:
            write(path, b"base %d\n" % pick.randrange(4))
            if what == 4:
                os.truncate(path, 300000)
        if what == 5:
            os.setxattr(path, "user.note", b"base")
        if what == 6:
            subprocess.run([b"setfacl", b"-m", b"u:bob:rw", path], check=True)
        if pick.randrange(4) == 0:
            os.chown(path, pick.choice([0, 1000, 1001]), pick.choice([0, 2000]), follow_symlinks=False)


def change(pick):
    def some(filter=lambda path: True):
        found = [path for path in entries() if path != TOP and filter(path)]
        return pick.choice(found) if found else None

    def directory(path):
        return os.path.isdir(path) and not os.path.islink(path)

    def file(path):
        return os.path.isfile(path) and not os.path.islink(path)

    def place():
        parent = pick.choice([path for path in entries() if directory(path)])
        return os.path.join(parent, pick.choice(NAMES) + str(pick.randrange(3)).encode())

    def append():
        write(some(file), b"more\n", os.O_APPEND)

    def touch():
        write(some(file), b"", os.O_APPEND)

    def rewrite():
        path = some(file)
        with open(path, "rb") as old:
            write(path, old.read())

    def other():
        path = some(file)
        size = os.stat(path).st_size
        handle = os.open(path, os.O_WRONLY)
        os.pwrite(handle, b"X", max(size - 1, 0))
        os.close(handle)

    def stretch():
        os.truncate(some(file), pick.choice([0, 5, 300000, 5000000]))

    def fresh():
        path = place()
        if not directory(path):
            write(path, b"new\n")

    def remove():
        path = some()
        shutil.rmtree(path) if directory(path) else os.unlink(path)

    def again():
        path = some(directory)
        shutil.rmtree(path)
        os.mkdir(path)
        if pick.randrange(2):
            write(os.path.join(path, pick.choice(NAMES) + b"0"), b"again\n")

    def bind():
        path = place()
        if not os.path.lexists(path) and len(path) < 100:
            one = socket.socket(socket.AF_UNIX)
            one.bind(path)
            one.close()

    def move():
        os.rename(some(), place())

    def move_directory():
        os.rename(some(directory), place())

    def replace():
        path = some()
        shutil.rmtree(path) if directory(path) else os.unlink(path)
        pick.choice([os.mkdir, os.mkfifo, lambda path: os.symlink(b"a0", path), lambda path: write(path, b"base 1\n")])(path)

    def back():
        path, away = some(), os.path.join(TOP, b"away")
        os.rename(path, away)
        os.rename(away, path)

    todo = [append, touch, rewrite, other, stretch, fresh, remove, again, move, move_directory, move_directory, replace, back, bind,
            lambda: os.mkdir(place()), lambda: os.makedirs(os.path.join(place(), b"x", b"y")),
            lambda: os.chmod(some(lambda path: not os.path.islink(path)), pick.choice([0o700, 0o644, 0o4755, 0o1777])),
            lambda: os.chown(some(), pick.choice([0, 5, 1000, 1001]), pick.choice([0, 2000]), follow_symlinks=False),
            lambda: os.link(some(file), place()), lambda: os.symlink(pick.choice([b"a0", b"zz"]), place()),
            lambda: os.mkfifo(place()),
            lambda: os.setxattr(some(file), "user.note", pick.choice([b"base", b"mine"])),
            lambda: os.removexattr(some(file), "user.note"),
            lambda: subprocess.run([b"setfacl", b"-m", pick.choice([b"u:bob:rw", b"g:proj:r"]), some(file)], check=True),
            lambda: subprocess.run([b"setfacl", b"-b", some(file)], check=True)]
    done = 0
    for _ in range(60):
        try:
            pick.choice(todo)()
            done += 1
        except (OSError, TypeError, IndexError):
            pass
    print(done)


def key(path):
    return base64.b64encode(path).decode()


def listing():
    json.dump({key(path): describe(path) for path in entries()}, sys.stdout)


def unencoded(record, name):
    """The path, with all its bytes."""
    from urllib.parse import unquote_to_bytes
    encoded = record.get(name + "_encoded")
    return unquote_to_bytes(encoded) if encoded else record[name].encode()


TOLD = ("kind", "mode", "uid", "gid")


def check(before, after, records):
    before = {base64.b64decode(path): entry for path, entry in before.items()}
    after = {base64.b64decode(path): entry for path, entry in after.items()}
    # What is there, by path: as what of the base it began, and what is told of it.
    model = {path: (path, None) for path in before}
    wrong = []

    def forget(top):
        for path in [path for path in model if path == top or path.startswith(top + b"/")]:
            del model[path]

    for record in records:
        path, change = unencoded(record, "path"), record["change"]
        if change == "D":
            if path not in model:
                wrong.append(("deleted, but is not there", path))
            forget(path)
            continue
        if change == "A":
            if path in model:
                wrong.append(("added, but is there", path))
            if "from" in record:
                origin = unencoded(record, "from")
                if origin == path:
                    wrong.append(("moved to where it was", path))
                for below in [one for one in before if one.startswith(origin + b"/")]:
                    model[path + below[len(origin):]] = (below, None)
            model[path] = (None, record)
            continue
        if path not in model:
            wrong.append(("changed, but is not there", path))
            continue
        source = model[path][0]
        if change == "T":
            forget(path)
        model[path] = (source, record)

    for path in sorted(set(model) | set(after)):
        if path not in model or path not in after:
            wrong.append(("is there" if path in after else "is not there", path))
            continue
        (source, record), now = model[path], after[path]
        old = before.get(source)
        if record is None:
            if old != now:
                wrong.append(("differs, but nothing is told", path, old, now))
            continue
        told = record["new"]
        size = told["size"] if told["kind"] in ("file", "link") else 0
        if {name: told[name] for name in TOLD} != {name: now[name] for name in TOLD} or size != now["size"]:
            wrong.append(("is told otherwise", path, record, now))
        change = record["change"]
        if change == "A":
            continue
        if (change == "T") != (old["kind"] != now["kind"]):
            wrong.append(("type", path, record, old, now))
        if change == "T":
            continue
        content = (old["size"], old["content"]) != (now["size"], now["content"])
        names = ("uid", "gid", "attributes") + (() if now["kind"] == "link" else ("mode",))
        attributes = any(old[name] != now[name] for name in names)
        expected = ("M" if content else "") + ("P" if attributes else "")
        if expected != change:
            wrong.append(("should be " + expected, path, record, old, now))
    paths = [unencoded(record, "path").split(b"/") for record in records]
    if paths != sorted(paths):
        wrong.append(("not sorted",))
    for one in wrong:
        print(one)
    print(len(records), "records")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    what, *rest = sys.argv[1:]
    if what == "base":
        base(random.Random(int(rest[0])))
    elif what == "change":
        change(random.Random(int(rest[0])))
    elif what == "list":
        listing()
    else:
        check(*[json.load(open(name)) for name in rest])
