# Gives the name of one mount point to another, by way of a namespace in which nothing is mounted on either:
# exchange_mounted.py NAME OTHER. For root of an environment.
name, other = sys.argv[1:3]


def exchange():
    top = uncovered()
    os.rename(name, f"{name}.kept", src_dir_fd=top, dst_dir_fd=top)
    os.rename(other, name, src_dir_fd=top, dst_dir_fd=top)


attempt("exchange", apart(exchange))
