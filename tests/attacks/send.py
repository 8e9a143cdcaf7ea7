# Hands descriptors of programs to whoever connects, twice:   send.py here|nested SOCKET PROGRAM…
# In a nested user namespace: setuid copies of `id` on a tmpfs and an overlay that are mounted there, too.
import shutil
import socket
place, path, programs = sys.argv[1], sys.argv[2], sys.argv[3:]
listener = socket.socket(socket.AF_UNIX)
listener.bind(path)
os.chmod(path, 0o666)
listener.listen()
if place == "nested":
    nest()
    mount("none", "/mnt", "tmpfs")
    for name in ("lower", "upper", "work", "merged"):
        os.mkdir(f"/mnt/{name}")
    shutil.copy("/usr/bin/id", "/mnt/lower/id")
    os.chmod("/mnt/lower/id", 0o6755)
    mount("none", "/mnt/merged", "overlay", 0,
          "userxattr,lowerdir=/mnt/lower,upperdir=/mnt/upper,workdir=/mnt/work")
    programs += ["/mnt/lower/id", "/mnt/merged/id"]
for _ in range(2):
    print(f"listening {len(programs)}", flush=True)
    connection, _ = listener.accept()
    socket.send_fds(connection, [b"x"], [os.open(path, os.O_RDONLY) for path in programs])
    connection.recv(1)
