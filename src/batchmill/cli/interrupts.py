"""Ctrl-C and SIGTERM: the first asks a run to stop, the second ends it, the third leaves at once.

A signal handler may interrupt any line of Python, a lock's critical section included, and does not
run at all while the main thread sits in a long call into C. So the handlers here do nothing; the
interpreter writes the signal's number to a pipe the moment it arrives, and a thread of our own reads
the pipe and acts. Where not even that one has its turn, a :mod:`~batchmill.cli.guard` does.
"""

from __future__ import annotations

import math
import os
import select
import signal
import threading
import time
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any

from batchmill.cli.exits import SIGNAL_BASE
from batchmill.cli.guard import LAST, Guard
from batchmill.cli.streams import STDERR
from batchmill.concurrency.cancel import CancelToken
from batchmill.executors.process.family import kill_descendants

GRACE = 10.0  # seconds that running items have after the first signal
LAST_WAIT = 3.0  # seconds from ending items by force until the command leaves without them
YIELD = 0.02  # seconds for the watching thread to hear of a signal
LEAVING = 5.0  # more than it takes to leave
TRACKER = "resource_tracker"  # in the command line of loky's
ONE_EVENT = 0.1  # seconds within which the same signal once more tells of the same event
SHOW_CURSOR = b"\x1b[?25h"
_END = b"\0"  # no signal has the number 0

STATUS = "/proc/self/status"

HANDLED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupts:
    """While entered, turns signals into tokens: ``stop`` (no new items), then ``cancel`` (end running ones).

    A signal that was ignored before stays ignored: ``nohup`` relies on that. The same signal twice within a
    moment counts once, because ``timeout``, systemd and init programs of containers signal a process and then
    its group.

    ``last`` ends the nodes of ``finally``. After :meth:`finishing`, a first signal leaves them running, and
    the time that items had to finish is over.

    ``first`` is the number of the first signal, None without any. ``last_words`` are printed if the process
    leaves at once. ``say`` is called with messages.

    Concurrency: entered and left in the main thread; in another thread it does nothing, because Python
    delivers signals to the main thread only. The watching thread alone writes ``first``. It writes the times
    below under ``_lock``, and so does the thread that calls :meth:`finishing`. Tokens may be cancelled from
    any thread.
    """

    def __init__(
        self,
        stop: CancelToken,
        cancel: CancelToken,
        say: Callable[[str], None],
        grace: float = GRACE,
        last_wait: float = LAST_WAIT,
        one_event: float = ONE_EVENT,
        last: CancelToken | None = None,
    ) -> None:
        self.first: int | None = None
        self.last_words = ""
        self._stop, self._cancel, self._say = stop, cancel, say
        self._grace, self._last_wait, self._one_event = grace, last_wait, one_event
        self._last = last or CancelToken()
        self._finishing = False
        self._number = 0
        self._latest: tuple[int, float] = (0, -math.inf)  # the signal that counted last, and when
        self._lock = threading.Lock()
        self._kill_at: float | None = None
        self._leave_at: float | None = None
        self._previous: dict[int, Any] = {}
        self._watcher: threading.Thread | None = None

    def __enter__(self) -> Interrupts:
        if threading.current_thread() is threading.main_thread():
            self._reader, self._writer = os.pipe()
            os.set_blocking(self._writer, False)
            self._guard = Guard(self._reader, HANDLED)
            self._previous_fd = signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
            self._previous = {
                number: signal.signal(number, self._heard)
                for number in HANDLED
                if not _ignored(number)  # as nohup has it
            }
            self._watcher = threading.Thread(target=self._watch, name="batchmill-signals", daemon=True)
            self._watcher.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._watcher is None:
            return
        for number, handler in self._previous.items():
            # after a first signal the command is on its way out: a further one must not change its exit code
            signal.signal(number, handler if self.first is None else self._go)
        signal.set_wakeup_fd(self._previous_fd)
        self._guard.dismiss()
        os.write(self._writer, _END)
        self._watcher.join()
        os.close(self._writer)
        os.close(self._reader)

    def finishing(self) -> None:
        """All that items were given time for has ended, and the nodes of ``finally`` begin."""
        with self._lock:
            self._finishing = True
            self._kill_at = self._leave_at = None

    def _watch(self) -> None:
        while True:
            ready, _, _ = select.select([self._reader], [], [], self._patience())
            if not ready:
                self._time_is_up()
                continue
            for number in os.read(self._reader, 64):
                if number == 0:
                    return
                if number in self._previous:
                    self._receive(number)

    def _patience(self) -> float | None:
        """Seconds until the next deadline; None without one."""
        with self._lock:
            return self._seconds_left()

    def _seconds_left(self) -> float | None:
        due = self._leave_at if self._leave_at is not None else self._kill_at
        return None if due is None else max(0.0, due - time.monotonic())

    def _receive(self, number: int) -> None:
        now = time.monotonic()
        if number == self._latest[0] and now - self._latest[1] < self._one_event:
            return
        self._latest = (number, now)
        self._number += 1
        # Only of signals that count here: else the guard would end a command that waits for its third.
        self._guard.took()
        if self.first is None and self._finishing:
            self.first = number
            self._say(f"{signal.Signals(number).name}: `finally` runs to its end; repeat to end it now")
            self._stop.cancel()
        elif self.first is None:
            self.first = number
            with self._lock:
                self._kill_at = now + self._grace
            self._say(
                f"{signal.Signals(number).name}: no new items start, running ones have {self._grace:g} s to "
                "finish; repeat to end them now"
            )
            self._stop.cancel()
        elif not self._last.cancelled:
            self._last.cancel()
            self._end("ending what still runs; repeat to leave at once")
        else:
            self._leave("leaving")

    def _time_is_up(self) -> None:
        with self._lock:
            left = self._seconds_left()
        if left is None or left > 0:
            return  # what was due has ended meanwhile
        if self._leave_at is None:
            self._end(f"{self._grace:g} s have passed: ending what still runs")
        else:
            self._leave("some items do not end: leaving without them")

    def _end(self, words: str) -> None:
        with self._lock:
            self._leave_at = time.monotonic() + self._last_wait
        self._say(words)
        self._stop.cancel()
        self._cancel.cancel()

    def _leave(self, words: str) -> None:
        """End the process here and now, and its children with it."""
        self._say(words)
        if self.last_words:
            self._say(self.last_words)
        self._go()

    def _heard(self, number: int, frame: FrameType | None) -> None:
        """The handler: the pipe already has the number. While a long search for a regular expression is
        interrupted, other threads get no other chance to run."""
        time.sleep(YIELD)
        if self._number >= LAST:
            time.sleep(LEAVING)

    def _go(self, number: int = 0, frame: FrameType | None = None) -> None:
        kill_descendants(os.getpid(), self._is_spared)
        _show_cursor()
        os._exit(SIGNAL_BASE + (self.first or signal.SIGINT))

    def _is_spared(self, process: Any) -> bool:
        """Whether it ends with us by itself: loky's resource tracker, which removes what we leave, and the
        guard."""
        try:
            return process.pid == self._guard.pid or any(TRACKER in word for word in process.cmdline())
        except Exception:  # noqa: BLE001  # ended meanwhile: psutil has its own errors for that
            return False


def _show_cursor() -> None:
    """Show the cursor: a bar hides it while it is drawn, and is not stopped when the process just ends."""
    try:
        if os.isatty(STDERR):
            os.write(STDERR, SHOW_CURSOR)
    except OSError:
        pass  # the terminal is gone, and its cursor with it


def _ignored(number: int) -> bool:
    """Whether the signal is ignored. PyPy reports signals that were ignored at its start as the default, so
    ask the system if possible."""
    known = signal.getsignal(number)
    if known is not signal.SIG_DFL:
        return known is signal.SIG_IGN
    try:
        with open(STATUS, encoding="ascii", errors="replace") as file:
            mask = next(line for line in file if line.startswith("SigIgn:"))
    except (OSError, StopIteration):  # not Linux
        return False
    return bool(int(mask.split()[1], 16) >> (number - 1) & 1)
