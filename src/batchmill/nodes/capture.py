"""Capture what code prints, for the item that printed it, with many items printing at once.

``sys.stdout`` and ``sys.stderr`` belong to the whole process, so they are not swapped per item: while any
capture is open, one stream replaces each and asks a context variable where a text belongs. Text written
outside every capture goes to the real stream.

Threads that captured code starts itself belong to no item, as a context variable does not follow them (it
does on free-threaded builds of 3.14 and later): their output goes to the real streams.
"""

from __future__ import annotations

import codecs
import io
import sys
import threading
from contextvars import ContextVar
from typing import Any, TextIO

from batchmill.concurrency.chunk_scope import chunk_here
from batchmill.errors import tell_outputs
from batchmill.values.redaction import cut

MAX_CHARACTERS = 10 * 1024 * 1024


class Captured:
    """The output of one item; the first ``limit`` characters of each stream are kept.

    Concurrency: any thread may write, in case the item's code has threads of its own; ``_lock`` guards the
    pieces and the room left.
    """

    def __init__(self, limit: int = MAX_CHARACTERS) -> None:
        self._lock = threading.Lock()
        # All empty until something is written: most items print nothing.
        self._pieces: dict[str, list[str]] = {}
        self._written: dict[str, int] = {}
        self._decoders: dict[str, _Decoder] = {}
        self._limit = limit
        self.truncated = False

    def write(self, name: str, text: str) -> None:
        with self._lock:
            room = self._limit - self._written.get(name, 0)
            if len(text) > room:
                text = cut(text, room)
                self.truncated = True
            if text:
                self._pieces.setdefault(name, []).append(text)
                self._written[name] = self._written.get(name, 0) + len(text)

    def write_bytes(self, name: str, data: bytes) -> None:
        """Write bytes as UTF-8 text, possibly continued later; invalid bytes become escapes."""
        with self._lock:
            text = self._decoders.setdefault(name, _Decoder()).decode(data)
        self.write(name, text)

    @property
    def fault(self) -> str:
        """Why the captured output is incomplete or changed, empty if it is not."""
        if not (self._written or self._decoders or self.truncated):
            return ""
        with self._lock:
            if self.truncated:
                return f"more than {self._limit:,} characters were printed; write them to a file"
            for name, decoder in self._decoders.items():
                if decoder.fault:
                    return f"what was written to the buffer of {name} is no UTF-8 text: {decoder.fault}"
            return ""

    @property
    def stdout(self) -> str:
        return self._text("stdout")

    @property
    def stderr(self) -> str:
        return self._text("stderr")

    @property
    def outputs(self) -> dict[str, str]:
        """Both, named as outputs of a node are."""
        if not self._pieces:
            return {"stdout": "", "stderr": ""}
        return {"stdout": self.stdout, "stderr": self.stderr}

    def _text(self, name: str) -> str:
        with self._lock:
            return "".join(self._pieces.get(name, ()))


class _Decoder:
    """UTF-8 that may come in pieces; ``fault`` describes the first invalid byte, in words."""

    def __init__(self) -> None:
        self._waiting = b""
        self._done = 0
        self._wrong = ""

    @property
    def fault(self) -> str:
        if self._wrong or not self._waiting:
            return self._wrong
        return f"a character is cut short at offset {self._done}"

    def decode(self, data: bytes) -> str:
        data = self._waiting + data
        try:
            text, end = codecs.utf_8_decode(data, "strict", False)
        except UnicodeDecodeError as error:
            place = self._done + error.start
            self._wrong = self._wrong or f"byte 0x{data[error.start]:02x} at offset {place}"
            text, end = codecs.utf_8_decode(data, "backslashreplace", False)
        self._waiting = data[end:]
        self._done += end
        return text


_current: ContextVar[Captured | None] = ContextVar("batchmill_captured", default=None)


class _Stand(io.TextIOBase):
    """Replaces ``sys.stdout`` or ``sys.stderr`` and sends each text where it belongs."""

    def __init__(self, name: str, real: TextIO | None) -> None:
        super().__init__()
        self.stream_name = name
        self.real = real

    def write(self, text: str) -> int:
        captured = _current.get()
        if captured is not None:
            if not isinstance(text, str):
                raise TypeError(f"write() argument must be str, not {type(text).__name__}")
            captured.write(self.stream_name, text)
            return len(text)
        return len(text) if self.real is None else self.real.write(text)

    def flush(self) -> None:
        if _current.get() is None and self.real is not None:
            self.real.flush()

    def isatty(self) -> bool:
        return _current.get() is None and self.real is not None and self.real.isatty()

    def fileno(self) -> int:
        if _current.get() is not None or self.real is None:
            raise io.UnsupportedOperation("fileno: what this code prints is being captured")
        return self.real.fileno()

    def writable(self) -> bool:
        return True

    def close(self) -> None:
        """Do nothing: this code owns neither the real stream nor the captures of others."""

    @property
    def encoding(self) -> str:  # type: ignore[override]  # typeshed has an attribute where io has a property
        return "utf-8" if self.real is None else self.real.encoding

    @property
    def errors(self) -> str | None:  # type: ignore[override]  # as above
        return "replace" if self.real is None else self.real.errors

    @property
    def buffer(self) -> object:
        captured = _current.get()
        if captured is None and self.real is not None:
            return self.real.buffer
        return _Bytes(self)


class _Bytes(io.RawIOBase):
    """The ``buffer`` of a captured stream: bytes are read as UTF-8."""

    def __init__(self, stand: _Stand) -> None:
        super().__init__()
        self._stand = stand

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        piece = bytes(data)
        captured = _current.get()
        if captured is not None:
            captured.write_bytes(self._stand.stream_name, piece)
        else:
            self._stand.write(piece.decode("utf-8", "replace"))
        return len(piece)


class _Installation:
    """Installs the replacement streams for the first capture and removes them after the last. Captures of one
    chunk count as one, which ends with the chunk.

    Concurrency: any thread may call ``enter`` and ``leave``; ``_lock`` guards ``_open``, ``_stands`` and
    ``sys``'s two streams, as far as we change them.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open = 0
        self._stands: dict[str, _Stand] = {}  # the latest; one after another items have the same ones

    def enter(self) -> bool:
        """Begin a capture; returns whether it must be left."""
        chunk = chunk_here()
        open_already = chunk is not None and self in chunk.ends
        # An item may have left another stream behind.
        if open_already and type(sys.stdout) is _Stand and type(sys.stderr) is _Stand:
            return False
        with self._lock:
            self._open += not open_already
            sys.stdout = self._before("stdout", sys.stdout)
            sys.stderr = self._before("stderr", sys.stderr)
        if chunk is None:
            return True
        chunk.ends[self] = self.leave
        return False

    def _before(self, name: str, real: Any) -> object:
        """Under the lock: the stand-in for a stream."""
        if type(real) is _Stand:  # an abstract class takes long to look through its instances
            return real
        stand = self._stands.get(name)
        if stand is None or stand.real is not real:
            stand = self._stands[name] = _Stand(name, real)
        return stand

    def leave(self) -> None:
        with self._lock:
            self._open -= 1
            if self._open:
                return
            for name, stand in (("stdout", sys.stdout), ("stderr", sys.stderr)):
                if type(stand) is _Stand:  # else somebody replaced it meanwhile, and keeps it
                    setattr(sys, name, stand.real)


_installation = _Installation()


class capture:  # noqa: N801  # used like a function; a generator costs what all else here does together
    """Catch what the code inside prints, in this thread only. An exception that the code raises carries it
    on."""

    __slots__ = ("_captured", "_leaves", "_token")

    def __init__(self, limit: int = MAX_CHARACTERS, into: Captured | None = None) -> None:
        self._captured = into or Captured(limit)

    def __enter__(self) -> Captured:
        self._leaves = _installation.enter()
        self._token = _current.set(self._captured)
        return self._captured

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        _current.reset(self._token)
        if self._leaves:
            _installation.leave()
        if error is not None:
            tell_outputs(error, self._captured.outputs)
