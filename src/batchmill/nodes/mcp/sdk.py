"""The official SDK in its versions: how to open a connection, and its errors.

Version 1 and version 2 differ only in names, in the parts used here.
"""

from __future__ import annotations

import importlib
import logging
import os
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, TextIO

from batchmill.errors import InvalidParams, MissingExtra
from batchmill.ir.models import McpServerSpec
from batchmill.ir.services import expanded
from batchmill.nodes.access.policy import Access, access_of
from batchmill.nodes.access.secrets import BoundSecret
from batchmill.nodes.mcp.replies import error_for, garbled, tell_status
from batchmill.nodes.mcp.transport import TellingTransport

# Beside what the SDK lets through (PATH, HOME, SHELL, ...): none of them holds a credential.
_LET_THROUGH = ("LANG", "LC_ALL", "LC_CTYPE", "TMPDIR", "TZ")

Connection = tuple[Any, Any]
_log = logging.getLogger("mcp")
_imported = threading.Event()


def sdk() -> Any:
    """The ``mcp`` module. Raises :class:`~batchmill.errors.MissingExtra`."""
    try:
        import mcp  # slow to import, and an extra
    except ImportError as error:
        raise MissingExtra("mcp", "a node that talks to MCP servers") from error
    # Its complaints, such as of noise from a server, go where the program logs to, and not to our stderr.
    if not _log.handlers:
        _log.addHandler(logging.NullHandler())
    _imported.set()
    return mcp


def is_imported() -> bool:
    """Whether :func:`sdk` takes no time."""
    return _imported.is_set()


def protocol_error() -> type[Exception]:
    """The exception of the SDK for an error that the server sent."""
    module = sdk()
    found: type[Exception] = getattr(module, "MCPError", None) or module.McpError
    return found


@asynccontextmanager
async def connection(
    spec: McpServerSpec,
    access: Access,
    stderr: TextIO,
    on_end: Callable[[], None],
    on_garbled: Callable[[str], None],
) -> AsyncIterator[Connection]:
    """Streams to and from a server, which is started here if it is a program; ``on_end`` is called at its
    end, ``on_garbled`` with replies that cannot be read and whose request is unknown.

    Raises :class:`~batchmill.errors.InvalidParams`, :class:`OSError`, and groups of exceptions.
    """
    if spec.url is not None:
        async with (
            _over_http(expanded_in(spec.url), _each(spec.headers), access) as streams,
            streams[0] as read,  # version 1 leaves closing them to the garbage collector
            streams[1] as write,
            _screened(read, lambda: None, on_garbled) as screened,
        ):
            yield screened, write
        return
    module = sdk()
    parameters = module.StdioServerParameters(
        command=expanded_in(spec.command or ""),
        args=[expanded_in(one) for one in spec.args],
        env=environment(spec),
        cwd=spec.cwd and os.path.expanduser(spec.cwd),
        encoding_error_handler="replace",  # noise on its stdout need not be text
    )
    async with (
        module.stdio_client(parameters, errlog=stderr) as (read, write),
        _screened(read, on_end, on_garbled) as screened,
    ):
        yield screened, write


def _over_http(url: str, headers: dict[str, str], access: Access) -> Any:
    from mcp.client import streamable_http as module  # an extra

    opening = getattr(module, "streamablehttp_client", None)
    if opening is not None:  # version 1
        return opening(url, headers=headers, httpx_client_factory=partial(_client, module, access))
    return _with_client(module, url, headers, access)


def access_to(spec: McpServerSpec, secrets: tuple[BoundSecret, ...] = ()) -> Access:
    """Whom a server's connections may reach. The document names it, so that it may be anywhere."""
    names = ("allow_hosts", "allow_private", "ca_file", "client_cert", "client_key")
    written = {name: getattr(spec, name) for name in names}
    given = {name: expanded_in(one) if isinstance(one, str) else one for name, one in written.items()}
    return access_of(given, "", secrets)


def _client(module: Any, access: Access, **settings: object) -> Any:
    """A client like those of the SDK, which also reports refusals and connects to allowed hosts only."""
    access.trust.context()  # says what is wrong with its files; the SDK would not
    usual = module.create_mcp_http_client(**settings)
    library = importlib.import_module(type(usual).__module__.partition(".")[0])
    return library.AsyncClient(
        headers=usual.headers,
        timeout=usual.timeout,
        auth=usual.auth,
        follow_redirects=usual.follow_redirects,
        transport=TellingTransport(library, access),
        event_hooks={**usual.event_hooks, "response": [*usual.event_hooks["response"], tell_status]},
    )


@asynccontextmanager
async def _with_client(
    module: Any, url: str, headers: dict[str, str], access: Access
) -> AsyncIterator[object]:
    async with (
        _client(module, access, headers=headers) as client,
        module.streamable_http_client(url, http_client=client) as streams,
    ):
        yield streams


@asynccontextmanager
async def _screened(
    read: Any, on_end: Callable[[], None], on_garbled: Callable[[str], None]
) -> AsyncIterator[object]:
    """``read``, with ``on_end`` called as soon as nothing more can come: the program has ended. A reply that
    cannot be read becomes an error for the request that waits for it."""
    import anyio  # comes with the SDK

    send, receive = anyio.create_memory_object_stream[Any](0)

    async def forward() -> None:
        try:
            async with send:
                async for message in read:
                    found = garbled(message) if isinstance(message, Exception) else None
                    if found is not None and found.id is None:
                        on_garbled(found.words)
                    else:
                        await send.send(message if found is None else error_for(found))
        except (anyio.ClosedResourceError, anyio.BrokenResourceError):
            pass  # this session is being closed
        finally:
            on_end()

    async with anyio.create_task_group() as group, receive:
        group.start_soon(forward)
        try:
            yield receive
        finally:
            group.cancel_scope.cancel()


def environment(spec: McpServerSpec) -> dict[str, str]:
    """The environment of a server besides the variables that the SDK passes: its own and the locale."""
    common = {name: os.environ[name] for name in _LET_THROUGH if name in os.environ}
    return {**common, **_each(spec.env)}


def _each(written: dict[str, str]) -> dict[str, str]:
    return {name: expanded_in(value) for name, value in written.items()}


def expanded_in(text: str) -> str:
    """``text`` with variables put in. Raises :class:`~batchmill.errors.InvalidParams` for one not set."""
    try:
        return expanded(text)
    except KeyError as error:
        raise InvalidParams(
            f"mcp: the variable {error.args[0]!r} is not set in the environment; "
            f"${{{error.args[0]}:-}} would be empty then"
        ) from error
