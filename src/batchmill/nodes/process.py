"""Run one command to its end: feed it, read it, bound its memory and time, and end it with all processes it
started.

Guarantees:

- The command leads a session of its own, so signals to its group reach the processes it started. It inherits
  no file but its three streams.
- Output past ``max_output_bytes`` of a stream is read and discarded: our limit never blocks or breaks the
  command, and memory stays flat.
- Like the reader of a pipeline, a run waits for the end of both streams: a background process that holds one
  open is waited for, up to the timeout.
- At the timeout, and at once if the run is cancelled, the group gets SIGTERM, and SIGKILL after a grace
  (:mod:`~batchmill.nodes.groups`). After that the streams get :data:`DRAIN_SECONDS` to end. A process that
  left the group can hold them open longer; it is not waited for, and ``Completed.escaped`` says so.

The command is reaped last, after the last signal: until then its process id, which names the group, cannot be
given to another process.
"""

from __future__ import annotations

import math
import os
import select
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from batchmill.concurrency.cancel import CancelToken
from batchmill.nodes.groups import CAN_LOOK, GRACE_SECONDS, ProcessGroup
from batchmill.outcome import NO_COMMANDS, Commands
from batchmill.values.redaction import OVERLAP_BYTES, cut_bytes

DRAIN_SECONDS = 0.3
END_SECONDS = GRACE_SECONDS + 2 * DRAIN_SECONDS  # what ending a command takes at most
_LOOK_SECONDS = 0.5  # how often a wait looks whether the run was cancelled meanwhile
_READ_BYTES = 65536  # what a pipe holds


@dataclass(frozen=True, slots=True)
class Completed:
    """The result of a command. ``exit_code`` is that of a shell: 128 + n after signal n.

    ``truncated`` says that output was discarded, ``escaped`` that a process outside the group still held the
    output open. ``signal`` is the number of the signal that ended the command, else 0. ``commands`` has its
    CPU seconds and output bytes.
    """

    exit_code: int
    stdout: bytes
    stderr: bytes
    signal: int = 0
    truncated: bool = False
    timed_out: bool = False
    cancelled: bool = False
    escaped: bool = False
    commands: Commands = NO_COMMANDS


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
    ending: Callable[[float], None] = lambda seconds: None,
) -> Completed:
    """Run ``argv`` to its end; ``timeout`` in seconds, ``max_output_bytes`` for each stream.

    ``sinks`` take the output on stdout and stderr instead, and decide how much to keep. If the system has no
    descriptors or processes left, it waits until another command of this process has ended. At the timeout,
    ``ending`` is called with the number of seconds that ending the command may take. ``env`` is the whole
    environment, None for this process's own. Raises :class:`OSError` if the command cannot be started and
    :class:`ValueError` for text with NUL in it.
    """
    deadline = None if timeout is None else time.monotonic() + timeout
    group = ProcessGroup.started(
        lambda: subprocess.Popen(
            argv,
            bufsize=0,
            stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=cwd,
            env=env,
            start_new_session=True,
        ),
        lambda: cancel.cancelled or (deadline is not None and time.monotonic() >= deadline),
    )
    if group is None:
        return Completed(-1, b"", b"", timed_out=not cancel.cancelled, cancelled=cancel.cancelled)
    streams = _Streams(
        group.process, stdin or b"", sinks or (_Capped(max_output_bytes), _Capped(max_output_bytes))
    )
    ended, code = _served(group, streams, deadline, cancel, ending)
    return Completed(
        exit_code=128 - code if code < 0 else code,
        stdout=streams.out.value(),
        stderr=streams.err.value(),
        signal=max(0, -code),
        truncated=streams.out.truncated or streams.err.truncated,
        timed_out=not ended and not cancel.cancelled,
        cancelled=cancel.cancelled and (code != 0 or not ended),
        escaped=streams.open_outputs > 0,
        commands=Commands(group.cpu, streams.out_bytes),
    )


def _served(
    group: ProcessGroup,
    streams: _Streams,
    deadline: float | None,
    cancel: CancelToken,
    ending: Callable[[float], object],
) -> tuple[bool, int]:
    """Serve the streams of a command to its end, and release it; whether it ended by itself, and the return
    code of :mod:`subprocess`."""
    forget = cancel.on_cancel(group.terminate)
    try:
        ended = _until_end(group, streams, deadline, cancel)
        if not ended:
            ending(END_SECONDS)
            _end(group, streams)
        elif cancel.cancelled:  # it may have ended because it was asked to, and left something behind
            group.kill()
        return ended, group.reap()
    except BaseException:  # Ctrl-C in the main thread: the command must not outlive the call
        _end(group, streams)
        group.reap()
        raise
    finally:
        forget()
        streams.close()
        group.release()


def _until_end(group: ProcessGroup, streams: _Streams, deadline: float | None, cancel: CancelToken) -> bool:
    """Serve the streams until the command has ended; False when it must be ended instead."""
    while True:
        left = _LOOK_SECONDS if deadline is None else min(_LOOK_SECONDS, deadline - time.monotonic())
        serving = streams.open_outputs or (streams.feeding and not group.ended())
        if left <= 0 or cancel.cancelled:
            return not serving and group.ended()
        if serving:
            streams.serve(left)
        elif group.wait(time.monotonic() + left):
            return True


def _end(group: ProcessGroup, streams: _Streams) -> None:
    """End the whole group, gently first, and read its remaining output."""
    group.terminate()
    until = group.grace_ends
    _drain(streams, until)
    if CAN_LOOK:
        group.wait(until)
    else:
        time.sleep(max(0.0, until - time.monotonic()))
    group.kill()
    _drain(streams, time.monotonic() + DRAIN_SECONDS)


def _drain(streams: _Streams, until: float) -> None:
    while streams.open_outputs and (left := until - time.monotonic()) > 0:
        streams.serve(left)


class _Streams:
    """The pipes of a command: writes input as it is taken, reads output as it comes."""

    def __init__(self, process: subprocess.Popen[bytes], stdin: bytes, sinks: tuple[Sink, Sink]) -> None:
        self.out, self.err = sinks
        self.out_bytes = 0  # that came out of stdout
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
                self.out_bytes += len(piece) if sink is self.out else 0
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
    """Receives a stream of a command. Used by one thread."""

    @property
    def truncated(self) -> bool:
        """Whether anything was thrown away."""

    def add(self, piece: bytes) -> None:
        """Take a chunk of output."""

    def value(self) -> bytes:
        """The part of the output that is held in memory."""


class _Capped:
    """The first ``limit`` bytes of a stream. It reads a little more, to see where a secret continues."""

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
