"""The process's keep-alive connections, with the idle ones of each server, or of each proxy to it.

Connections are the library's, which knows TLS, tunnels and proxies. What goes over them is written and read
here, in one piece each, with the standard library's reader of answers: the library's own way of sending a
request takes more time than everything else around an item.
"""

from __future__ import annotations

import socket
import ssl
import threading
from collections import OrderedDict, deque
from collections.abc import Callable
from functools import partial
from http.client import HTTPResponse
from typing import IO, Any

from urllib3.connection import HTTPConnection, HTTPSConnection, ProxyConfig
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError, ProxyError

from batchmill.concurrency.resources import process_resource
from batchmill.errors import Stopped
from batchmill.nodes.access.addresses import ANYWHERE, Bounds
from batchmill.nodes.access.policy import require_written_within
from batchmill.nodes.access.proxies import Proxy, proxy_for
from batchmill.nodes.access.trust import SYSTEM, Trust
from batchmill.nodes.http.reply import Reply
from batchmill.nodes.http.request import Request
from batchmill.nodes.http.sockets import Limited, LimitedSocket, LimitedTLSSocket, connect, current
from batchmill.nodes.room import LOOK_SECONDS, is_full, room

SERVERS = 100  # of so many different ones connections are kept, the least recently used going first
KEPT = 1000  # idle connections to one server: about as many as there can be threads
SWITCHING = 101
TOGETHER = 64 * 1024  # bytes of a body that are sent in one piece with the head

Origin = tuple[str, str, int]
Way = tuple[Origin, Proxy | None, Trust, Bounds]


class _Limits:
    """Shared by both kinds of connection: the exchange that uses it waits for its socket."""

    sock: Any
    host: str
    port: int
    socket_options: Any
    _requests = 0  # that went over it
    _peer = ""

    def __init__(self, *args: object, bounds: Bounds, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)
        self._bounds = bounds

    def _new_conn(self) -> LimitedSocket:
        try:
            made = connect(self.host, self.port, self.socket_options, self._bounds)
            self._peer = made.peer
            return made
        except socket.gaierror as error:
            raise NameResolutionError(self.host, self, error) from error  # type: ignore[arg-type]  # a mixin of one
        except TimeoutError as error:
            raise ConnectTimeoutError(self, f"no connection to {self.host}: timed out") from error
        except OSError as error:
            raise NewConnectionError(self, f"no connection to {self.host}: {error}") from error  # type: ignore[arg-type]  # as above

    def asked(self, method: str, head: bytes, body: bytes | IO[bytes] | None) -> HTTPResponse:
        """Send a request and read the head of its answer.

        Raises :class:`OSError`, and :class:`http.client.HTTPException` or
        :class:`urllib3.exceptions.InvalidHeader` for what is no answer.
        """
        exchange = current()
        exchange.reused, exchange.peer = self._requests > 0, self._peer
        self._requests += 1
        exchange.use(_limited(self.sock))
        try:
            self._send(head, body)
        except (BrokenPipeError, ConnectionResetError, ssl.SSLEOFError):
            pass  # it may have answered before it closed, or have said what it has against our certificate
        answer = HTTPResponse(self.sock, method=method)
        try:
            answer.begin()
            while 100 <= answer.status < 200 and answer.status != SWITCHING:  # such as 103, with hints
                answer.headers = None  # type: ignore[assignment]  # it reads the next head then
                answer.begin()
        except BaseException:
            answer.close()
            raise
        return answer

    def _send(self, head: bytes, body: bytes | IO[bytes] | None) -> None:
        send = self.sock.sendall
        if body is None or (isinstance(body, bytes) and len(body) <= TOGETHER):
            send(head + (body or b""))
        elif isinstance(body, bytes):
            send(head)
            send(body)
        else:
            send(head)
            while piece := body.read(TOGETHER):
                send(piece)


class _Connection(_Limits, HTTPConnection):
    pass


class _TLSConnection(_Limits, HTTPSConnection):
    pass


AnyConnection = _Connection | _TLSConnection


def _limited(sock: Any) -> Limited:
    """The socket below TLS within TLS, or ``sock`` itself."""
    while not isinstance(sock, Limited):
        sock = sock.socket
    return sock


class _Idle:
    """The idle connections of one way; ``changed`` is called with how many more there are.

    Concurrency: any thread may call any method. There is no lock: each step of the deque is one, and who puts
    a connection back looks after that whether it was closed meanwhile.
    """

    def __init__(self, changed: Callable[[int], object]) -> None:
        self._connections: deque[AnyConnection] = deque()
        self._changed = changed
        self._closed = False

    def taken(self) -> AnyConnection | None:
        """One that is still open, the latest used first; None if there is none."""
        while True:
            try:
                found = self._connections.pop()
            except IndexError:
                return None
            connected = found.is_connected
            if not connected:
                found.close()
            self._changed(-1)
            if connected:
                return found

    def put(self, connection: AnyConnection) -> None:
        """It is not used any more."""
        if len(self._connections) >= KEPT:
            connection.close()
            return
        self._connections.append(connection)
        self._changed(1)
        if self._closed:
            self.close()

    def close(self) -> None:
        """Close all, also those that are put here later."""
        self._closed = True
        while self.close_one():
            pass

    def close_one(self) -> bool:
        """Close the one that was not used for longest; False if there is none."""
        try:
            self._connections.popleft().close()
        except IndexError:
            return False
        self._changed(-1)
        return True


class Connections:
    """All connections of this process.

    Concurrency: any thread may call any method. ``_lock`` guards ``_idle`` and ``_contexts``. ``_latest``,
    the last of the ways, is replaced as a whole, so that a batch with one server finds it without a lock.
    ``_telling`` guards ``_n_idle`` and makes the room hear of its values in their order; it is one that its
    owner may take again, because the room may ask for idle connections when it hears of them.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._contexts: dict[Trust, ssl.SSLContext] = {}
        self._idle: OrderedDict[Way, _Idle] = OrderedDict()
        self._latest: tuple[Way, _Idle] | None = None
        self._room = room()
        self._telling = threading.RLock()
        self._n_idle = 0

    def send(
        self,
        request: Request,
        body: bytes | IO[bytes] | None,
        length: int | None,
        trust: Trust = SYSTEM,
        bounds: Bounds = ANYWHERE,
    ) -> Reply:
        """Send a request within the exchange of this thread and return the answer, its body unread.

        Raises what urllib3 raises for a connection, :class:`OSError` and :class:`http.client.HTTPException`,
        and :class:`~batchmill.errors.NodeError` for a server whose address is outside of ``bounds``; nothing
        is tried again and no redirect is followed.
        """
        address = request.address
        origin = address.origin
        proxy = proxy_for(*origin)
        if proxy is not None:
            require_written_within(bounds, address.host)
            bounds = ANYWHERE  # the proxy itself is whatever the environment names
        for_proxy = proxy.headers if proxy is not None and address.scheme == "http" else None
        head = request.head(length, for_proxy)
        way = (origin, proxy, trust, bounds)
        idle = self._idle_of(way)
        connection = idle.taken() or self._opened_with_room(*way)
        try:
            answer = connection.asked(request.method, head, body)
        except BaseException:
            current().leave()
            connection.close()
            raise
        return Reply(answer, partial(idle.put, connection), connection.close)

    def make_way(self, count: int) -> None:
        """Close idle ones, first those to the servers that were not asked for longest."""
        with self._lock:
            found = list(self._idle.values())
        for idle in found:
            while count and idle.close_one():
                count -= 1

    def _changed(self, more: int) -> None:
        with self._telling:
            self._n_idle += more  # below 0 for a moment if one is taken before it was told that it is idle
            self._room.keeps(self, max(0, self._n_idle))

    def close(self) -> None:
        """Close the idle ones; one that is in use is closed when it is returned."""
        with self._lock:
            left = list(self._idle.values())
            self._idle.clear()
            self._latest = None
        for idle in left:
            idle.close()

    def _idle_of(self, way: Way) -> _Idle:
        latest = self._latest
        if latest is not None and latest[0] == way:
            return latest[1]
        with self._lock:
            found = self._idle.setdefault(way, _Idle(self._changed))
            self._idle.move_to_end(way)
            self._latest = way, found
            gone = self._idle.popitem(last=False)[1] if len(self._idle) > SERVERS else None
        if gone is not None:
            gone.close()
        return found

    def _opened_with_room(self, *way: Any) -> AnyConnection:
        """A new connection; idle ones to other servers make way for it if this process may open no more. If
        none is left, it waits until others, such as commands, have closed their files."""
        self._changed(0)
        if self._room.overdrawn:  # this call has the place of an idle connection to another server
            self.make_way(1)
        while True:
            try:
                return self._opened(*way)
            except NewConnectionError as error:
                if not is_full(error):
                    raise
            self._room.make_way()
            exchange = current()
            if exchange.cancel.wait(min(LOOK_SECONDS, exchange.left())):
                raise Stopped("the run was cancelled")

    def _opened(self, origin: Origin, proxy: Proxy | None, trust: Trust, bounds: Bounds) -> AnyConnection:
        """A new connection, on which a request can be sent."""
        connection = self._made(origin, proxy, trust, bounds)
        try:
            connection.connect()
        except (OSError, NewConnectionError, ConnectTimeoutError) as error:
            failed_at_proxy = proxy is not None and not connection.has_connected_to_proxy
            current().leave()
            connection.close()
            if failed_at_proxy:
                raise ProxyError("the proxy cannot be reached", error) from error
            raise
        return connection

    def _made(self, origin: Origin, proxy: Proxy | None, trust: Trust, bounds: Bounds) -> AnyConnection:
        scheme, host, port = origin
        through: dict[str, Any] = {"bounds": bounds}
        secure = False
        if proxy is not None:
            through |= {"proxy": proxy.url, "socket_options": []}
            secure = proxy.url.scheme == "https"
            host, port = proxy.url.host or "", proxy.url.port or 0
        if scheme == "http" and not secure:
            return _Connection(host.strip("[]"), port, **through)
        with self._lock:
            context = self._context(trust)
            if proxy is not None:
                through["proxy_config"] = ProxyConfig(self._context(trust.elsewhere()), False, None, None)
        made = _TLSConnection(host.strip("[]"), port, ssl_context=context, **through)
        if proxy is not None and scheme == "https":
            made.set_tunnel(*origin[1:], headers=dict(proxy.headers), scheme=proxy.url.scheme)
        return made

    def _context(self, trust: Trust) -> ssl.SSLContext:
        """Under the lock: one for all servers that are trusted in the same way."""
        found = self._contexts.get(trust)
        if found is None:
            found = trust.context()
            found.sslsocket_class = LimitedTLSSocket
            self._contexts[trust] = found
        return found


def connections() -> Connections:
    """The connections of this process, until the last run in it ends."""
    found: Connections = process_resource("http connections", Connections)
    return found
