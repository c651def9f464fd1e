"""Processes that have imported brimline already: forked off one that did it once.

Starting Python and importing brimline costs 0.4 s of CPU, a fork a twentieth of that. What is forked is a process
of its own in all that a test can see: pid, signals, pipes, environment, folder, exit code, the end of the interpreter.
Run as a script, this file is the process that is forked.
"""

import atexit
import functools
import gc
import importlib
import json
import os
import pkgutil
import random
import select
import signal
import socket
import subprocess
import sys
import threading
from contextlib import suppress


class Fork:
    """One such process, with what tests use of `subprocess.Popen`."""

    def __init__(self, arguments, *, cwd, env, stdin=None, stdout=None, stderr=None, text=True):
        self.args, self.returncode = arguments, None
        self.stdin, self.stdout, self.stderr = None, None, None
        theirs = [self._pipe(n, which, text=text) for n, which in enumerate((stdin, stdout, stderr))]
        self._channel, channel = socket.socketpair()
        socket.send_fds(_server(), [b"."], [*theirs, channel.fileno()])
        channel.close()
        for fd, which in zip(theirs, (stdin, stdout, stderr), strict=True):
            if which in {subprocess.PIPE, subprocess.DEVNULL}:
                os.close(fd)
        job = {"arguments": arguments, "cwd": str(cwd), "environment": env}
        self._channel.sendall(json.dumps(job).encode() + b"\n")
        self._said = self._channel.makefile()
        self.pid = int(self._said.readline())

    def _pipe(self, n, which, *, text):
        """Return what the process gets as its file `n`; keep the other end of a pipe."""
        if which == subprocess.DEVNULL:
            return os.open(os.devnull, os.O_RDWR)
        if which != subprocess.PIPE:
            return n if which is None else which if isinstance(which, int) else which.fileno()
        reading, writing = os.pipe()
        ours, theirs = (writing, reading) if n == 0 else (reading, writing)
        mode = "w" if n == 0 else "r"
        file = open(ours, mode) if text else open(ours, mode + "b")  # noqa: SIM115, PTH123
        setattr(self, ("stdin", "stdout", "stderr")[n], file)
        return theirs

    def poll(self):
        """Return the exit code, or None while it runs."""
        if self.returncode is None and select.select([self._channel], [], [], 0)[0]:
            self.wait()
        return self.returncode

    def wait(self, timeout=None):
        """Wait for its end and return the exit code; negative: the signal that ended it."""
        if self.returncode is None:
            if not select.select([self._channel], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(self.args, timeout)
            self.returncode = int(self._said.readline())
            self._said.close()
            self._channel.close()
        return self.returncode

    def communicate(self, input=None, timeout=None):  # noqa: A002  as Popen has it
        """Write `input`, read what it says, and wait for its end."""
        said = [None, None]

        def read(n, file):
            with file:
                said[n] = file.read()

        files = enumerate((self.stdout, self.stderr))
        readers = [
            threading.Thread(target=read, args=(n, file), daemon=True)
            for n, file in files
            if file is not None and not file.closed
        ]
        for reader in readers:
            reader.start()
        if self.stdin is not None:
            with suppress(BrokenPipeError), self.stdin:
                if input:
                    self.stdin.write(input)
        self.wait(timeout)
        for reader in readers:
            reader.join(timeout)
        return tuple(said)

    def send_signal(self, number):
        """Send it a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self):
        """Send SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self):
        """Send SIGKILL."""
        self.send_signal(signal.SIGKILL)


@functools.cache
def _server():
    """Start the process that is forked; its end is the end of this one."""
    ours, theirs = socket.socketpair()
    with theirs:
        fd = theirs.fileno()
        command = [sys.executable, __file__, str(fd)]
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, pass_fds=[fd]
        )
    atexit.register(process.wait)
    atexit.register(ours.close)
    return ours


def _serve(control):
    """Fork as often as asked. Returns in each fork, with its arguments; None when nobody is left to ask."""
    for _, name, _ in pkgutil.walk_packages(importlib.import_module("brimline").__path__, "brimline."):
        if not name.startswith("brimline.testing") and not name.endswith("__main__"):
            importlib.import_module(name)
    gc.freeze()  # what no fork touches, none has to copy
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the tests
    signal.signal(signal.SIGCHLD, lambda *_: None)
    woken, waker = socket.socketpair()
    waker.setblocking(False)
    signal.set_wakeup_fd(waker.fileno())
    channels = {}
    while True:
        ready, _, _ = select.select([control, woken], [], [])
        if woken in ready:
            woken.recv(100)
            _reap(channels)
        if control not in ready:
            continue
        _, files, _, _ = socket.recv_fds(control, 1, 4)
        if not files:
            return None
        channel = socket.socket(fileno=files.pop())
        job = json.loads(channel.makefile().readline())
        pid = os.fork()
        if not pid:
            for each in (control, woken, waker, channel, *channels.values()):
                each.close()
            return _become(job, files)
        for fd in files:
            os.close(fd)
        channels[pid] = channel
        channel.sendall(f"{pid}\n".encode())


def _reap(channels):
    """Tell who asked how their process has ended."""
    while channels:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if not pid:
            return
        with channels.pop(pid) as channel:
            channel.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())


def _become(job, files):
    """Be the process that was asked for."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for n, fd in enumerate(files):
        os.dup2(fd, n)
        os.close(fd)
    sys.stdout.reconfigure(line_buffering=os.isatty(1))
    os.chdir(job["cwd"])
    os.environ.clear()
    os.environ.update(job["environment"])
    random.seed()
    return job["arguments"]


def _end_without_a_last_look(main):
    """Run it; what was frozen stays frozen at the end, which costs three times what a short run does."""
    try:
        main()
    finally:
        if "duckdb" not in sys.modules:  # it complains of what is left
            atexit.unregister(gc.unfreeze)


if __name__ == "__main__":
    asked = _serve(socket.socket(fileno=int(sys.argv[1])))
    if asked is not None:
        sys.argv = ["brimline", *asked]
        _end_without_a_last_look(importlib.import_module("brimline.cli.main").main)
