"""The answer to a request while it is read, and what becomes of its connection afterwards."""

from __future__ import annotations

import re
from collections.abc import Callable
from http.client import HTTPResponse, IncompleteRead
from types import TracebackType

from urllib3 import HTTPHeaderDict
from urllib3.exceptions import InvalidHeader

from batchmill.nodes.http.sockets import current

_FOLD = re.compile(r"\s*[\r\n]+\s*")  # how long values of headers were written once


class Reply:
    """The head of an answer, and its body that is still to be read: within ``with``, after which ``keep`` is
    called if the connection can serve others, and ``close`` if not, because more of the body may come.

    Raises :class:`urllib3.exceptions.InvalidHeader` from the constructor if the answer has two lengths.
    """

    def __init__(self, answer: HTTPResponse, keep: Callable[[], object], close: Callable[[], object]) -> None:
        self._answer = answer
        self._keep, self._let_go = keep, close
        self.status = answer.status
        self.reason = answer.reason or ""
        self.fields = HTTPHeaderDict()
        # As they were read: `getheaders` looks at each value again for what Latin-1 cannot hold.
        for name, value in answer.headers.raw_items():
            self.fields.add(name, (_FOLD.sub(" ", value) if "\n" in value else value).strip())
        try:
            self.length = self._length()
        except InvalidHeader:
            self._close()
            raise

    def _length(self) -> int | None:
        """How many bytes of the body are to come; None if only its end will tell."""
        told = self.fields.get("Content-Length", "")
        if "," in told and not self._answer.chunked and len({one.strip() for one in told.split(",")}) > 1:
            raise InvalidHeader(f"the answer has different lengths: {told}")
        return self._answer.length

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
            self._close()

    def _close(self) -> None:
        current().leave()
        self._answer.close()
        self._let_go()
