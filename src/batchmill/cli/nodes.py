"""``batchmill nodes``: the node types, with the params and outputs of each."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from batchmill.cli import options
from batchmill.cli.exits import Exit
from batchmill.cli.json_text import as_json
from batchmill.cli.mcp_tools import show_tools
from batchmill.cli.streams import print_data
from batchmill.errors import BrokenNodeType
from batchmill.nodes.contract import Node, Output, Param
from batchmill.nodes.registry import Registry, default_registry


@click.command("nodes", short_help="List the node types, or describe one in full.")
@click.argument("type_name", metavar="[TYPE]", required=False)
@click.option(
    "--mcp", "servers_file", type=Path, metavar="FILE", help="List the tools of the MCP servers in FILE."
)
@options.json_flag("Print JSON.")
def command(type_name: str | None, servers_file: Path | None, json_wanted: bool) -> int:
    """List all node types with their summaries, or describe TYPE with its params and outputs.

    With --mcp the servers in FILE (an .mcp.json, or a document with `mcp_servers`) are started and asked for
    their tools.
    """
    if servers_file is not None:
        return show_tools(servers_file, type_name, json_wanted)
    registry = default_registry()
    if type_name is not None:
        node = registry.get(type_name)
        print_data(as_json(described(node), 2) if json_wanted else "\n".join(_in_full(node)))
    elif json_wanted:
        print_data(as_json([_entry(registry, name) for name in registry.names()], 2))
    else:
        print_data("\n".join(_list(registry)))
    return Exit.SUCCESS


def described(node: type[Node]) -> dict[str, Any]:
    """A node type as plain JSON data."""
    return {
        "type": node.type,
        "summary": node.summary,
        "params": [_param_json(param) for param in node.params],
        "other_params": node.open_params,
        "outputs": [
            {"name": output.name, "type": output.type, "description": output.description}
            for output in node.outputs
        ],
        "other_outputs": node.open_outputs,
    }


def _entry(registry: Registry, name: str) -> dict[str, object]:
    """One type in the list of all types; a type whose code cannot be loaded has the error in place of its
    params."""
    try:
        return {**described(registry.get(name)), "type": name}
    except BrokenNodeType as error:
        return {"type": name, "error": str(error)}


def _param_json(param: Param) -> dict[str, object]:
    told: dict[str, Any] = {"name": param.name, "type": param.type, "required": param.required}
    if not param.required:
        told["default"] = param.default
    if param.choices:
        told["choices"] = list(param.choices)
    if param.minimum is not None:
        told["minimum"] = param.minimum
    return {**told, "description": param.description}


def _list(registry: Registry) -> Iterator[str]:
    names = registry.names()
    width = max(map(len, names), default=0)
    for name in names:
        try:
            summary = registry.get(name).summary
        except BrokenNodeType as error:
            summary = f"(does not load: {error})"
        yield f"{name:<{width}}  {summary}"


def _in_full(node: type[Node]) -> Iterator[str]:
    yield f"{node.type}: {node.summary}"
    yield from _table("params", [_param_row(param) for param in node.params], node.open_params)
    yield from _table("outputs", [_output_row(output) for output in node.outputs], node.open_outputs)


def _param_row(param: Param) -> tuple[str, str, str]:
    remarks = [param.description]
    if param.choices:
        remarks.append("one of " + ", ".join(json.dumps(choice) for choice in param.choices))
    if param.minimum is not None:
        remarks.append(f"at least {param.minimum:g}")
    if param.required:
        remarks.append("required")
    elif param.default is not None:
        remarks.append(f"default {json.dumps(param.default)}")
    return param.name, param.type, "; ".join(remarks)


def _output_row(output: Output) -> tuple[str, str, str]:
    return output.name, output.type, output.description


def _table(title: str, rows: list[tuple[str, str, str]], more: bool) -> Iterator[str]:
    yield ""
    yield f"{title}:" if rows or more else f"{title}: none"
    widths = [max((len(row[column]) for row in rows), default=0) for column in (0, 1)]
    for name, kind, words in rows:
        yield f"  {name:<{widths[0]}}  {kind:<{widths[1]}}  {words}"
    if more:
        yield "  and any others"
