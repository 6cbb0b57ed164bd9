"""The pipe between a slot and its worker: whole messages, each with its length in front.

`multiprocessing.connection.Connection` does the same with a selector and two reads a message, which for a
small batch is a third of its way through the parent, and is a tenth of what a new worker would import.
"""

from __future__ import annotations

import math
import os
import select
import socket
import struct
import threading
from collections import deque
from multiprocessing.context import get_spawning_popen
from typing import Any

LENGTH = struct.Struct("=Q")
READ_BYTES = 1 << 16
_SECONDS = struct.Struct("@ll")  # struct timeval


class MessagePipe:
    """One end, which owns the ``descriptor``. One thread sends and one receives; they may be different ones.

    Pickled for a process that is being started, it is that end over there.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._read = b""

    def __reduce__(self) -> tuple[Any, ...]:
        popen: Any = get_spawning_popen()
        if popen is None:
            raise TypeError("an end of a pipe travels only to a process that is being started")
        return MessagePipe, (popen.duplicate_for_child(self._descriptor),)

    @classmethod
    def pair(cls) -> tuple[MessagePipe, MessagePipe]:
        """Both ends of a new one."""
        here, there = socket.socketpair()
        return cls(here.detach()), cls(there.detach())

    def fileno(self) -> int:
        """The descriptor; negative once it is closed."""
        return self._descriptor

    def look_every(self, seconds: int) -> None:
        """Make :meth:`receive` raise BlockingIOError when nothing came for so many seconds."""
        with socket.socket(fileno=os.dup(self._descriptor)) as same:
            same.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, _SECONDS.pack(seconds, 0))

    def waits(self, seconds: float) -> bool:
        """Whether something is there to be received, or comes within so many seconds; or the end."""
        if self._read:
            return True
        poll = select.poll()
        poll.register(self._descriptor, select.POLLIN)
        return bool(poll.poll(math.ceil(seconds * 1000)))

    def send(self, message: bytes) -> None:
        """Send a message. Raises OSError if the other end is closed."""
        left = memoryview(LENGTH.pack(len(message)) + message)
        while left:
            left = left[os.write(self._descriptor, left) :]

    def receive(self) -> bytes:
        """The next message. Raises EOFError at the end, in the midst of a message too; after a
        BlockingIOError it may be called again."""
        length = LENGTH.unpack(self._take(LENGTH.size, keep=True))[0]
        return self._take(LENGTH.size + length)[LENGTH.size :]

    def _take(self, size: int, *, keep: bool = False) -> bytes:
        """The next ``size`` bytes; what was read and not taken stays for the next call."""
        while len(self._read) < size:
            more = os.read(self._descriptor, max(READ_BYTES, size - len(self._read)))
            if not more:
                raise EOFError("the other end of the pipe is gone")
            self._read += more
        taken = self._read[:size]
        if not keep:
            self._read = self._read[size:]
        return taken

    def close(self) -> None:
        """Close this end; once more does nothing."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


class Outbox:
    """Sends whole messages over a wire from any thread, in order; a signal handler may send one while another
    is being sent.

    Concurrency: the thread that holds ``_lock`` sends all waiting messages, also those of others. No thread
    waits for the lock, because a signal handler may interrupt its holder.
    """

    def __init__(self, wire: MessagePipe) -> None:
        self._wire = wire
        self._lock = threading.Lock()
        self._waiting: deque[bytes] = deque()

    def send(self, message: bytes) -> None:
        """Send a message, or leave it to the thread that is sending. Raises OSError if the other end is
        closed."""
        self._waiting.append(message)
        while self._waiting and self._lock.acquire(blocking=False):
            try:
                while self._waiting:
                    self._wire.send(self._waiting.popleft())
            finally:
                self._lock.release()
