"""Process groups of commands: asked to end first, killed after a grace, never left behind.

A command leads a group of its own, so a signal reaches all it started. Whoever ends one sends SIGTERM and,
after :data:`GRACE_SECONDS`, SIGKILL. The thread that does so may be a daemon that ends with the interpreter,
in the midst of the grace; so groups that are there at the exit of the process are ended by the exit itself.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from batchmill.errors import InternalError

GRACE_SECONDS = 1.0
REAP_SECONDS = 2.0  # a killed process that is not gone by then hangs in the kernel
_LOOK_SECONDS = 0.01
# Without waitid (PyPy) nobody can look whether a command has ended without reaping it.
CAN_LOOK = hasattr(os, "waitid")


class Group:
    """A command and all that stayed in its process group.

    Concurrency: ``terminate`` and ``kill`` are called by any thread, everything else by the thread that runs
    the command. ``_lock`` guards ``_reaped`` and ``_asked``, and keeps a signal from being sent after the
    process id was given back.
    """

    @classmethod
    def started(cls, start: Callable[[], subprocess.Popen[bytes]]) -> Group:
        """The group of the command that ``start`` starts. Raises what that raises."""
        with _alive.starting():
            group = cls(start())
            _alive.add(group)
        return group

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self._lock = threading.Lock()
        self._reaped = False
        self._asked: float | None = None

    def terminate(self) -> None:
        """Ask every process of the group to end; once, whoever asks again."""
        with self._lock:
            if self._asked is None:
                self._asked = time.monotonic()
                self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """End every process of the group at once."""
        with self._lock:
            self._signal(signal.SIGKILL)

    @property
    def grace_ends(self) -> float:
        """The :func:`time.monotonic` second up to which a group that was asked to end is waited for."""
        with self._lock:
            if self._asked is None:
                raise InternalError("a command was waited for that nobody has asked to end")
            return self._asked + GRACE_SECONDS

    def _signal(self, number: int) -> None:
        if self._reaped:
            return
        try:
            os.killpg(self.process.pid, number)
        except ProcessLookupError:
            pass  # all of it has ended
        except PermissionError:
            pass  # what is left runs as another user or, on macOS, is a zombie: not ours to signal

    def ended(self) -> bool:
        """Whether the command itself has ended; it is reaped by this only where looking means reaping."""
        if not CAN_LOOK:
            with self._lock:
                self._reaped = self.process.poll() is not None
                return self._reaped
        try:
            found = os.waitid(os.P_PID, self.process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:  # this process ignores SIGCHLD, so the kernel reaped it
            return True
        return found is not None

    def wait(self, deadline: float) -> bool:
        """Wait until the command itself has ended; False when it has not by ``deadline``."""
        if self.ended():
            return True
        try:
            handle = os.pidfd_open(self.process.pid)
        except (AttributeError, OSError):  # not Linux, or no descriptor left
            return self._wait_looking(deadline)
        try:
            poll = select.poll()
            poll.register(handle, select.POLLIN)
            return bool(poll.poll(max(0.0, deadline - time.monotonic()) * 1000 + 1))
        finally:
            os.close(handle)

    def _wait_looking(self, deadline: float) -> bool:
        pause = 0.0002
        while not self.ended():
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            time.sleep(min(pause, left))
            pause = min(pause * 2, 0.05)
        return True

    def reap(self) -> int:
        """The return code as :mod:`subprocess` gives it; nothing is signalled after this."""
        with self._lock:
            self._reaped = True
        _alive.remove(self)
        try:
            return self.process.wait(REAP_SECONDS)
        except subprocess.TimeoutExpired:  # killed, and held by the kernel until some device answers
            return -signal.SIGKILL


class _Alive:
    """The groups of this process that have not been reaped.

    Concurrency: any thread may call any method; ``_lock`` guards all fields.
    """

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """Know of none, in a new process: those of the one it was forked from are not its own, and a lock
        that another thread held there is never released here."""
        self._lock = threading.Lock()
        self._groups: set[Group] = set()
        self._starting = 0  # commands that may be running and have no group here yet
        self._ends_at_exit = False

    @contextmanager
    def starting(self) -> Iterator[None]:
        """While a command is being started: the exit waits until it is known."""
        with self._lock:
            self._starting += 1
            if not self._ends_at_exit:
                self._ends_at_exit = True
                self._end_at_exit()
        try:
            yield
        finally:
            with self._lock:
                self._starting -= 1

    def _end_at_exit(self) -> None:
        import multiprocessing.util  # 5 ms that only a run with commands pays

        # A process made by multiprocessing ends without atexit, but not without its finalizers, which every
        # other runs at its exit as well.
        multiprocessing.util.Finalize(None, self.end, exitpriority=0)

    def add(self, group: Group) -> None:
        with self._lock:
            self._groups.add(group)

    def remove(self, group: Group) -> None:
        with self._lock:
            self._groups.discard(group)

    def _now(self) -> list[Group]:
        with self._lock:
            return list(self._groups)

    def _is_empty(self) -> bool:
        with self._lock:
            return not (self._groups or self._starting)

    def end(self) -> None:
        """End all there are, those in their grace at its end. Threads that run commands go on meanwhile; what
        they are done with is not waited for."""
        until = time.monotonic() + GRACE_SECONDS
        while not self._is_empty() and time.monotonic() < until:
            for group in self._now():
                group.terminate()
            time.sleep(_LOOK_SECONDS)
        for group in self._now():
            group.kill()


_alive = _Alive()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_alive.begin)
