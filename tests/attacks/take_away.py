# Replaces a place where something is mounted by a link, by way of a namespace in which nothing is mounted there:
# take_away.py NAME TARGET. For root of an environment.
name, target = sys.argv[1:3]


def replace():
    top = os.open("/", os.O_RDONLY)
    c("unshare", CLONE_NEWNS)
    mount("none", "/mnt", "tmpfs")
    os.mkdir("/mnt/old")
    os.chdir("/mnt")
    syscall("pivot_root", ".", "old")
    os.chdir("/")
    # All that was mounted in the former root goes, and what is open of it stays.
    c("umount2", "/old", MNT_DETACH)
    os.rename(name, f"{name}.kept", src_dir_fd=top, dst_dir_fd=top)
    os.symlink(target, name, dir_fd=top)
    return sorted(os.listdir(top))


attempt("replace", apart(replace))
