"""Signals in a worker process: the parent decides when the run ends, not the worker.

A terminal's Ctrl-C, timeout(1) and systemd signal the whole family at once.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # a first worker process is started before it is imported
    from batchmill.executors.running.progress import Progress

TERM_SECONDS = 2.0  # for the word that the whole run is ending, from a parent that may wait for a core

_ENDING = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))


def block_signals() -> None:
    """In a thread that starts workers: they start with these blocked and open up in :func:`heed_signals`; a
    Ctrl-C while one boots must not end it with a traceback."""
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)


@contextmanager
def signals_blocked() -> Iterator[None]:
    """The same for a moment, in a thread that must hear them."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def heed_signals(progress: Progress) -> None:
    """In the worker: ignore SIGINT and SIGHUP, handle SIGTERM; ``progress`` is where the parent writes its
    stop."""
    for number in _ENDING:
        signal.signal(number, signal.SIG_IGN if number != signal.SIGTERM else Terminated(progress))
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _ENDING)


class Terminated:
    """Handles SIGTERM in a worker; timeout(1) and systemd send it to the whole family at once.

    A run that must end tells its workers, and then the running items have their time. A worker that is told
    nothing was signalled alone: it dies of the signal, at its current item. Programs that items start do not
    inherit this; a forked process just dies.
    """

    def __init__(self, progress: Progress) -> None:
        self._pid = os.getpid()
        self._progress = progress

    def __call__(self, number: int, frame: FrameType | None) -> None:
        end = time.monotonic() + TERM_SECONDS
        while os.getpid() == self._pid and time.monotonic() < end:
            if self._progress.stopped:
                return
            time.sleep(0.01)
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
