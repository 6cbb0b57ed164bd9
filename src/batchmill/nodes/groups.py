"""Process groups of commands: asked to end first, killed after a grace period, never left behind.

A command leads a group of its own, so a signal reaches all it started. To end one, we send SIGTERM and, after
:data:`GRACE_SECONDS`, SIGKILL. The thread that does so may be a daemon that ends with the interpreter, in the
middle of the grace period; so the exit of the process ends the groups that still exist.

The system has a limited number of descriptors and processes. If it has no more, a command waits until another
one has ended instead of failing.
"""

from __future__ import annotations

import errno
import os
import random
import resource
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from batchmill.errors import InternalError

GRACE_SECONDS = 1.0
REAP_SECONDS = 2.0  # a killed process that is not gone by then hangs in the kernel
_LOOK_SECONDS = 0.01
_WAIT_SECONDS = 0.1  # between looks whether somebody who waits for room was stopped
_NO_ROOM = (errno.EMFILE, errno.ENFILE, errno.EAGAIN, errno.ENOMEM)
_TRIES = 20  # at a command where no other runs that could make room, while several start at once
_DESCRIPTORS, _LEFT_TO_OTHERS = 4, 24  # what a command takes; what is kept for files, connections and pools
# Without waitid (PyPy) the end of a command can only be detected by reaping it.
CAN_LOOK = hasattr(os, "waitid")


class ProcessGroup:
    """A command and all processes that stayed in its process group.

    Concurrency: any thread may call ``terminate`` and ``kill``; only the thread that runs the command calls
    everything else. ``_lock`` guards ``_reaped`` and ``_asked``, and prevents a signal after the process id
    was returned.

    ``cpu`` is the CPU seconds of the command and of the processes that it waited for, once it was reaped;
    None if the system reaped it by itself.
    """

    @classmethod
    def started(
        cls, start: Callable[[], subprocess.Popen[bytes]], stopped: Callable[[], bool]
    ) -> ProcessGroup | None:
        """The group of the command that ``start`` starts, once there is room for it; None if ``stopped``
        returns True first. Raises the errors of ``start``; a lack of room only if no running command will
        free some."""
        tries = 0
        while True:
            with _alive.starting(_most_at_once(), stopped) as may_start:
                if not may_start:
                    return None
                try:
                    group = cls(start())
                except OSError as error:
                    tries += 1
                    if error.errno not in _NO_ROOM or tries == _TRIES:
                        raise
                else:
                    _alive.add(group)
                    return group
            if _alive.wait_for_an_end(stopped):
                tries = 0
            time.sleep(_LOOK_SECONDS * random.uniform(1, 5))  # noqa: S311  # spreads load, guards nothing

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self._lock = threading.Lock()
        self._reaped = False
        self._asked: float | None = None
        self.cpu: float | None = None

    def terminate(self) -> None:
        """Ask every process of the group to end; repeated calls do nothing."""
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
        """The :func:`time.monotonic` second until which to wait for a group that was asked to end."""
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
                self._reaped = self._reaped or self._look()
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
        """The return code in the form of :mod:`subprocess`; the group gets no signal after this."""
        with self._lock:
            self._reaped = True
        deadline, pause = time.monotonic() + REAP_SECONDS, 0.0002
        while not self._look():
            if time.monotonic() >= deadline:  # killed, and held by the kernel until some device answers
                return -signal.SIGKILL
            time.sleep(pause)
            pause = min(pause * 2, 0.05)
        return self.process.returncode

    def _look(self) -> bool:
        """Reap the command if it has ended, in place of :mod:`subprocess`, which does not ask for its
        resources; returns whether it has."""
        if self.process.returncode is not None:
            return True
        try:
            found, status, used = os.wait4(self.process.pid, os.WNOHANG)
        except ChildProcessError:  # this process ignores SIGCHLD, so the kernel reaped it
            return self.process.poll() is not None
        if not found:
            return False
        self.process.returncode = os.waitstatus_to_exitcode(status)
        self.cpu = used.ru_utime + used.ru_stime
        return True

    def release(self) -> None:
        """The command was reaped and its pipes are closed: there is room for another."""
        _alive.remove(self)


def _most_at_once() -> int:
    """How many commands may run at once for the descriptors they take, with some left for all else."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return sys.maxsize
    return max(1, (soft - max(_LEFT_TO_OTHERS, soft // 8)) // _DESCRIPTORS)


class _Alive:
    """The groups of this process that have not been reaped.

    Concurrency: any thread may call any method; ``_lock`` guards all fields.
    """

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """Forget all groups, in a new process: those of its parent are not its own, and a lock that another
        thread held at the fork is never released here."""
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._groups: set[ProcessGroup] = set()
        self._starting = 0  # commands that may be running and have no group here yet
        self._ends_at_exit = False
        self._over = False  # the process is at its exit

    @contextmanager
    def starting(self, most: int, stopped: Callable[[], bool]) -> Iterator[bool]:
        """Register the start of a command, for which the exit of this process waits; first wait until fewer
        than ``most`` run. False if ``stopped`` returns True before, or the process is exiting: then no
        command may start."""
        with self._lock:
            if not self._ends_at_exit:
                self._ends_at_exit = True
                self._end_at_exit()
            while not (may_start := len(self._groups) + self._starting < most) and not stopped():
                self._changed.wait(_WAIT_SECONDS)
            may_start = may_start and not self._over
            self._starting += may_start
        try:
            yield may_start
        finally:
            with self._lock:
                self._starting -= may_start

    def _end_at_exit(self) -> None:
        import multiprocessing.util  # 5 ms that only a run with commands pays

        # A process made by multiprocessing ends without atexit, but runs its finalizers, as every other
        # process does at its exit.
        multiprocessing.util.Finalize(None, self.end, exitpriority=0)

    def add(self, group: ProcessGroup) -> None:
        with self._lock:
            self._groups.add(group)

    def remove(self, group: ProcessGroup) -> None:
        with self._lock:
            self._groups.discard(group)
            self._changed.notify()

    def wait_for_an_end(self, stopped: Callable[[], bool]) -> bool:
        """Wait until one of the commands that run has ended; False if none runs."""
        with self._lock:
            before = len(self._groups)
            while self._groups and len(self._groups) >= before and not stopped():
                self._changed.wait(_WAIT_SECONDS)
            return before > 0

    def _now(self) -> list[ProcessGroup]:
        with self._lock:
            return list(self._groups)

    def _is_empty(self) -> bool:
        with self._lock:
            return not (self._groups or self._starting)

    def end(self) -> None:
        """End all groups, those in their grace period at its end. Threads that run commands continue
        meanwhile; groups that they have finished with are skipped."""
        with self._lock:
            self._over = True
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
