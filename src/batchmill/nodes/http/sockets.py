"""Sockets that keep the deadline of their exchange, however slowly the other side sends.

The timeout of a plain socket only limits silence: a server that sends a byte now and then never reaches it.
So each wait of these sockets is limited by the time left of the whole exchange. A cancelled exchange shuts
its socket down, which wakes its waiter.
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

SLACK = 0.005  # seconds that an exchange may take longer than it was given


class Exchange:
    """The time of one attempt, and the socket that it uses now.

    Concurrency: the canceller calls ``abort``, the thread of the attempt everything else; ``_lock`` guards
    ``_socket``.
    """

    def __init__(self, deadline: float, cancel: CancelToken) -> None:
        self.deadline = deadline
        self.cancel = cancel
        self.reused = False  # whether the connection had been used before
        self.peer = ""  # the address of the server that was asked last, or of the proxy on the way to it
        self._lock = threading.Lock()
        self._socket: Limited | None = None

    def left(self) -> float:
        """Seconds until the deadline. Raises :class:`TimeoutError` if it has passed."""
        seconds = self.deadline - time.monotonic()
        if seconds <= 0:
            raise TimeoutError("timed out")
        return seconds

    def use(self, limited: Limited) -> None:
        """From now on ``limited`` waits for this exchange."""
        limited.exchange = self
        with self._lock:
            self._socket = limited
        if self.cancel.cancelled:
            self.abort()

    def abort(self) -> None:
        """Wake whoever waits for the other side; what it waits for is over."""
        with self._lock:
            found = self._socket
        if found is not None:
            try:
                socket.socket.shutdown(found, socket.SHUT_RDWR)  # that of TLS is not for other threads
            except OSError:  # closed already
                pass


class _Current(threading.local):
    exchange: Exchange | None = None


_current = _Current()


@contextmanager
def exchanging(attempt: Attempt, seconds: float) -> Iterator[Exchange]:
    """Everything this thread sends and receives inside is part of one exchange, over in ``seconds``."""
    exchange = Exchange(time.monotonic() + seconds, attempt.cancel)
    forget = attempt.cancel.on_cancel(exchange.abort)
    _current.exchange = exchange
    try:
        yield exchange
    finally:
        _current.exchange = None
        forget()


def current() -> Exchange:
    """The exchange of this thread; there is one whenever a connection is used."""
    exchange = _current.exchange
    if exchange is None:
        raise RuntimeError("a connection is used outside of an exchange")
    return exchange


class Limited(socket.socket):
    """A socket whose waits are limited by its exchange."""

    exchange: Exchange | None = None
    peer = ""

    def settimeout(self, value: float | None) -> None:
        """As ever, but that one longer by less than :data:`SLACK` is left as it is: setting it is a system
        call, for which threads queue up, and the library does so with every request."""
        now = self.gettimeout()
        if not value or not now or not 0 <= now - value <= SLACK:
            super().settimeout(value)

    def _bound(self) -> None:
        if self.exchange is not None:
            self.settimeout(self.exchange.left())

    def recv_into(self, *args: Any, **kwargs: Any) -> int:
        self._bound()
        return super().recv_into(*args, **kwargs)

    def recv(self, *args: Any, **kwargs: object) -> bytes:
        self._bound()
        return super().recv(*args, **kwargs)

    def send(self, *args: Any, **kwargs: object) -> int:
        self._bound()
        return super().send(*args, **kwargs)

    def sendall(self, *args: Any, **kwargs: object) -> None:
        self._bound()
        super().sendall(*args, **kwargs)


class LimitedSocket(Limited):
    """A plain connection."""


class LimitedTLSSocket(Limited, ssl.SSLSocket):
    """An encrypted one."""


def connect(host: str, port: int, options: Any, bounds: Bounds = ANYWHERE) -> LimitedSocket:
    """A connection to ``host``, whichever of its addresses within ``bounds`` answers first in their order. It
    is looked up once, so that what is asked is what was looked at.

    Raises :class:`socket.gaierror`, :class:`TimeoutError` and :class:`OSError`, and
    :class:`~batchmill.errors.NodeError` where no address may be asked.
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
            exchange.peer = made.peer = str(address[0])
            return made
    raise failure or OSError(f"{host!r} has no address")
