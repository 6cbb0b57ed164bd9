"""A guard process that ends a command which no longer reacts to signals.

An endless regular expression, for example, blocks the interpreter: no thread of the command runs, not even
the one that acts on signals. The numbers of the signals then wait in the pipe. The guard, a fork that holds
only the reading end and sleeps, checks the pipe when it has data. It ends a command that still exists two
seconds after its third signal, whether the command read it or not.
"""

from __future__ import annotations

import array
import fcntl
import mmap
import os
import select
import signal
import termios
import time
import warnings
from collections.abc import Sequence

from batchmill.executors.process.family import kill_descendants

LAST = 3  # the signal that leaves at once
LEAVING = 2.0  # seconds that the command has to hear it and to leave
LOOK = 0.3  # seconds between two looks at signals that nobody has read yet


class Guard:
    """The guard of this process; ``reader`` is the end of the pipe at which the numbers of signals arrive.

    If the system cannot start a process there is no guard. Only a blocked command needs one.
    """

    def __init__(self, reader: int, ignored: Sequence[int]) -> None:
        self._taken = mmap.mmap(-1, 1)  # shared with the fork
        self.pid = 0
        parent = os.getpid()
        try:
            with warnings.catch_warnings():
                # Of threads that hold locks at the fork: the guard takes none of theirs.
                warnings.simplefilter("ignore", DeprecationWarning)
                pid = os.fork()
        except OSError:
            return
        if pid:
            self.pid = pid
            return
        try:
            for number in ignored:
                signal.signal(number, signal.SIG_IGN)
            _let_go_of_all_but(reader)
            _watch(reader, self._taken, parent)
        finally:  # whatever happens: this is no second copy of the command
            os._exit(0)

    def took(self) -> None:
        """Count one more signal that the command has read."""
        self._taken[0] = min(LAST, self._taken[0] + 1)

    def dismiss(self) -> None:
        """End the guard: the command handles no more signals."""
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)


def _let_go_of_all_but(reader: int) -> None:
    os.closerange(0, reader)
    os.closerange(reader + 1, os.sysconf("SC_OPEN_MAX"))


def _watch(reader: int, taken: mmap.mmap, parent: int) -> None:
    poll = select.poll()
    poll.register(reader, select.POLLIN)
    while os.getppid() == parent:
        found = poll.poll()
        if not any(event & select.POLLIN for _, event in found):  # the command is gone
            return
        time.sleep(LOOK)
        unread = array.array("i", [0])
        fcntl.ioctl(reader, termios.FIONREAD, unread)
        if taken[0] + unread[0] >= LAST:
            time.sleep(LEAVING)
            _end(parent)


def _end(parent: int) -> None:
    if os.getppid() == parent:
        kill_descendants(parent, lambda process: process.pid == os.getpid())
        os.kill(parent, signal.SIGKILL)
