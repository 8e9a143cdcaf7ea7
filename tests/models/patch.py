"""Applies a patch as `patch -p1` does, without any tolerance: patch.py DIRECTORY < PATCH"""
import os, re, sys

os.chdir(sys.argv[1])
lines = sys.stdin.buffer.read().split(b"\n")
place = 0
while place < len(lines):
    if not lines[place].startswith(b"--- ") or not lines[place + 1].startswith(b"+++ "):
        place += 1
        continue
    names = [line[4:].split(b"\t")[0] for line in lines[place:place + 2]]
    old, new = [None if name == b"/dev/null" else name.split(b"/", 1)[1] for name in names]
    place += 2
    text = open(old, "rb").read().splitlines(keepends=True) if old else []
    made, used = [], 0
    while place < len(lines) and lines[place].startswith(b"@@ "):
        start, count = re.match(rb"@@ -(\d+)(?:,(\d+))? ", lines[place]).groups()
        count = 1 if count is None else int(count)
        begin = int(start) - 1 if count else int(start)
        made += text[used:begin]
        used = begin
        place += 1
        while place < len(lines) and lines[place][:1] in (b" ", b"-", b"+"):
            mark, line = lines[place][:1], lines[place][1:] + b"\n"
            place += 1
            if lines[place].startswith(b"\\ "):
                line = line[:-1]
                place += 1
            if mark in b" -":
                assert text[used] == line, (old, used, text[used], line)
                used += 1
            if mark in b" +":
                made.append(line)
    made += text[used:]
    if new is None:
        assert not made
        os.unlink(old)
        continue
    os.makedirs(os.path.dirname(new), exist_ok=True)
    open(new, "wb").write(b"".join(made))
