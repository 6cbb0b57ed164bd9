"""The answer to a request while it is read, and what becomes of its connection afterwards."""

from __future__ import annotations

from collections.abc import Callable
from http.client import HTTPException, HTTPResponse, IncompleteRead, LineTooLong, UnknownProtocol
from types import TracebackType
from typing import Any

from urllib3 import HTTPHeaderDict
from urllib3.exceptions import InvalidHeader

from batchmill.nodes.http.sockets import current

MOST_FIELDS, MOST_PER_LINE = 100, 64 * 1024  # the second in bytes; as the standard library has it
_SWITCHING = 101


class HeadFirst(HTTPResponse):
    """An answer whose head is read without the parser of e-mails, which takes longer than all else here."""

    headers: Any  # HTTPHeaderDict, once :meth:`begin` has returned

    def begin(self) -> None:
        """Read the head. Raises :class:`http.client.HTTPException` for what is none."""
        status = 100
        while 100 <= status < 200 and status != _SWITCHING:  # such as 103, with hints for browsers
            version, status, reason = self._read_status()  # type: ignore[attr-defined]  # not in the stubs
            fields = _fields(self.fp)
        if not version.startswith(("HTTP/1.", "HTTP/0.9")):
            raise UnknownProtocol(version)
        self.version = 10 if version in ("HTTP/1.0", "HTTP/0.9") else 11
        self.code = self.status = status
        self.reason = reason.strip()
        self.headers = fields
        self.chunked = fields.get("Transfer-Encoding", "").lower() == "chunked"
        self.chunk_left = None
        if status in (_SWITCHING, 204, 304) or self._method == "HEAD":  # type: ignore[attr-defined]  # as above
            self.length = 0
        else:
            self.length = None if self.chunked else _length(fields.get("Content-Length", ""))
        endless = self.length is None and not self.chunked
        self.will_close = endless or self._check_close()  # type: ignore[attr-defined]  # as above


def _fields(file: Any) -> HTTPHeaderDict:
    """The header fields up to the empty line. One that goes on in the next line is one; a line that is none
    is left out, as browsers do."""
    fields = HTTPHeaderDict()
    name = value = ""
    for _ in range(MOST_FIELDS + 1):
        line = file.readline(MOST_PER_LINE + 1)
        if len(line) > MOST_PER_LINE:
            raise LineTooLong("header line")
        text = line.decode("latin-1")
        if name and text[:1] in (" ", "\t") and text.strip():
            value = f"{value} {text.strip()}"
            continue
        if name:
            fields.add(name, value)
        if not text.strip("\r\n"):
            return fields
        name, colon, value = text.partition(":")
        name, value = (name.strip() if colon else ""), value.strip()
    raise HTTPException(f"got more than {MOST_FIELDS} headers")


def _length(told: str) -> int | None:
    """The number of bytes that a ``Content-Length`` tells, None if it tells none. Raises
    :class:`urllib3.exceptions.InvalidHeader` for two different ones."""
    lengths = {one.strip() for one in told.split(",")}
    if len(lengths) > 1:
        raise InvalidHeader(f"the answer has different lengths: {told}")
    text = lengths.pop()
    return int(text) if text.isdecimal() and text.isascii() else None


class Reply:
    """The head of an answer, and its body that is still to be read: within ``with``, after which ``keep`` is
    called if the connection can serve others, and ``close`` if not, because more of the body may come."""

    def __init__(self, answer: HeadFirst, keep: Callable[[], object], close: Callable[[], object]) -> None:
        self._answer = answer
        self._keep, self._let_go = keep, close
        self.status = answer.status
        self.reason = answer.reason or ""
        self.fields: HTTPHeaderDict = answer.headers
        self.length = answer.length
        """How many bytes of the body are to come; None if only its end will tell."""

    def read(self, most: int) -> bytes:
        """The next bytes of the body, at most so many; empty at its end.

        Raises :class:`http.client.IncompleteRead` if the connection ended before.
        """
        piece = self._answer.read(most)
        self.length = self._answer.length
        if not piece and self.length:
            raise IncompleteRead(piece, self.length)
        return piece

    def __enter__(self) -> Reply:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None and self._answer.isclosed() and not self._answer.will_close:
            current().leave()
            self._keep()
        else:
            current().leave()
            self._answer.close()
            self._let_go()
