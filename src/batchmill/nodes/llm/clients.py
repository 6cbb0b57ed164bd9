"""The process's clients of OpenAI's SDK: one per address, key, and access rules.

The SDK is imported for the first question, which takes half a second, and its own retries are off: attempts
are counted, delayed and recorded in one place for all nodes.
"""

from __future__ import annotations

import asyncio
import hashlib
import importlib
import threading
from contextlib import suppress
from contextvars import ContextVar
from typing import Any

from batchmill.attempt import Attempt
from batchmill.concurrency.event_loop import BackgroundLoop, current
from batchmill.concurrency.resources import process_resource
from batchmill.errors import InvalidParams, MissingExtra
from batchmill.loading import loading
from batchmill.nodes.access.policy import Access
from batchmill.nodes.access.transport import ServiceTransport, lane
from batchmill.nodes.llm.faults import Moved
from batchmill.nodes.llm.question import Leaving
from batchmill.nodes.room import room

NO_KEY = "none"  # what is sent to a server that asks for no key; the SDK insists on one
CALLS_PER_LANE = 32
_ABOUT_THE_MACHINE = ("Lang", "Package-Version", "OS", "Arch", "Runtime", "Runtime-Version", "Async")
_BECOME_GET = frozenset({301, 302, 303})
_TUNNEL = b"CONNECT"  # asks a proxy for a way to the server, which learns nothing of it
_FIRST_BYTE = "send_request_headers.started"  # how the events of httpcore end, behind the kind of connection
_NEEDED = ((".resources.chat", "AsyncCompletions"), (".resources", "AsyncEmbeddings"))
_imported = threading.Event()  # the SDK is there, whole
_importing: dict[asyncio.AbstractEventLoop, asyncio.Future[object]] = {}  # each changed by its loop alone


def sdk() -> Any:
    """The ``openai`` module. Raises :class:`~batchmill.errors.MissingExtra`."""
    try:
        with loading():
            import openai  # slow to import, and an extra
    except ImportError as error:
        raise MissingExtra("llm", "a node of the type `llm`") from error
    return openai


def load() -> Any:
    """The ``openai`` module, with all that its first call would import while the call's time runs.

    Raises :class:`~batchmill.errors.MissingExtra`.
    """
    module = sdk()
    if _imported.is_set():
        return module
    with loading():
        for name, kind in _NEEDED:  # the names, as modules alone do not import what is in them
            getattr(importlib.import_module(name, module.__name__), kind)
        _library_below(module).AsyncHTTPTransport(verify=False)  # the library imports what is below it so
        with suppress(ImportError):  # the loop's side of it, by a private name: it is only early
            importlib.import_module("anyio._backends._asyncio")
    _imported.set()
    return module


async def sdk_awaited() -> Any:
    """The same, with the loop free for others while it is imported: once, however many wait for it."""
    if _imported.is_set():
        return sdk()
    loop = asyncio.get_running_loop()
    importing = _importing.get(loop)
    if importing is None:
        importing = _importing[loop] = asyncio.ensure_future(asyncio.to_thread(load))
        importing.add_done_callback(lambda _: _importing.pop(loop))
    return await asyncio.shield(importing)


class Client:
    """The SDK's client for one address and key; its connections live on the background loop, in enough lanes
    to keep each of them short. Calls for whose connections there are no descriptors wait for others.

    Concurrency: all but :meth:`close` belongs to the loop's thread.
    """

    def __init__(
        self, module: Any, loop: BackgroundLoop, base_url: str | None, key: str, access: Access
    ) -> None:
        self._loop = loop
        self._under_way: list[int] = []
        self._room = room()
        library = _library_below(module)
        limits = library.Limits(max_keepalive_connections=CALLS_PER_LANE)
        self._transport = transport = ServiceTransport(library, access, limits)
        hooks = {"request": [_watch], "response": [_stay_a_post]}
        http = module.DefaultAsyncHttpxClient(event_hooks=hooks, transport=transport)
        told = {"api_key": key, "max_retries": 0, "http_client": http, "default_headers": _unsent(module)}
        try:
            self._client = module.AsyncOpenAI(base_url=base_url, **told)
        except library.InvalidURL as error:
            raise InvalidParams(f"llm: `base_url` cannot be read: {error}") from error

    async def begin(self, attempt: Attempt | None = None) -> tuple[Any, int]:
        """The SDK's client for a call of this task, and its lane, which is passed to :meth:`end`."""
        await self._room.entered(attempt, self._transport)
        place = self._lane()
        self._under_way[place] += 1
        lane.set(place)
        return self._client, place

    def end(self, place: int) -> None:
        """The call in that lane is over."""
        self._under_way[place] -= 1
        self._transport.tell(place)
        self._room.leave()

    def _lane(self) -> int:
        """A lane that is not full, if possible one with an idle connection."""
        free = [n for n, count in enumerate(self._under_way) if count < CALLS_PER_LANE]
        if not free:
            self._under_way.append(0)
            return len(self._under_way) - 1
        if not self._transport.has_idle:
            return free[0]
        idle = (n for n in free if self._transport.open_in(n) > self._under_way[n])
        return next(idle, free[0])

    def close(self) -> None:
        self._loop.settle(self._client.close)


def client_for(module: object, base_url: str | None, key: str, access: Access) -> Client:
    """The process's client for an address (OpenAI's own if None), a key and the allowed access."""
    key, loop = key or NO_KEY, current()
    name = ("llm client", loop.depth, base_url, hashlib.sha256(key.encode()).hexdigest(), access)
    return process_resource(name, lambda: Client(module, loop, base_url, key, access))


def _unsent(module: Any) -> dict[str, Any]:
    """Headers in which the SDK tells its maker about this machine. No server needs them, and of thousands of
    requests under way they take 2 KB each. Older versions of the SDK cannot leave them out."""
    omit = getattr(module, "Omit", None)
    return {} if omit is None else {f"X-Stainless-{name}": omit() for name in _ABOUT_THE_MACHINE}


def _library_below(module: Any) -> Any:
    """The library below the SDK; there are two."""
    kinds = module.DefaultAsyncHttpxClient.__mro__
    name = next(top for kind in kinds if (top := kind.__module__.partition(".")[0]) != module.__name__)
    return importlib.import_module(name)


leaving_now: ContextVar[Leaving] = ContextVar("leaving")  # of the question whose task this is


async def _watch(request: Any) -> None:
    """Make the transport report the moment before a request's first byte: then there is a connection."""
    leaving = leaving_now.get()

    async def trace(event: str, info: Any) -> None:
        if event.endswith(_FIRST_BYTE) and info["request"].method != _TUNNEL:
            leaving()

    request.extensions = {**request.extensions, "trace": trace}


async def _stay_a_post(response: Any) -> None:
    """Redirects of these kinds turn a POST into a GET, as browsers do it: a question would arrive empty."""
    leaving_now.get()()  # late, where a transport does not tell
    if response.status_code in _BECOME_GET and response.request.method == "POST":
        raise Moved(response.status_code, response.headers.get("location", ""))
