"""One session with a server, from start to end.

The SDK requires that the same task opens and closes a session, so each has a task of its own that does that
and waits in between; calls come from other tasks of the loop. A program whose stdout ends has lost its
session at once, with all running calls.
"""

from __future__ import annotations

import asyncio
from typing import Any

from batchmill.errors import BatchmillError, NodeError
from batchmill.ir.models import McpServerSpec
from batchmill.nodes.access.secrets import BoundSecret
from batchmill.nodes.mcp.replies import UNREADABLE, is_refusal, status_in
from batchmill.nodes.mcp.sdk import access_to, connection, protocol_error, sdk
from batchmill.nodes.mcp.stderr import Stderr
from batchmill.nodes.mcp.transport import Unsent, unsent_in

END_SECONDS = 8.0  # a program is asked to end, told to, and killed, two seconds apart
PING_SECONDS = 0.3
LAST_WORDS_SECONDS = 0.05  # for what a program said at its end to come
MOST_PAGES = 100  # of a list of tools
RETRYABLE = frozenset({408, 425, 429})
_NO_SUCH_METHOD = -32601
_NOT_THE_SESSIONS_FAULT = (
    _NO_SUCH_METHOD,
    -32602,
    -32603,
)  # JSON-RPC: no such method, invalid params, internal error


class SessionLost(NodeError):
    """Raised when a session ended during a call; another attempt gets a new one."""

    def __init__(self, message: str, **fields: Any) -> None:
        super().__init__(message, **{"type_name": "ServerLost", "outputs": {"error": message}, **fields})


class Session:
    """Belongs to the loop's thread."""

    def __init__(self, name: str, spec: McpServerSpec, secrets: tuple[BoundSecret, ...] = ()) -> None:
        loop = asyncio.get_running_loop()
        self.tools: dict[str, dict[str, Any]] = {}
        self._name = name
        self._spec = spec
        self._secrets = secrets
        self._stderr = Stderr()
        self._session: Any = None
        self._ready: asyncio.Future[None] = loop.create_future()
        self._lost: asyncio.Future[None] = loop.create_future()
        self._garbled: asyncio.Future[str] = loop.create_future()
        self._ending = asyncio.Event()
        self._task = loop.create_task(self._live())

    @property
    def lost(self) -> bool:
        return self._lost.done()

    async def started(self) -> None:
        """Wait until it can be used. Raises why it cannot."""
        try:
            async with asyncio.timeout(self._spec.start_timeout) as limit:
                await asyncio.shield(self._ready)
        except TimeoutError as error:
            if not limit.expired():
                raise
            await self.end()
            seconds = f"{self._spec.start_timeout:g} s"
            raise self._failure(f"did not answer within {seconds} of being started") from error

    async def call(self, tool: str, arguments: dict[str, object]) -> dict[str, Any]:
        """The result of a tool, as JSON.

        Raises :class:`SessionLost`, and :class:`~batchmill.errors.NodeError` for an error of the protocol.
        """
        calling = asyncio.ensure_future(self._session.call_tool(tool, arguments))
        try:
            if (why := await self._no_reply(calling, "ended during the call")) is not None:
                raise why
            result: dict[str, Any] = _as_json(calling.result())
            return result
        except protocol_error() as error:
            failure = self._protocol_failure(tool, error)
            if self._is_in_doubt(error):
                await self.check()
            raise failure from error
        except BatchmillError:
            raise
        except ValueError as error:  # of pydantic: what came is no result of a tool
            raise _unreadable(f"the MCP server {self._name!r} sent no result of {tool!r}: {error}") from error
        except Exception as error:  # whatever the SDK's transports raise: the session is broken
            self.lose()
            raise self._failure(f"cannot be reached: {innermost(error)}") from error
        finally:
            calling.cancel()

    async def _no_reply(self, waiting: asyncio.Future[Any], words: str) -> NodeError | None:
        """Wait for the reply; return why it will not come if the session ends (the reason is in ``words``) or
        a reply cannot be read that may be the awaited one."""
        garbled = self._garbled
        await asyncio.wait({waiting, self._lost, garbled}, return_when=asyncio.FIRST_COMPLETED)
        if waiting.done():
            return None
        if garbled.done() and not self.lost:
            return _unreadable(f"the MCP server {self._name!r} sent {garbled.result()}")
        await asyncio.sleep(LAST_WORDS_SECONDS)
        return self._failure(words)

    def _cannot_read(self, words: str) -> None:
        """Report a reply that cannot be read, and that names no request, to all waiting calls."""
        self._garbled.set_result(words)
        self._garbled = asyncio.get_running_loop().create_future()

    async def check(self) -> None:
        """Give the session up unless the server answers quickly."""
        try:
            async with asyncio.timeout(PING_SECONDS):
                await self._session.send_ping()
        except protocol_error() as error:
            if _code_of(error) != _NO_SUCH_METHOD:  # as good as an answer
                self.lose()
        except Exception:  # noqa: BLE001  # whatever it is: this server does not answer
            self.lose()

    def lose(self) -> None:
        """End the session: no more calls, and everything is closed in the background."""
        if not self._lost.done():
            self._lost.set_result(None)
        self._ending.set()

    async def end(self) -> None:
        """Close it and wait until that is done, with the program ended and its group killed."""
        self.lose()
        if not self._ready.done():
            self._task.cancel()
        done, _ = await asyncio.wait({self._task}, timeout=END_SECONDS)
        if not done:
            self._task.cancel()
            await asyncio.wait({self._task}, timeout=END_SECONDS)

    async def _live(self) -> None:
        try:
            access = access_to(self._spec, self._secrets)
            opening = connection(self._spec, access, self._stderr.writing, self.lose, self._cannot_read)
            async with opening as (read, write):
                self._stderr.started()
                async with sdk().ClientSession(read, write) as session:
                    self._session = session
                    await self._initialized(session)
                    self._ready.set_result(None)
                    await self._ending.wait()
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001  # its end, for whatever reason
            self._refuse(error)
        finally:
            self.lose()
            self._stderr.close()

    async def _initialized(self, session: Any) -> None:
        opening = asyncio.ensure_future(self._open(session))
        try:
            if (why := await self._no_reply(opening, "ended before it answered")) is not None:
                raise why
            opening.result()
        except protocol_error() as error:
            if self.lost:  # told below, with its last words
                raise
            raise self._not_started(error) from error
        finally:
            opening.cancel()

    async def _open(self, session: Any) -> None:
        from mcp import types  # an extra

        await session.initialize()
        cursor = None
        for _ in range(MOST_PAGES):
            more = types.PaginatedRequestParams(cursor=cursor) if cursor else None
            page = _as_json(await session.list_tools(params=more))
            self.tools.update({tool["name"]: tool for tool in page.get("tools", ())})
            cursor = page.get("nextCursor")
            if not cursor:
                return

    def _refuse(self, error: BaseException) -> None:
        """Tell the callers that wait for the start that it failed."""
        if self._ready.done():
            return
        found = innermost(error)
        if self.lost and not isinstance(found, (BatchmillError, OSError)):
            found = self._failure("ended before it answered")
        if not isinstance(found, BatchmillError):
            pointless = isinstance(found, (FileNotFoundError, PermissionError, NotADirectoryError))
            found = self._failure(f"cannot be started: {_words(found)}", retryable=not pointless)
        self._ready.set_exception(found)
        self._ready.exception()  # read once, so that nobody complains where nobody waits

    def _not_started(self, error: object) -> NodeError:
        """The error that came in place of the server's first answers."""
        if (told := status_in(error)) is not None:
            return _of_status(self._name, "initialize", *told)
        if (unsent := unsent_in(error)) is not None:
            return self._not_sent(unsent)
        return self._failure(f"cannot be started: {error}")

    def _protocol_failure(self, tool: str, error: object) -> NodeError:
        """The error that the server sent in place of a result, or that the SDK made of a broken
        connection."""
        if self.lost:
            return self._failure("ended during the call")
        if (told := status_in(error)) is not None:
            return _of_status(self._name, tool, *told)
        if (unsent := unsent_in(error)) is not None:
            return self._not_sent(unsent)
        code = _code_of(error)
        if code == UNREADABLE:
            return _unreadable(f"the MCP server {self._name!r} sent {error}")
        message = f"the MCP server {self._name!r} refused to call {tool!r}: {error}"
        return NodeError(
            message,
            retryable=code not in (_NO_SUCH_METHOD, -32602),
            type_name="ProtocolError",
            outputs={"error": message},
        )

    def _is_in_doubt(self, error: object) -> bool:
        """Whether an error may be the end of the session: "session terminated", "connection closed" and the
        like have no codes in common, and a server may use any for errors of its own."""
        if self.lost or status_in(error) is not None or unsent_in(error) is not None:
            return False
        code = _code_of(error)
        return code not in (*_NOT_THE_SESSIONS_FAULT, UNREADABLE)

    def _not_sent(self, unsent: Unsent) -> NodeError:
        if unsent.lost:
            self.lose()
        message = f"the MCP server {self._name!r}: {unsent.message}"
        outputs = {"error": message}
        return NodeError(message, retryable=unsent.retryable, type_name=unsent.type_name, outputs=outputs)

    def _failure(self, what: str, *, retryable: bool = True) -> SessionLost:
        said = self._stderr.last_words()
        message = f"the MCP server {self._name!r} {what}" + (f"; it said: {said}" if said else "")
        return SessionLost(message, retryable=retryable)


def _code_of(error: object) -> int:
    """The code of a protocol error, 0 if it has none; the SDK's versions keep it in different places."""
    code: int = getattr(getattr(error, "error", error), "code", 0)
    return code


def _unreadable(message: str) -> NodeError:
    return NodeError(message, type_name="UnreadableReply", outputs={"error": message})


def _of_status(server: str, tool: str, status: int, wait: float | None) -> NodeError:
    """The error for an answer over HTTP other than 200; a refusal if it is one."""
    message = f"the MCP server {server!r} answered with {status} to a call of {tool!r}"
    return NodeError(
        message,
        outputs={"error": message, "status_code": status},
        retryable=status >= 500 or status in RETRYABLE,
        retry_after=wait,
        refused=is_refusal(status, wait),
        type_name=f"HTTP{status}",
    )


def _as_json(result: Any) -> dict[str, Any]:
    plain: dict[str, object] = result.model_dump(mode="json", by_alias=True, exclude_none=True)
    return plain


def innermost(error: BaseException) -> BaseException:
    """The first error in groups of groups."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _words(error: BaseException) -> str:
    return f"{error}" or type(error).__name__
