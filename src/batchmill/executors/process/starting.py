"""Starts the interpreter of a worker process, which imports what workers need while its parent prepares the
rest.

Imports only what everything else imports anyway: the first worker is started before anything of a batch is.
"""

from __future__ import annotations

import os
import site
import socket
import sys
import threading
from multiprocessing import process, util
from typing import NamedTuple

from batchmill.executors.process.signals import signals_blocked

MODULE = "batchmill.executors.process.boot"

_lock = threading.Lock()
_ahead: Started | None = None


class Started(NamedTuple):
    """A new interpreter: its process id, our end of the channel on which it waits to be told what to do, and
    the process that started it. It ends when the channel does."""

    pid: int
    channel: socket.socket
    parent: int


def started() -> Started:
    """The interpreter that was started ahead, or a new one. Raises OSError without room for one more."""
    global _ahead
    with _lock:
        ahead, _ahead = _ahead, None
    if ahead is None:
        return _start()
    if ahead.parent != os.getpid():  # the parent's of this process, which was forked
        ahead.channel.close()
        return _start()
    return ahead


def start_ahead() -> None:
    """Start an interpreter for the next worker, unless one is waiting. Only the main thread may, others do
    nothing: Linux ties a child's "signal me when my parent dies" to the thread that started it. Raises
    OSError."""
    global _ahead
    if threading.current_thread() is not threading.main_thread():
        return
    with _lock, signals_blocked():
        _ahead = _ahead or _start()


def _start() -> Started:
    here, there = socket.socketpair()
    try:
        with there:
            pid = util.spawnv_passfds(os.fsencode(sys.executable), _command(there.fileno()), [there.fileno()])
    except BaseException:
        here.close()
        raise
    return Started(pid, here, os.getpid())


def _command(descriptor: int) -> list[str]:
    """What the working folder has under the name of this package is not ours; everything else is imported
    from where this process has it."""
    home = os.path.abspath(os.path.join(os.path.dirname(__file__), *[os.pardir] * 3))
    first = "" if home in (*site.getsitepackages(), site.USER_SITE) else f"sys.path.insert(0, {home!a}); "
    began_in = getattr(process, "ORIGINAL_DIR", None)  # what an empty entry means, as multiprocessing has it
    path = [one for one in (one or began_in for one in sys.path) if isinstance(one, str)]
    begin = f"main({descriptor}, {os.getpid()}, {path!a})"
    return [sys.executable, "-P", "-c", f"import sys; {first}from {MODULE} import main; sys.exit({begin})"]
