"""The node types ``mcp`` and ``mcp-<server>-<tool>``: one call of a tool."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import ClassVar

from batchmill.attempt import Attempt
from batchmill.errors import BrokenNodeType, InvalidParams
from batchmill.ir.models import McpServerSpec
from batchmill.ir.services import Tables, without_variables
from batchmill.nodes.bound import BoundParams
from batchmill.nodes.contract import Node, NodeClass, NodeResult, Output, Param, ServiceNode
from batchmill.nodes.mcp.server import server_awaited
from batchmill.values.told_secrets import told_secret

PREFIX = "mcp-"
_OUTPUTS = (
    Output("result", "any", "what the tool returned: a value, its text, or all its content", diagnostic=True),
    Output("content", "array", "the content of the result, as the server sent it", diagnostic=True),
    Output("error", "string", "why the node failed, empty if it did not", diagnostic=True),
)


class McpNode(ServiceNode):
    """Calls a tool of a server that the document names.

    A server that is a program is started when its first tool is called and serves all items of the process;
    it ends with the run.
    """

    type = "mcp"
    only_default = True
    summary = "Call a tool of an MCP server."
    servers: ClassVar[Mapping[str, McpServerSpec]] = {}
    params = (
        Param("server", "string", "the name of the server in `mcp_servers`", required=True),
        Param("tool", "string", "the name of the tool", required=True),
        Param("arguments", "object", "the arguments of the tool; checked against its schema before the call"),
        Param(
            "timeout",
            "number",
            "seconds for the call; the server's `timeout` without it",
            minimum=0.001,
            content=False,
        ),
    )
    outputs = _OUTPUTS

    @classmethod
    def credential(cls, params: Mapping[str, object]) -> str:
        return super().credential(params) or _credential_of(cls.servers)

    @classmethod
    def of_document(cls, tables: Tables) -> NodeClass:
        more = {"servers": tables.mcp_servers, "__module__": cls.__module__}
        return type(cls.__name__, (cls,), more)

    def check(self, params: Mapping[str, object]) -> list[tuple[str, str]]:
        name = params.get("server")
        if not isinstance(name, str) or "${" in name or name in self.servers:
            return []
        return [("server", _unknown(name, self.servers))]

    async def run_async(self, params: BoundParams, attempt: Attempt) -> NodeResult:
        name = params["server"]
        spec = self.servers.get(name)
        if spec is None:
            raise InvalidParams(f"mcp: {_unknown(name, self.servers)}")
        server = await server_awaited(name, spec, self.secrets)
        return NodeResult(
            await server.called(params["tool"], params["arguments"] or {}, attempt, params["timeout"])
        )


class McpToolNode(ServiceNode):
    """Base of the types that name a server and a tool of it; their params are the tool's arguments."""

    type = "mcp-<server>-<tool>"
    only_default = True
    summary = "Call this tool of an MCP server; the params are its arguments."
    open_params = True
    outputs = _OUTPUTS
    server: ClassVar[str] = ""
    tool: ClassVar[str] = ""
    spec: ClassVar[McpServerSpec | None] = None

    @classmethod
    def credential(cls, params: Mapping[str, object]) -> str:
        own = {} if cls.spec is None else {cls.server: cls.spec}
        return super().credential(params) or _credential_of(own)

    @classmethod
    def of_document(cls, tables: Tables) -> NodeClass:
        server, tool = _parts(cls.type, tables.mcp_servers)
        more = {"server": server, "tool": tool, "spec": tables.mcp_servers[server]}
        return type(cls.__name__, (cls,), {**more, "__module__": cls.__module__})

    async def run_async(self, params: BoundParams, attempt: Attempt) -> NodeResult:
        if self.spec is None:
            raise InvalidParams(f"{self.type}: no document says what the server is")
        server = await server_awaited(self.server, self.spec, self.secrets)
        return NodeResult(await server.called(self.tool, dict(params), attempt, None))


def tool_type(type_name: str) -> type[Node]:
    """The class of a type ``mcp-<server>-<tool>``; the document defines the server."""
    return type("McpToolNode", (McpToolNode,), {"type": type_name, "__module__": __name__})


def _credential_of(servers: Mapping[str, McpServerSpec]) -> str:
    """The first credential that is written in an entry of `mcp_servers`, in words; "" if there is none.
    Variables that entries name are read where the items run, so they do not count."""
    for name, spec in servers.items():
        places = {
            "env": spec.env,
            "headers": spec.headers,
            "args": _flags(spec.args),
            "url": {"": spec.url or ""},
        }
        for place, texts in places.items():
            if told_secret({key: without_variables(text) for key, text in texts.items()}) is not None:
                return f"`{place}` of the MCP server {name!r}"
    return ""


def _flags(args: Sequence[str]) -> dict[str, str]:
    """The values of ``--name=value`` and ``--name value``, and the other arguments under no name."""
    found = {"": "\n".join(args)}
    for arg, following in zip(args, (*args[1:], ""), strict=False):
        name, equals, value = arg.partition("=")
        if arg.startswith("-") and (equals or not following.startswith("-")):
            found[name] = value if equals else following
    return found


def _parts(type_name: str, servers: Mapping[str, McpServerSpec]) -> tuple[str, str]:
    """Server and tool; of servers that fit, the one with the longest name.

    Raises :class:`~batchmill.errors.BrokenNodeType`.
    """
    rest = type_name.removeprefix(PREFIX)
    fitting = [name for name in servers if rest.startswith(f"{name}-") and len(rest) > len(name) + 1]
    if not fitting:
        raise BrokenNodeType(type_name, _unknown(rest.partition("-")[0], servers))
    server = max(fitting, key=len)
    return server, rest[len(server) + 1 :]


def _unknown(name: str, servers: Mapping[str, McpServerSpec]) -> str:
    if not servers:
        return f"there is no MCP server {name!r}: the document has no `mcp_servers`"
    close = get_close_matches(name, list(servers), 1)
    hint = f"did you mean {close[0]!r}?" if close else f"there is {', '.join(servers)}"
    return f"there is no MCP server {name!r}; {hint}"
