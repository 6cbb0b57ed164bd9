"""Sockets of an exchange, which ends at its deadline, however slowly the other side sends.

The timeout of a plain socket only limits silence: a server that sends a byte now and then never reaches it.
So a connected socket has none. Whoever sees that the time of its exchange is up, or that the run is
cancelled, shuts it down, which wakes its waiter.
"""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from batchmill.attempt import Attempt
from batchmill.concurrency.cancel import CancelToken
from batchmill.nodes.access.addresses import ANYWHERE, Bounds
from batchmill.nodes.access.policy import require_within
from batchmill.nodes.http.deadlines import deadlines


class Exchange:
    """The time of one attempt, and the socket that it uses now.

    Concurrency: the canceller calls ``abort``, who watches the deadlines ``expire``, the thread of the
    attempt everything else; ``_lock`` guards ``_socket``, ``_aborted`` and ``overdue``.
    """

    def __init__(self, deadline: float, cancel: CancelToken) -> None:
        self.deadline = deadline
        self.cancel = cancel
        self.reused = False  # whether the connection had been used before
        self.peer = ""  # the address of the server that was asked last, or of the proxy on the way to it
        self.overdue = False  # whether its time was up before its end
        self._lock = threading.Lock()
        self._socket: Limited | None = None
        self._aborted = False

    def left(self) -> float:
        """Seconds until the deadline. Raises :class:`TimeoutError` if it has passed."""
        seconds = self.deadline - time.monotonic()
        if seconds <= 0:
            raise TimeoutError("timed out")
        return seconds

    def use(self, limited: Limited) -> None:
        """From now on this exchange waits for ``limited``."""
        with self._lock:
            self._socket = limited
            if self._aborted:
                limited.wake()

    def leave(self) -> None:
        """The socket is for others from now on."""
        with self._lock:
            self._socket = None

    def require_whole(self) -> None:
        """Raises :class:`TimeoutError` if the exchange was ended from outside: what came of the answer may
        look like all of it."""
        if self._aborted:
            raise TimeoutError("timed out")

    def expire(self) -> None:
        """The time is up."""
        self._abort(overdue=True)

    def abort(self) -> None:
        """Wake the thread that waits for the other side; its exchange is over."""
        self._abort(overdue=False)

    def _abort(self, *, overdue: bool) -> None:
        with self._lock:
            self._aborted = True
            self.overdue = self.overdue or overdue
            if self._socket is not None:
                self._socket.wake()


class _Current(threading.local):
    exchange: Exchange | None = None


_current = _Current()


class exchanging:  # noqa: N801  # used like a function; a generator takes five times as long
    """Everything this thread sends and receives inside is part of one exchange, over in ``seconds``."""

    __slots__ = ("_attempt", "_exchange", "_forget", "_seconds", "_watching")

    def __init__(self, attempt: Attempt, seconds: float) -> None:
        self._attempt, self._seconds = attempt, seconds

    def __enter__(self) -> Exchange:
        cancel = self._attempt.cancel
        exchange = self._exchange = Exchange(time.monotonic() + self._seconds, cancel)
        self._forget = cancel.on_cancel(exchange.abort)
        self._watching = deadlines()
        self._watching.watch(exchange)
        _current.exchange = exchange
        return exchange

    def __exit__(self, *_: object) -> None:
        _current.exchange = None
        self._watching.forget(self._exchange)
        self._forget()


def current() -> Exchange:
    """The exchange of this thread; there is one whenever a connection is used."""
    exchange = _current.exchange
    if exchange is None:
        raise RuntimeError("a connection is used outside of an exchange")
    return exchange


class Limited(socket.socket):
    """A socket that can be woken from another thread. ``peer`` is the address that it is connected to."""

    peer = ""

    def wake(self) -> None:
        """End all waits for the other side, now and later."""
        try:
            socket.socket.shutdown(self, socket.SHUT_RDWR)  # that of TLS is not for other threads
        except OSError:  # closed already
            pass

    def settimeout(self, value: float | None) -> None:
        """As ever, but without a system call for what is so already."""
        if value != self.gettimeout():
            super().settimeout(value)


class LimitedSocket(Limited):
    """A plain connection."""


class LimitedTLSSocket(Limited, ssl.SSLSocket):
    """An encrypted one."""

    def do_handshake(self, block: bool = False) -> None:
        current().use(self)
        with _ends_in_words():
            super().do_handshake(block)

    def read(self, len: int = 1024, buffer: Any = None) -> Any:  # noqa: A002  # its name in the library
        with _ends_in_words():
            return super().read(len, buffer)

    def write(self, data: Any) -> int:
        with _ends_in_words():
            return super().write(data)


@contextmanager
def _ends_in_words() -> Iterator[None]:
    """PyPy raises RuntimeError for the end of a connection if TLS has no words for it."""
    try:
        yield
    except RuntimeError as error:
        raise ssl.SSLEOFError(ssl.SSL_ERROR_EOF, "the connection ended") from error


def connect(host: str, port: int, options: Any, bounds: Bounds = ANYWHERE) -> LimitedSocket:
    """A connection to the first address of ``host`` within ``bounds`` that answers, in their order. The name
    is looked up once, so the address that was checked is the one that is called.

    Raises :class:`socket.gaierror`, :class:`TimeoutError` and :class:`OSError`, and
    :class:`~batchmill.errors.NodeError` if no address is allowed.
    """
    exchange = current()
    failure: OSError | None = None
    found = socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM)
    allowed = require_within(bounds, host, [str(one[4][0]) for one in found])
    for family, kind, protocol, _, address in found:
        if address[0] not in allowed:
            continue
        made = LimitedSocket(family, kind, protocol)
        try:
            for option in options or ():
                made.setsockopt(*option)
            exchange.use(made)
            made.settimeout(exchange.left())
            made.connect(address)
        except OSError as error:
            made.close()
            failure = error
            if exchange.cancel.cancelled:
                break
            exchange.left()
        else:
            made.settimeout(None)
            exchange.peer = made.peer = str(address[0])
            return made
    raise failure or OSError(f"{host!r} has no address")
