"""The process's keep-alive connections, with one pool per server, or per proxy to it."""

from __future__ import annotations

import socket
import ssl
import threading
from collections import OrderedDict
from typing import Any

from urllib3.connection import HTTPConnection, HTTPSConnection, ProxyConfig
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ClosedPoolError, ConnectTimeoutError, NameResolutionError, NewConnectionError
from urllib3.response import BaseHTTPResponse
from urllib3.util import Retry

from batchmill.concurrency.resources import process_resource
from batchmill.nodes.access.addresses import ANYWHERE, Bounds
from batchmill.nodes.access.policy import require_written_within
from batchmill.nodes.access.proxies import Proxy, proxy_for
from batchmill.nodes.access.trust import SYSTEM, Trust
from batchmill.nodes.http.request import Request
from batchmill.nodes.http.sockets import Limited, LimitedSocket, LimitedTLSSocket, connect, current

SERVERS = 100  # of so many different ones connections are kept, the least recently used going first
KEPT = 1000  # idle connections to one server: as many as a batch can have in flight

_NO_RETRIES = Retry(False, redirect=False)  # the library would make one for each request

Origin = tuple[str, str, int]
Way = tuple[Origin, Proxy | None, Trust, Bounds]


class _Limits:
    """Shared by both kinds of connection: hand the socket to the exchange that uses it."""

    sock: Any
    host: str
    port: int
    socket_options: Any
    _requests = 0  # that went over the present socket
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

    def _enter(self) -> None:
        exchange = current()
        exchange.reused, exchange.peer = self._requests > 0, self._peer
        self._requests += 1
        if isinstance(self.sock, Limited):
            exchange.use(self.sock)


class _Connection(_Limits, HTTPConnection):
    def request(self, *args: Any, **kwargs: Any) -> None:
        self._enter()
        super().request(*args, **kwargs)

    def close(self) -> None:
        self._requests = 0
        super().close()


class _TLSConnection(_Limits, HTTPSConnection):
    def connect(self) -> None:
        super().connect()
        if isinstance(self.sock, Limited):  # TLS inside TLS waits on a socket that is, and in use already
            current().use(self.sock)

    def request(self, *args: Any, **kwargs: Any) -> None:
        self._enter()
        super().request(*args, **kwargs)

    def close(self) -> None:
        self._requests = 0
        super().close()


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _TLSPool(HTTPSConnectionPool):
    ConnectionCls = _TLSConnection


class Connections:
    """All connections of this process.

    Concurrency: any thread may call any method. The pools have locks of their own; ``_lock`` guards
    ``_pools`` and ``_contexts``. ``_latest``, the last of the pools, is replaced as a whole, so that a batch
    with one server finds its pool without a lock.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._contexts: dict[Trust, ssl.SSLContext] = {}
        self._pools: OrderedDict[Way, HTTPConnectionPool] = OrderedDict()
        self._latest: tuple[Way, HTTPConnectionPool] | None = None

    def send(
        self,
        request: Request,
        body: Any,
        length: int | None,
        trust: Trust = SYSTEM,
        bounds: Bounds = ANYWHERE,
    ) -> BaseHTTPResponse:
        """Send a request within the exchange of this thread and return the answer, its body unread.

        Raises what urllib3 raises, and :class:`~batchmill.errors.NodeError` for a server whose address is
        outside of ``bounds``; nothing is tried again and no redirect is followed.
        """
        address = request.address
        proxy = proxy_for(*address.origin)
        if proxy is not None:
            require_written_within(bounds, address.host)
            bounds = ANYWHERE  # the proxy itself is whatever the environment names
        forwarded = proxy is not None and address.scheme == "http"
        fields = request.fields.as_dict()
        if length is not None:
            fields["Content-Length"] = str(length)
        while True:
            try:
                return self._pool((address.origin, proxy, trust, bounds)).urlopen(
                    request.method,
                    str(address) if forwarded else address.target,
                    body,
                    fields,
                    retries=_NO_RETRIES,
                    redirect=False,
                    assert_same_host=False,
                    timeout=current().left(),
                    preload_content=False,
                    decode_content=False,
                )
            except ClosedPoolError:  # other servers took its place just now; nothing was sent
                continue

    def close(self) -> None:
        """Close the idle ones; one that is in use is closed when it is returned."""
        with self._lock:
            pools = list(self._pools.values())
            self._pools.clear()
            self._latest = None
        for pool in pools:
            pool.close()

    def _pool(self, way: Way) -> HTTPConnectionPool:
        latest = self._latest
        if latest is not None and latest[0] == way:
            return latest[1]
        with self._lock:
            found = self._pools.get(way)
            if found is None:
                found = self._pools[way] = self._made(*way)
            self._pools.move_to_end(way)
            self._latest = way, found
            gone = self._pools.popitem(last=False)[1] if len(self._pools) > SERVERS else None
        if gone is not None:
            gone.close()
        return found

    def _made(self, origin: Origin, proxy: Proxy | None, trust: Trust, bounds: Bounds) -> HTTPConnectionPool:
        scheme, host, port = origin
        through: dict[str, Any] = {"bounds": bounds}
        if proxy is not None:
            through |= {"_proxy": proxy.url, "_proxy_headers": dict(proxy.headers)}
            if scheme == "http":  # the proxy itself is asked, for a whole URL
                scheme, host, port = proxy.url.scheme or "", proxy.url.host or "", proxy.url.port or 0
        if scheme == "http":
            return _Pool(host, port, maxsize=KEPT, block=False, **through)
        context = self._context(trust)
        if proxy is not None:
            through["_proxy_config"] = ProxyConfig(self._context(trust.elsewhere()), False, None, None)
        return _TLSPool(host, port, maxsize=KEPT, block=False, ssl_context=context, **through)

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
