"""``batchmill nodes --mcp FILE``: the tools of MCP servers, as node types."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from batchmill.attempt import Attempt
from batchmill.cli.exits import Exit
from batchmill.cli.faults import say
from batchmill.cli.json_text import as_json
from batchmill.cli.streams import print_data
from batchmill.concurrency.event_loop import background
from batchmill.concurrency.resources import resource_scope
from batchmill.errors import BatchmillError, InvalidDocument, MissingExtra, Problem
from batchmill.ir.faults import path_text
from batchmill.ir.models import McpServerSpec
from batchmill.ir.services import servers_in
from batchmill.nodes.mcp.node import PREFIX
from batchmill.nodes.mcp.server import server_named

Tools = dict[str, dict[str, Any]]


def show_tools(path: Path, type_name: str | None, json_wanted: bool) -> int:
    """Print the tools of all servers in a file, or the one that ``type_name`` names. If a server does not
    answer, print why on stderr and exit with 1."""
    servers, faults = servers_in(path)
    if faults:
        problems = tuple(Problem(path_text(fault.path), fault.message, fault.hint) for fault in faults)
        raise InvalidDocument(problems, str(path))
    with resource_scope():
        tools, failures = _asked(servers)
    for failure in failures:
        say(failure)
    if type_name is not None:
        tools = _only(tools, type_name)
    if json_wanted:
        print_data(as_json([_entry(name, tool) for name, tool in tools.items()], 2))
    elif type_name is None:
        print_data("\n".join(_list(tools)))
    else:
        print_data("\n".join(_in_full(type_name, tools[type_name])))
    return Exit.FAILED if failures else Exit.SUCCESS


def _asked(servers: Mapping[str, McpServerSpec]) -> tuple[Tools, list[str]]:
    tools: Tools = {}
    failures = []
    for name, spec in servers.items():
        try:
            listed = server_named(name, spec, background()).tools(Attempt())
        except MissingExtra:
            raise
        except BatchmillError as error:
            failures.append(str(error))
        else:
            tools.update({f"{PREFIX}{name}-{tool['name']}": tool for tool in listed})
    return tools, failures


def _only(tools: Tools, type_name: str) -> Tools:
    if type_name not in tools:
        raise click.UsageError(f"there is no {type_name!r}; there is {', '.join(tools) or 'nothing'}")
    return {type_name: tools[type_name]}


def _entry(name: str, tool: Mapping[str, object]) -> dict[str, object]:
    return {
        "type": name,
        "summary": _summary(tool),
        "input_schema": tool.get("inputSchema"),
        "output_schema": tool.get("outputSchema"),
    }


def _summary(tool: Mapping[str, Any]) -> str:
    lines = (tool.get("description") or tool.get("title") or "").strip().splitlines()
    return _printable(lines[0]) if lines else ""


def _printable(text: str) -> str:
    """Text from a server, without control characters that could move the cursor of a terminal."""
    return "".join(character if character.isprintable() else " " for character in text)


def _list(tools: Tools) -> Iterator[str]:
    width = max(map(len, tools), default=0)
    for name, tool in tools.items():
        yield f"{_printable(name):<{width}}  {_summary(tool)}"


def _in_full(name: str, tool: Mapping[str, Any]) -> Iterator[str]:
    yield f"{name}: {_summary(tool)}"
    yield ""
    yield "params:"
    schema = tool.get("inputSchema") or {}
    required = schema.get("required") or ()
    for param, about in (schema.get("properties") or {}).items():
        about = about if isinstance(about, dict) else {}
        remarks = [about.get("description") or "", "required" if param in required else ""]
        if "default" in about:
            remarks.append(f"default {json.dumps(about['default'])}")
        kind = about.get("type", "any")
        yield _printable(f"  {param}  {kind}  {'; '.join(filter(None, remarks))}".rstrip())
