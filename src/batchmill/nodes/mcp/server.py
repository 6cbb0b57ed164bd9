"""A server as nodes use it: a session that starts when needed, and restarts if it was lost."""

from __future__ import annotations

import asyncio
from typing import Any

from batchmill.attempt import Attempt
from batchmill.concurrency.deadline import deadline
from batchmill.concurrency.event_loop import BackgroundLoop, current
from batchmill.concurrency.resources import process_resource
from batchmill.errors import AttemptTimeout
from batchmill.ir.models import McpServerSpec
from batchmill.nodes.access.secrets import BoundSecret
from batchmill.nodes.mcp.sdk import is_imported, sdk
from batchmill.nodes.mcp.session import Session
from batchmill.nodes.mcp.tools import checked_arguments, outputs_of, tool_named
from batchmill.nodes.room import room

CLOSE_SECONDS = 20.0


class Server:
    """One server of this process, for all nodes and items that name it.

    Concurrency: any thread may call ``tools`` and ``close``; everything else, and all fields, belong to the
    loop's thread.
    """

    def __init__(
        self, name: str, spec: McpServerSpec, loop: BackgroundLoop, secrets: tuple[BoundSecret, ...] = ()
    ) -> None:
        self._name = name
        self._spec = spec
        self._loop = loop
        self._secrets = secrets
        self._sessions: list[Session] = []  # the last one is in use, others are on their way out

    def tools(self, attempt: Attempt) -> list[dict[str, Any]]:
        """The descriptions of all tools, as the server gives them."""

        async def listed() -> list[dict[str, Any]]:
            return list((await self._session()).tools.values())

        return self._loop.call(listed, attempt.cancel, None, f"the MCP server {self._name!r}")

    def close(self) -> None:
        """End the session, and with it the program."""
        self._loop.settle(self._end, CLOSE_SECONDS)

    async def called(
        self, tool: str, arguments: dict[str, object], attempt: Attempt, seconds: float | None
    ) -> dict[str, Any]:
        """The outputs of a node that calls ``tool``.

        Raises :class:`~batchmill.errors.AttemptTimeout` and :class:`~batchmill.errors.NodeError`.
        """
        if self._spec.url is None:
            return await self._called(tool, arguments, attempt, seconds)
        places = room()
        await places.entered(attempt)
        try:
            return await self._called(tool, arguments, attempt, seconds)
        finally:
            places.leave()

    async def _called(
        self, tool: str, arguments: dict[str, object], attempt: Attempt, seconds: float | None
    ) -> dict[str, Any]:
        seconds = seconds if seconds is not None else self._spec.timeout
        session = await self._session()
        left, given = attempt.within(seconds), attempt.given(seconds)  # of the call, once the server is there
        described = tool_named(self._name, tool, session.tools)
        arguments = checked_arguments(described, arguments)
        what = f"the tool {tool!r} of the MCP server {self._name!r}"
        try:
            async with deadline(left, f"{what} did not end within {given or 0:g} s"):
                result = await session.call(described["name"], arguments)
        except AttemptTimeout:
            await session.check()
            raise
        return outputs_of(described["name"], result)

    async def _session(self) -> Session:
        """A session that works, as far as is known. All callers that come while it starts wait for the same
        one."""
        if not self._sessions or self._sessions[-1].lost:
            self._sessions.append(Session(self._name, self._spec, self._secrets))
        session = self._sessions[-1]
        await session.started()
        return session

    async def _end(self) -> None:
        sessions, self._sessions = self._sessions, []
        await asyncio.gather(*(session.end() for session in sessions))


def server_named(
    name: str, spec: McpServerSpec, loop: BackgroundLoop, secrets: tuple[BoundSecret, ...] = ()
) -> Server:
    """The server of this process for these settings, until the last run in it ends. It lives on ``loop``, and
    gets ``secrets`` only if it is at one of their hosts.

    Raises :class:`~batchmill.errors.MissingExtra`.
    """
    sdk()  # imported here: the loop is not to wait for that
    key = ("mcp server", loop.depth, name, spec.model_dump_json(), secrets)
    return process_resource(key, lambda: Server(name, spec, loop, secrets))


async def server_awaited(name: str, spec: McpServerSpec, secrets: tuple[BoundSecret, ...] = ()) -> Server:
    """The same from within the loop, which stays free for others while the SDK is imported."""
    if not is_imported():
        await asyncio.to_thread(sdk)
    return server_named(name, spec, current(), secrets)
