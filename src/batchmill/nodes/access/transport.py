"""The transport of SDK clients: the same access rules as for ``http``, on an event loop.

The SDKs use httpx, or its successor of the same shape. A transport stands between a client and the library's
own transports: it chooses the way (directly or through a proxy, with or without our certificate), and removes
credentials from requests that a redirect sends to another server. Connections go to exactly the addresses
that were checked.
"""

from __future__ import annotations

import asyncio
import importlib
import socket
import ssl
import time
from collections.abc import Iterable
from contextlib import suppress
from contextvars import ContextVar
from typing import Any

from batchmill.nodes.access.addresses import ANYWHERE, Bounds, ip_of
from batchmill.nodes.access.policy import Access, require_within, require_written_within
from batchmill.nodes.access.proxies import Proxy, proxy_failed, proxy_for
from batchmill.nodes.connection_faults import tls_fault
from batchmill.nodes.http.fields import is_credential
from batchmill.nodes.room import LOOK_SECONDS, Room, is_full, room

PORTS = {"http": 80, "https": 443}
STAGGER = 0.25  # seconds that one address of a host has before the next is tried as well (RFC 8305)
CONNECTING = 64
"""The number of connections that a client makes at the same time. Until it is made, one takes 9 KB, and the
process keeps that memory. So few cost no time up to a round trip of 0.2 s: a CPU needs that for the requests
of so many."""

_FIRST, _PEER = "batchmill_first", "batchmill_peer"  # of a request and those that redirects make of it
lane: ContextVar[int] = ContextVar("lane", default=0)
"""Which of several pools of connections the request of this task goes through. A pool looks at each of its
connections whenever a request begins or ends, so that many calls at once are quicker in several."""
_bounds: ContextVar[Bounds] = ContextVar("bounds")  # of the request whose task this is
_OF_THE_PROXY = ("ProxyError", "ConnectError")  # what both libraries call it

Origin = tuple[str, str, int]


class ServiceTransport:
    """Sends requests of one client; ``library`` is httpx or its successor.

    Concurrency: belongs to the thread of its event loop, but for :meth:`make_way`. ``_loop`` is set before
    the room hears of it.
    """

    def __init__(self, library: Any, access: Access, limits: Any = None) -> None:
        self._library = library
        self._access = access
        self._limits = limits or library.Limits()
        self._ways: dict[tuple[Proxy | None, bool, int], Any] = {}
        self._pools: dict[int, list[Any]] = {}  # by lane
        self._idle: dict[int, int] = {}  # by lane, as the room knows them
        self._n_idle = 0
        self._closing: set[asyncio.Future[None]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._contexts: dict[bool, ssl.SSLContext] = {}
        self._room = room()
        # An eighth: those that are tried beside others are not counted, and have what stays free.
        self._connecting = asyncio.Semaphore(min(CONNECTING, max(1, self._room.most // 8)))
        self._context(False)  # now, and not in the time of the first request: it reads all authorities

    async def __aenter__(self) -> ServiceTransport:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close all connections."""
        ways, self._ways, self._pools = self._ways, {}, {}
        for way in ways.values():
            await way.aclose()
        self._idle, self._n_idle = {}, 0
        self._room.keeps(self, 0)

    def open_in(self, lane: int) -> int:
        """How many connections a lane has, with those that are idle or being made."""
        pools = self._pools.get(lane, ())
        return sum(not connection.is_closed() for pool in pools for connection in pool.connections)

    @property
    def has_idle(self) -> bool:
        """Whether any connection was idle when the room was told last."""
        return self._n_idle > 0

    def tell(self, lane: int) -> None:
        """Tell the room how many connections of a lane are idle now."""
        pools = self._pools.get(lane, ())
        count = sum(connection.is_idle() for pool in pools for connection in pool.connections)
        self._n_idle += count - self._idle.get(lane, 0)
        self._idle[lane] = count
        self._room.keeps(self, self._n_idle)

    def make_way(self, count: int) -> None:
        """Close up to ``count`` idle connections soon. Any thread may call it."""
        loop = self._loop
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self._make_way, count)

    def _make_way(self, count: int) -> None:
        closing = asyncio.ensure_future(self._closed(count))
        self._closing.add(closing)  # the loop alone would not keep it alive
        closing.add_done_callback(self._closing.discard)

    async def _closed(self, count: int) -> None:
        for lane, pools in list(self._pools.items()):
            for connection in [one for pool in pools for one in pool.connections]:
                if count and connection.is_idle():  # a request that was to use it gets another one
                    count -= 1
                    with suppress(Exception):  # whatever the library raises: it is closed
                        await connection.aclose()
            self.tell(lane)

    async def handle_async_request(self, request: Any) -> Any:
        """The answer, its body unread. Raises the errors of the library, and
        :class:`~batchmill.errors.NodeError` for a server that is not allowed."""
        url = request.url
        origin = (url.scheme, url.host, url.port or PORTS.get(url.scheme, 0))
        first: Origin = request.extensions.setdefault(_FIRST, origin)
        behind = request.extensions.get(_PEER, "")
        bounds = self._access.bounds(origin[1], origin[2], first=first[1], behind=behind)
        if origin != first:
            for name in [name for name in request.headers if is_credential(name)]:
                del request.headers[name]
        if self._access.secrets:
            parts = [str(url), *request.headers.values(), await request.aread()]
            bounds = self._access.bounds_with(bounds, origin[1], origin[2], parts)
        proxy = proxy_for(*origin, socks=True)
        if proxy is not None:
            require_written_within(bounds, url.host)
            bounds = ANYWHERE
        token = _bounds.set(bounds)
        self._loop = asyncio.get_running_loop()
        try:
            answer = await self._way(proxy, origin != first).handle_async_request(request)
        except Exception as error:  # whatever the library raises
            if proxy is not None and _failed_there(error):
                raise proxy_failed(f"{origin[1]}:{origin[2]}", f"{error}") from error
            raise
        finally:
            _bounds.reset(token)
            self.tell(lane.get())
        request.extensions[_PEER] = "" if proxy is not None else _peer_of(answer)
        return answer

    def _way(self, proxy: Proxy | None, elsewhere: bool) -> Any:
        key = (proxy, elsewhere and self._access.trust.client_cert is not None, lane.get())
        found = self._ways.get(key)
        if found is None:
            found = self._ways[key] = self._made(proxy, self._context(key[1]))
            self._pools.setdefault(key[2], []).append(found._pool)
        return found

    def _context(self, elsewhere: bool) -> ssl.SSLContext:
        """The TLS context; by default it trusts the authorities that the library trusts."""
        found = self._contexts.get(elsewhere)
        if found is None:
            trust = self._access.trust.elsewhere() if elsewhere else self._access.trust
            found = self._contexts[elsewhere] = trust.context(self._library.create_ssl_context)
        return found

    def _made(self, proxy: Proxy | None, context: ssl.SSLContext) -> Any:
        through = None
        if proxy is not None:
            told: dict[str, Any] = {"headers": dict(proxy.headers)}
            if proxy.url.scheme == "https":
                told["ssl_context"] = self._context(True)
            through = self._library.Proxy(str(proxy.url), **told)
        made = self._library.AsyncHTTPTransport(
            verify=context, proxy=through, limits=self._limits, trust_env=False
        )
        if proxy is None:
            pool = made._pool  # neither library has a public way to say where names are looked up
            core = importlib.import_module(type(pool).__module__.partition(".")[0])
            pool._network_backend = _Checked(pool._network_backend, core, self._connecting, self._room)
        return made


def _failed_there(error: Exception) -> bool:
    """Whether a proxy cannot be reached or refused a tunnel; errors behind the tunnel are those of TLS."""
    return type(error).__name__ in _OF_THE_PROXY and tls_fault(error) is None


def _peer_of(answer: Any) -> str:
    stream = answer.extensions.get("network_stream")
    address = stream.get_extra_info("server_addr") if stream is not None else None
    return str(address[0]) if address else ""


class _Checked:
    """The library's connection backend, limited to allowed addresses. ``core`` is the module whose errors it
    raises; each connection that is being made has a place in ``connecting``. If no file can be opened, it
    waits until others have closed theirs."""

    def __init__(self, below: Any, core: Any, connecting: asyncio.Semaphore, room: Room) -> None:
        self._below = below
        self._core = core
        self._connecting = connecting
        self._room = room

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> object:
        """A connection to the first of the addresses of ``host`` that answers."""
        until = None if timeout is None else time.monotonic() + timeout

        async def connect(address: str) -> object:
            return await self._below.connect_tcp(address, port, timeout, local_address, socket_options)

        while True:
            try:
                return await self._connected(host, port, timeout, connect)
            except Exception as error:  # whatever the library raises
                if not is_full(error) or (until is not None and time.monotonic() > until):
                    raise
            self._room.make_way()
            await asyncio.sleep(LOOK_SECONDS)

    async def _connected(self, host: str, port: int, timeout: float | None, connect: Any) -> object:
        async with self._connecting:
            if ip_of(host) is None:
                found = await self._resolved(host, port, timeout)
            else:
                found = [host.strip("[]")]
            addresses = require_within(_bounds.get(ANYWHERE), host, found)
            return await connect(addresses[0]) if len(addresses) == 1 else await _first(connect, addresses)

    async def _resolved(self, host: str, port: int, timeout: float | None) -> list[str]:
        try:
            async with asyncio.timeout(timeout):
                loop = asyncio.get_running_loop()
                found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except TimeoutError as error:
            raise self._core.ConnectTimeout(f"the name {host!r} was not resolved in time") from error
        except (OSError, UnicodeError) as error:
            raise self._core.ConnectError(str(error)) from error
        return list(dict.fromkeys(str(address[0]) for *_, address in found))

    async def connect_unix_socket(self, *args: Any, **kwargs: Any) -> object:
        return await self._below.connect_unix_socket(*args, **kwargs)

    async def sleep(self, seconds: float) -> None:
        await self._below.sleep(seconds)


async def _first(connect: Any, addresses: list[str]) -> object:
    """The first connection that is made; each address has a moment before the next is tried beside it."""
    trying: set[asyncio.Task[object]] = set()
    left, failed = list(addresses), None
    try:
        while left or trying:
            if left:
                trying.add(asyncio.ensure_future(connect(left.pop(0))))
            stagger = STAGGER if left else None
            done, trying = await asyncio.wait(trying, timeout=stagger, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                if (error := task.exception()) is None:
                    trying |= done - {task}
                    return task.result()
                failed = failed or error
    finally:
        for task in trying:
            task.cancel()
            task.add_done_callback(_closed)
    raise failed or OSError("there is no address")


def _closed(task: asyncio.Task[Any]) -> None:
    """Close a connection that was made beside the one that is used."""
    if not task.cancelled() and task.exception() is None:
        closing = asyncio.ensure_future(task.result().aclose())
        closing.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
