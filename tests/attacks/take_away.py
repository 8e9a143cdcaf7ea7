# Replaces a place where something is mounted by a link, by way of a namespace in which nothing is mounted there:
# take_away.py NAME TARGET. For root of an environment.
name, target = sys.argv[1:3]


def replace():
    top = uncovered()
    os.rename(name, f"{name}.kept", src_dir_fd=top, dst_dir_fd=top)
    os.symlink(target, name, dir_fd=top)
    return sorted(os.listdir(top))


attempt("replace", apart(replace))
