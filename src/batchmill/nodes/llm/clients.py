"""Clients of OpenAI's SDK, held by the process: one set for an address and a key.

The SDK is imported when the first question is asked, which takes half a second, and its own retries are
off: attempts are counted, waited for and recorded in one place for all nodes.
"""

from __future__ import annotations

import asyncio
import hashlib
import importlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from batchmill.concurrency.event_loop import BackgroundLoop, current
from batchmill.concurrency.resources import process_resource
from batchmill.errors import MissingExtra
from batchmill.nodes.llm.faults import Moved
from batchmill.nodes.llm.question import Leaving

NO_KEY = "none"  # what is sent to a server that asks for no key; the SDK insists on one
CALLS_PER_CLIENT = 32
_BECOME_GET = frozenset({301, 302, 303})
_FIRST_BYTE = "send_request_headers.started"  # how the events of httpcore end, behind the kind of connection
_imported = threading.Event()  # the SDK is there, whole


def sdk() -> Any:
    """The ``openai`` module. Raises :class:`~batchmill.errors.MissingExtra`."""
    try:
        import openai  # slow to import, and an extra
    except ImportError as error:
        raise MissingExtra("llm", "a node of the type `llm`") from error
    _imported.set()
    return openai


async def sdk_awaited() -> Any:
    """The same, with the loop free for others while it is imported."""
    return sdk() if _imported.is_set() else await asyncio.to_thread(sdk)


class Clients:
    """Clients of the SDK for one address and key; their connections live on the background loop.

    A client's pool of connections looks at each of them whenever a request begins or ends. So a further
    client is made where all have as many calls under way as are quickly looked at.

    Concurrency: all but :meth:`close` belongs to the loop's thread.
    """

    def __init__(self, module: Any, loop: BackgroundLoop, base_url: str | None, key: str) -> None:
        self._module = module
        self._loop = loop
        self._place = {"api_key": key, "base_url": base_url}
        self._trust = _transports(module).create_ssl_context()
        self._clients: list[Any] = []
        self._under_way: list[int] = []

    @contextmanager
    def one(self) -> Iterator[Any]:
        """The client for a call, which is under way while inside."""
        place = next((n for n, count in enumerate(self._under_way) if count < CALLS_PER_CLIENT), None)
        if place is None:
            place = len(self._clients)
            self._clients.append(self._made())
            self._under_way.append(0)
        self._under_way[place] += 1
        try:
            yield self._clients[place]
        finally:
            self._under_way[place] -= 1

    def _made(self) -> Any:
        hooks = {"request": [_watch], "response": [_stay_a_post]}
        transport = self._module.DefaultAsyncHttpxClient(event_hooks=hooks, verify=self._trust)
        return self._module.AsyncOpenAI(**self._place, max_retries=0, http_client=transport)

    def close(self) -> None:
        self._loop.settle(self._closed)

    async def _closed(self) -> None:
        for client in self._clients:
            await client.close()


def clients_for(module: Any, base_url: str | None, key: str) -> Clients:
    """The clients of the process for an address, OpenAI's own where that is None, and a key."""
    key, loop = key or NO_KEY, current()
    name = ("llm clients", loop.depth, base_url, hashlib.sha256(key.encode()).hexdigest())
    return process_resource(name, lambda: Clients(module, loop, base_url, key))


def _transports(module: Any) -> Any:
    """The library below the SDK; there are two."""
    kinds = module.DefaultAsyncHttpxClient.__mro__
    name = next(top for kind in kinds if (top := kind.__module__.partition(".")[0]) != module.__name__)
    return importlib.import_module(name)


leaving_now: ContextVar[Leaving] = ContextVar("leaving")  # of the question whose task this is


async def _watch(request: Any) -> None:
    """Have the transport tell of the moment before a request's first byte: there is a connection then."""
    leaving = leaving_now.get()

    async def trace(event: str, info: Any) -> None:
        if event.endswith(_FIRST_BYTE):
            leaving()

    request.extensions = {**request.extensions, "trace": trace}


async def _stay_a_post(response: Any) -> None:
    """Redirects of these kinds turn a POST into a GET, as browsers do it: a question would arrive empty."""
    leaving_now.get()()  # late, where a transport does not tell
    if response.status_code in _BECOME_GET and response.request.method == "POST":
        raise Moved(response.status_code, response.headers.get("location", ""))
