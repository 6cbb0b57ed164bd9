"""The transport of SDK clients: connections that are made at the same time."""

import asyncio
import ssl
from types import SimpleNamespace

from batchmill.nodes.access.policy import OPEN
from batchmill.nodes.access.transport import CONNECTING, ServiceTransport
from batchmill.nodes.room import Room


class Backend:
    """Makes connections once ``open`` is set."""

    def __init__(self):
        self.open = asyncio.Event()
        self.under_way = self.most = self.made = 0

    async def connect_tcp(self, *args):
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        await self.open.wait()
        self.under_way -= 1
        self.made += 1


def library_of(backend):
    """A library below an SDK, whose pools connect for each request."""

    class Transport:
        def __init__(self, **told):
            self._pool = SimpleNamespace(_network_backend=backend, connections=[])

        async def handle_async_request(self, request):
            await self._pool._network_backend.connect_tcp(request.url.host, request.url.port)
            return SimpleNamespace(extensions={})

    return SimpleNamespace(
        Limits=lambda: None, create_ssl_context=ssl.create_default_context, AsyncHTTPTransport=Transport
    )


def request():
    url = SimpleNamespace(scheme="http", host="127.0.0.1", port=8000)
    return SimpleNamespace(url=url, headers={}, extensions={})


def test_so_many_connections_are_made_at_once_and_then_the_others(monkeypatch):
    monkeypatch.setattr("batchmill.nodes.access.transport.room", Room)
    monkeypatch.setattr("batchmill.nodes.room.free_descriptors", lambda: 1000)

    async def asked():
        backend = Backend()
        transport = ServiceTransport(library_of(backend), OPEN)
        many = [transport.handle_async_request(request()) for _ in range(2 * CONNECTING + 1)]
        asking = asyncio.gather(*many)
        for _ in range(10):  # none has to wait for anything but a connection
            await asyncio.sleep(0)
        begun = backend.under_way
        backend.open.set()
        await asking
        return begun, backend

    begun, backend = asyncio.run(asked())
    assert begun == backend.most == CONNECTING
    assert backend.made == 2 * CONNECTING + 1
