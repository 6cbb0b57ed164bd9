"""The tables of a document as its nodes use them: prices of models and MCP servers, files read.

A file of MCP servers is written for other programs too, so keys that mean nothing here are passed over;
in the document itself they are faults as everywhere.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from batchmill.errors import InvalidDocument
from batchmill.ir.faults import DocumentPath, Fault
from batchmill.ir.loading import load
from batchmill.ir.models import McpServerSpec, PriceSpec, Workflow
from batchmill.ir.models.reading import faults_of
from batchmill.record import Price, PriceTable
from batchmill.values.words import kind_of

MCP_FILE = ".mcp.json"
_SERVERS_KEY = "mcpServers"  # under which such a file holds its servers
_VARIABLE = re.compile(r"\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>[^}]*))?\}")
_HTTP_NAMES = ("http", "streamable-http", "streamable_http", "streamableHttp")


@dataclass(frozen=True, slots=True)
class Tables:
    """The parts of a document, besides their params, that node types may read."""

    prices: PriceTable = field(default_factory=PriceTable)
    mcp_servers: Mapping[str, McpServerSpec] = field(default_factory=dict)

    def within(self, around: Tables) -> Tables:
        """These tables, completed with those of the enclosing document."""
        prices = PriceTable({**around.prices.prices, **self.prices.prices})
        return Tables(prices, {**around.mcp_servers, **self.mcp_servers})


def tables_of(workflow: Workflow, folder: Path) -> tuple[Tables, list[Fault]]:
    """The tables, with their files read (paths are relative to ``folder``), and their faults."""
    prices, faults = _prices(workflow, folder)
    servers, more = _servers(workflow, folder)
    return Tables(prices, servers), [*faults, *more]


def _prices(workflow: Workflow, folder: Path) -> tuple[PriceTable, list[Fault]]:
    specs, faults = workflow.prices or {}, list[Fault]()
    if isinstance(specs, str):
        raw, faults = _file(folder / specs, ("prices",))
        specs, more = _read_each(raw.get("prices", raw), PriceSpec, ("prices",))
        faults += more
    table = {name: Price(one.input, one.output, one.cached, one.cache_write) for name, one in specs.items()}
    return PriceTable(table), faults


def _servers(workflow: Workflow, folder: Path) -> tuple[Mapping[str, McpServerSpec], list[Fault]]:
    servers = workflow.mcp_servers
    if isinstance(servers, Mapping):
        return servers, [fault for name, one in servers.items() for fault in _server_faults(name, one)]
    path = folder / (servers or MCP_FILE)
    if servers is None and not (_talks_mcp(workflow) and path.is_file()):
        return {}, []
    return servers_in(path)


def _talks_mcp(workflow: Workflow) -> bool:
    return any(node.type == "mcp" or node.type.startswith("mcp-") for node in workflow.nodes)


def servers_in(path: Path) -> tuple[dict[str, McpServerSpec], list[Fault]]:
    """The servers in a file such as ``.mcp.json``, and its faults."""
    at: DocumentPath = ("mcp_servers",)
    raw, faults = _file(path, at)
    servers = raw.get(_SERVERS_KEY, raw.get("mcp_servers", raw))
    if not isinstance(servers, dict):
        return {}, [*faults, Fault(at, f"{path}: `{_SERVERS_KEY}` must be an object, not {kind_of(servers)}")]
    known = {name: _known(one) for name, one in servers.items() if not _switched_off(one)}
    specs, more = _read_each(known, McpServerSpec, at)
    for name, spec in specs.items():
        more += [Fault(at, f"`{name}`: {fault.message}") for fault in _server_faults(name, spec)]
    return specs, faults + more


def _switched_off(raw: object) -> bool:
    return isinstance(raw, dict) and raw.get("disabled") is True


def _known(raw: object) -> object:
    if not isinstance(raw, dict):
        return raw
    kept = {key: value for key, value in raw.items() if key in McpServerSpec.model_fields}
    if kept.get("type") in _HTTP_NAMES:
        kept["type"] = "http"
    return kept


def _file(path: Path, at: DocumentPath) -> tuple[dict[str, object], list[Fault]]:
    try:
        draft = load(path)
    except InvalidDocument as error:
        return {}, [Fault(at, f"{path}: {error.problems[0].message}")]
    if not isinstance(draft.raw, dict):
        return {}, [Fault(at, f"{path} must hold an object, not {kind_of(draft.raw)}")]
    return draft.raw, [Fault(at, f"{path}: {problem}") for problem in draft.problems(())]


def _read_each(raw: object, model: type[Any], at: DocumentPath) -> tuple[dict[str, Any], list[Fault]]:
    """Each entry of a table, read by ``model``; faults have their place in the file."""
    if not isinstance(raw, dict):
        return {}, [Fault(at, f"must be an object, not {kind_of(raw)}")]
    read: dict[str, Any] = {}
    faults: list[Fault] = []
    for name, one in raw.items():
        made, wrong = faults_of(model, one, (*at, name))
        faults += [Fault(at, f"`{name}`: {fault.message}", fault.hint) for fault in wrong]
        if made is not None:
            read[name] = made
    return read, faults


def _server_faults(name: str, server: McpServerSpec) -> list[Fault]:
    at: DocumentPath = ("mcp_servers", name)
    if (server.command is None) is (server.url is None):
        return [Fault(at, "a server has either a `command` to start or a `url`")]
    if server.type == "http" and server.url is None:
        return [Fault(at, "a server of type `http` has a `url`")]
    if server.type == "stdio" and server.command is None:
        return [Fault(at, "a server of type `stdio` has a `command`")]
    if (
        server.url is not None
        and "${" not in server.url
        and not server.url.startswith(("http://", "https://"))
    ):
        return [Fault((*at, "url"), "a URL begins with http:// or https://")]
    return []


def expanded(text: str) -> str:
    """``text`` with ``${NAME}`` and ``${NAME:-default}`` replaced by variables of the environment.

    Raises :class:`KeyError` with the name of a variable that is not set and has no default.
    """

    def value(found: re.Match[str]) -> str:
        name, default = found["name"], found["default"]
        return os.environ[name] if default is None else os.environ.get(name) or default

    return _VARIABLE.sub(value, text)


def without_variables(text: str) -> str:
    """``text`` without what :func:`expanded` reads from the environment; defaults stay."""
    return _VARIABLE.sub(lambda found: found["default"] or "", text)
