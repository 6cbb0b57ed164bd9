"""One command run to its end: fed, read, bounded in memory and time, and ended with all it started.

Guarantees:

- The command leads a session of its own, so that signals to its group reach what it started. It
  inherits no file but its three streams.
- Output past ``max_output_bytes`` of a stream is read and thrown away: the command is never blocked or
  broken by our limit, and memory stays flat.
- Like the reader of a pipeline, a run waits for the end of both streams: a background process that
  holds one open is waited for, up to the timeout.
- At the timeout the group gets SIGTERM, and SIGKILL after :data:`GRACE_SECONDS`; a cancelled run sends
  SIGKILL at once. After that the streams get :data:`DRAIN_SECONDS` to end. A process that left the
  group can hold them open longer; it is not waited for, and ``Completed.escaped`` says so.

The command is reaped last, when no signal will be sent any more: until then its process id, which
names the group, cannot be given to another process.
"""

from __future__ import annotations

import math
import os
import select
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from batchmill.cancel import CancelToken
from batchmill.redaction import OVERLAP_BYTES, cut_bytes

GRACE_SECONDS = 0.5
DRAIN_SECONDS = 0.3
REAP_SECONDS = 2.0  # a killed process that is not gone by then hangs in the kernel
_LOOK_SECONDS = 0.5  # how often a wait for output looks whether the run was cancelled meanwhile
_READ_BYTES = 65536  # what a pipe holds
# Without waitid (PyPy) nobody can look whether a command has ended without reaping it.
_CAN_LOOK = hasattr(os, "waitid")


@dataclass(frozen=True, slots=True)
class Completed:
    """What became of a command. ``exit_code`` is that of a shell: 128 + n after signal n.

    ``truncated`` says that output was thrown away, ``escaped`` that a process outside the group still
    held the output open. ``signal`` is the number of the signal that ended the command, 0 without.
    """

    exit_code: int
    stdout: bytes
    stderr: bytes
    signal: int = 0
    truncated: bool = False
    timed_out: bool = False
    cancelled: bool = False
    escaped: bool = False


def run_command(
    argv: Sequence[str],
    *,
    stdin: bytes | None = None,
    cwd: str | None = None,
    env: Mapping[bytes, bytes] | None = None,
    timeout: float | None = None,
    max_output_bytes: int = 0,
    sinks: tuple[Sink, Sink] | None = None,
    cancel: CancelToken,
) -> Completed:
    """Run ``argv`` to its end; ``timeout`` in seconds, ``max_output_bytes`` for each stream.

    ``sinks`` take what comes out of stdout and stderr instead; they decide what they keep of it. ``env`` is
    the whole environment, None for this process's own. Raises :class:`OSError` where the command cannot be
    started and :class:`ValueError` for text with NUL in it.
    """
    deadline = None if timeout is None else time.monotonic() + timeout
    process = subprocess.Popen(
        argv,
        bufsize=0,
        stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=cwd,
        env=env,
        start_new_session=True,
    )
    group = _Group(process)
    streams = _Streams(process, stdin or b"", sinks or (_Capped(max_output_bytes), _Capped(max_output_bytes)))
    forget = cancel.on_cancel(group.kill)
    try:
        ended = _until_end(group, streams, deadline, cancel)
        if not ended:
            _end(group, streams)
        code = group.reap()
    except BaseException:  # Ctrl-C in the main thread: the command must not outlive the call
        _end(group, streams)
        group.reap()
        raise
    finally:
        forget()
        streams.close()
    return Completed(
        exit_code=128 - code if code < 0 else code,
        stdout=streams.out.value(),
        stderr=streams.err.value(),
        signal=max(0, -code),
        truncated=streams.out.truncated or streams.err.truncated,
        timed_out=not ended and not cancel.cancelled,
        cancelled=cancel.cancelled and (code < 0 or not ended),
        escaped=streams.open_outputs > 0,
    )


def _until_end(group: _Group, streams: _Streams, deadline: float | None, cancel: CancelToken) -> bool:
    """Serve the streams until the command has ended; False when it must be ended instead."""
    while streams.open_outputs or (streams.feeding and not group.ended()):
        left = _LOOK_SECONDS if deadline is None else deadline - time.monotonic()
        if left <= 0 or cancel.cancelled:
            return False
        streams.serve(min(left, _LOOK_SECONDS))
    return group.wait(deadline)


def _end(group: _Group, streams: _Streams) -> None:
    """End the whole group, first asking, and read what it still had to say."""
    group.terminate()
    until = time.monotonic() + GRACE_SECONDS
    _drain(streams, until)
    if _CAN_LOOK:
        group.wait(until)
    else:
        time.sleep(max(0.0, until - time.monotonic()))
    group.kill()
    _drain(streams, time.monotonic() + DRAIN_SECONDS)


def _drain(streams: _Streams, until: float) -> None:
    while streams.open_outputs and (left := until - time.monotonic()) > 0:
        streams.serve(left)


class _Group:
    """The command and all that stayed in its process group.

    Concurrency: ``kill`` is called by whatever thread cancels, everything else by the thread that runs
    the command. ``_lock`` guards ``_reaped`` and keeps a signal from being sent after the process id
    was given back.
    """

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self._lock = threading.Lock()
        self._reaped = False

    def terminate(self) -> None:
        """Ask every process of the group to end."""
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """End every process of the group at once."""
        self._signal(signal.SIGKILL)

    def _signal(self, number: int) -> None:
        with self._lock:
            if self._reaped:
                return
            try:
                os.killpg(self._process.pid, number)
            except ProcessLookupError:
                pass  # all of it has ended
            except PermissionError:
                pass  # what is left runs as another user or, on macOS, is a zombie: not ours to signal

    def ended(self) -> bool:
        """Whether the command itself has ended; it is reaped by this only where looking means reaping."""
        if not _CAN_LOOK:
            with self._lock:
                self._reaped = self._process.poll() is not None
                return self._reaped
        try:
            found = os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:  # this process ignores SIGCHLD, so the kernel reaped it
            return True
        return found is not None

    def wait(self, deadline: float | None) -> bool:
        """Wait until the command itself has ended; False when it has not by ``deadline``."""
        if self.ended():
            return True
        try:
            handle = os.pidfd_open(self._process.pid)
        except (AttributeError, OSError):  # not Linux, or no descriptor left
            return self._wait_looking(deadline)
        try:
            poll = select.poll()
            poll.register(handle, select.POLLIN)
            return bool(poll.poll(None if deadline is None else _milliseconds(deadline - time.monotonic())))
        finally:
            os.close(handle)

    def _wait_looking(self, deadline: float | None) -> bool:
        pause = 0.0002
        while not self.ended():
            left = pause if deadline is None else deadline - time.monotonic()
            if left <= 0:
                return False
            time.sleep(min(pause, left))
            pause = min(pause * 2, 0.05)
        return True

    def reap(self) -> int:
        """The return code as :mod:`subprocess` gives it; nothing is signalled after this."""
        with self._lock:
            self._reaped = True
        try:
            return self._process.wait(REAP_SECONDS)
        except subprocess.TimeoutExpired:  # killed, and held by the kernel until some device answers
            return -signal.SIGKILL


class _Streams:
    """The pipes of a command: input written as it is taken, output read as it comes."""

    def __init__(self, process: subprocess.Popen[bytes], stdin: bytes, sinks: tuple[Sink, Sink]) -> None:
        self.out, self.err = sinks
        self._poll = select.poll()
        self._files = [pipe for pipe in (process.stdout, process.stderr) if pipe]
        self._outputs = {
            pipe.fileno(): sink for pipe, sink in zip(self._files, (self.out, self.err), strict=True)
        }
        for number in self._outputs:
            self._poll.register(number, select.POLLIN)
        self._stdin = process.stdin
        self._left = memoryview(stdin)
        if self._stdin:
            os.set_blocking(self._stdin.fileno(), False)
            self._poll.register(self._stdin.fileno(), select.POLLOUT)

    @property
    def open_outputs(self) -> int:
        return len(self._outputs)

    @property
    def feeding(self) -> bool:
        return self._stdin is not None

    def serve(self, seconds: float) -> None:
        """Wait up to ``seconds`` for something to do on the pipes and do it once."""
        for number, _ in self._poll.poll(_milliseconds(seconds)):
            sink = self._outputs.get(number)
            if sink is None:
                self._feed()
            elif piece := os.read(number, _READ_BYTES):
                sink.add(piece)
            else:
                self._poll.unregister(number)
                del self._outputs[number]

    def _feed(self) -> None:
        if self._stdin is None:
            return
        try:
            self._left = self._left[os.write(self._stdin.fileno(), self._left[:_READ_BYTES]) :]
        except BlockingIOError:
            return
        except BrokenPipeError:  # the command does not want the rest, which is its own affair
            self._left = self._left[:0]
        if not self._left:
            self._close_stdin()

    def _close_stdin(self) -> None:
        if self._stdin:
            self._poll.unregister(self._stdin.fileno())
            self._stdin.close()
            self._stdin = None

    def close(self) -> None:
        """Close what is still open."""
        self._close_stdin()
        for file in self._files:
            file.close()


class Sink(Protocol):
    """What takes a stream of a command. Used by one thread."""

    @property
    def truncated(self) -> bool:
        """Whether anything was thrown away."""

    def add(self, piece: bytes) -> None:
        """Take what came."""

    def value(self) -> bytes:
        """What it holds in memory of it."""


class _Capped:
    """The first ``limit`` bytes of a stream. A little more is read, to see where a secret goes on behind."""

    def __init__(self, limit: int) -> None:
        self._pieces: list[bytes] = []
        self._limit = limit
        self._held = 0

    @property
    def truncated(self) -> bool:
        return self._held > self._limit

    def add(self, piece: bytes) -> None:
        piece = piece[: max(0, self._limit + OVERLAP_BYTES - self._held)]
        if piece:
            self._pieces.append(piece)
            self._held += len(piece)

    def value(self) -> bytes:
        whole = b"".join(self._pieces)
        return cut_bytes(whole, self._limit) if self.truncated else whole


def _milliseconds(seconds: float) -> int:
    """For poll: rounded up, so that a wait never ends before its time and looks again in vain."""
    return max(0, math.ceil(seconds * 1000))
