# Puts a key where its user keeps keys and says its number; then stays, or becomes the command with the number:
#     make_keys.py session|user|persistent [COMMAND…]
RING = {"session": -3, "user": -4}
place = sys.argv[1]
if place == "session":
    syscall("keyctl", 1, 0)
ring = RING[place] if place in RING else syscall("keyctl", 22, -1, -2)
number = syscall("add_key", "user", "secret", "SECRET:key", 10, ring)
print(number, flush=True)
if sys.argv[2:]:
    os.execvp(sys.argv[2], [*sys.argv[2:], str(number)])
sys.stdin.read()
