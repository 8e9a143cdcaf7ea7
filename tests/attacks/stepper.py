"""Runs a command under ptrace and does something to one of its processes at an exact moment.

Moments are counted in system calls, so each of them can be had: "process 2 before its 17th system call". Process 0 is
the command, from its execve(2) on; the others are numbered as they are born.
"""

import ctypes
import os
import signal

libc = ctypes.CDLL(None, use_errno=True)
ptrace = libc.ptrace
ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
SYSCALL, GETEVENTMSG, SEIZE, LISTEN = 24, 0x4201, 0x4206, 0x4208
# SYSGOOD, TRACEFORK, TRACEVFORK, TRACECLONE, TRACEEXEC
OPTIONS = 1 | 2 | 4 | 8 | 16
BIRTHS = (1, 2, 3)
EVENT_EXEC, EVENT_STOP = 4, 128
SYSCALL_STOP = signal.SIGTRAP | 0x80
ALL = 0x40000000


def start(argv, user, output):
    """The command, seized before its execve(2). Root traces, so that a setuid program stays one."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.close(writer)
            os.dup2(output, 1)
            os.dup2(output, 2)
            os.chdir("/")
            if user:
                uid, groups = user
                os.setgroups(groups)
                os.setresgid(groups[0], groups[0], groups[0])
                os.setresuid(uid, uid, uid)
            os.read(reader, 1)
            os.execve(argv[0], argv, {"+PATH": "/usr/bin:/bin"})
        finally:
            os._exit(120)
    if ptrace(SEIZE, pid, None, ctypes.c_void_p(OPTIONS)) < 0:
        raise OSError(ctypes.get_errno(), "PTRACE_SEIZE")
    os.close(reader)
    os.close(writer)
    return pid


def run_to(first, victim, moment):
    """Steps until process `victim` is about to make system call number `moment`; its id, or None if all have ended.

    The victim stays in the tracer's stop; everybody else runs on until they reach the next stop of their own.
    """
    numbers, calls, inside = {first: 0}, {}, {}
    while True:
        try:
            pid, status = os.waitpid(-1, ALL)
        except ChildProcessError:
            return None
        if not os.WIFSTOPPED(status):
            continue
        number = numbers.setdefault(pid, len(numbers))
        stop, event = os.WSTOPSIG(status), status >> 16
        resume, deliver = SYSCALL, 0
        if stop == SYSCALL_STOP:
            inside[pid] = not inside.get(pid, False)
            if inside[pid]:
                calls[number] = calls.get(number, 0) + 1
                if number == victim and calls[number] == moment:
                    return pid
        elif event in BIRTHS:
            # Here, because two of its children may come to their own first stops in any order.
            child = ctypes.c_ulong()
            ptrace(GETEVENTMSG, pid, None, ctypes.addressof(child))
            numbers.setdefault(child.value, len(numbers))
        elif event == EVENT_EXEC and number == 0 and not inside.get("started"):
            calls[0], inside["started"] = 0, True
        elif event == EVENT_STOP and stop != signal.SIGTRAP:
            resume = LISTEN
        elif event == 0:
            deliver = stop
        ptrace(resume, pid, None, ctypes.c_void_p(deliver))


def at_moment(argv, victim, moment, action, user=None, output=1):
    """Runs `action(pid)` at the moment and lets go of all processes; whether there was such a moment. `user` is an id
    and a list of groups, root if there is none.

    The tracer is a process of its own: at its end the kernel lets everybody go on who is still traced.
    """
    tracer = os.fork()
    if tracer == 0:
        result = 2
        try:
            pid = run_to(start(argv, user, output), victim, moment)
            result = 1 if pid is None else 0
            if pid is not None:
                action(pid)
        finally:
            os._exit(result)
    status = os.waitstatus_to_exitcode(os.waitpid(tracer, 0)[1])
    if status not in (0, 1):
        raise RuntimeError(f"the tracer has failed: {status}")
    return status == 0
