# Creates files as every id there is and gives files to every id there is, in the directories it is given.
#   ids.py DIRECTORY…
import stat
ids = sorted({*range(0, 3000), *range(60000, 65536, 7), 65533, 65534, 65535})
outside = [65536, 70000, 1 << 31, (1 << 31) + 1, (1 << 31) + 65536 + 1001, (1 << 32) - 2]
for directory in sys.argv[1:]:
    os.makedirs(f"{directory}/ids", exist_ok=True)
    os.chmod(f"{directory}/ids", 0o777)
    for number in ids:
        path = f"{directory}/ids/{number}"
        open(path, "w").close()
        os.chown(path, number, number)
        os.chmod(path, 0o6755)

    def as_everybody():
        for number in ids[::50]:
            os.setresgid(number, number, 0)
            os.setresuid(number, number, 0)
            open(f"{directory}/ids/by-{number}", "w").close()
            os.setresuid(0, 0, 0)
        return "made"
    attempt(f"create as all in {directory}", apart(as_everybody))
    for number in outside:
        attempt(f"give {directory} to {number}", apart(lambda: os.chown(f"{directory}/ids/0", number, -1)))
        attempt(f"give {directory} to group {number}", apart(lambda: os.chown(f"{directory}/ids/0", -1, number)))
        attempt(f"become {number} in {directory}", apart(lambda: os.setresuid(number, number, number)))
