"""The tools of a server: their list, their arguments, their results."""

from __future__ import annotations

import json
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from batchmill.errors import InvalidParams, NodeError
from batchmill.ir.value_schema import schema_fault, value_faults
from batchmill.nodes.json_params import container_param, plain_param
from batchmill.values.redaction import shortened

MOST_FAULTS = 5
_WRAPPED = "result"  # the key under which the SDK's servers give a value that is no object


def tool_named(server: str, name: str, tools: Mapping[str, dict[str, object]]) -> dict[str, Any]:
    """The description of a tool; ``-`` and ``_`` are the same where that leaves no doubt.

    Raises :class:`~batchmill.errors.NodeError` with the names that there are.
    """
    if name in tools:
        return tools[name]
    alike = [one for one in tools if one.replace("-", "_") == name.replace("-", "_")]
    if len(alike) == 1:
        return tools[alike[0]]
    close = get_close_matches(name, list(tools), 1)
    hint = f"did you mean {close[0]!r}?" if close else f"there is {', '.join(tools) or 'none'}"
    message = f"the MCP server {server!r} has no tool {name!r}; {hint}"
    raise NodeError(message, retryable=False, type_name="UnknownTool", outputs={"error": message})


def checked_arguments(tool: Mapping[str, object], arguments: dict[str, object]) -> dict[str, Any]:
    """``arguments`` as plain data. Text is parsed as JSON where the tool's schema takes a list or an object
    but no text.

    Raises :class:`~batchmill.errors.InvalidParams` if the schema does not allow them. An invalid schema
    allows everything: the server decides.
    """
    arguments = plain_param(arguments, "mcp", "arguments")
    schema = tool.get("inputSchema")
    if not isinstance(schema, dict) or schema_fault(schema):
        return arguments
    properties = schema.get("properties")
    for name, about in properties.items() if isinstance(properties, dict) else ():
        if name in arguments and isinstance(about, dict):
            arguments[name] = container_param(arguments[name], about.get("type"), f"mcp: `{name}`")
    wrong = value_faults(arguments, schema, secret=False)[:MOST_FAULTS]
    if wrong:
        raise InvalidParams(
            f"mcp: the tool {tool['name']!r} cannot be given these arguments: {'; '.join(wrong)}"
        )
    return arguments


def outputs_of(tool: str, result: Mapping[str, Any]) -> dict[str, Any]:
    """The outputs of a node for the result of a tool.

    Raises :class:`~batchmill.errors.NodeError` for a result that the tool marks as an error.
    """
    content = result.get("content") or []
    outputs = {"result": _value(result, content), "content": content, "error": ""}
    if result.get("isError"):
        said = _text(content) or json.dumps(content)
        message = f"the tool {tool!r} failed: {shortened(said, 2000)}"
        raise NodeError(message, type_name="ToolError", outputs={**outputs, "error": message})
    return outputs


def _value(result: Mapping[str, object], content: list[dict[str, object]]) -> object:
    """The structured content; without it the text, or all content if there is more than text."""
    structured = result.get("structuredContent")
    if isinstance(structured, dict) and structured.keys() == {_WRAPPED}:
        return structured[_WRAPPED]
    if structured is not None:
        return structured
    texts = [one.get("text", "") for one in content if one.get("type") == "text"]
    if len(texts) < len(content):
        return content
    return texts[0] if len(texts) == 1 else texts


def _text(content: list[dict[str, Any]]) -> str:
    return "\n".join(one["text"] for one in content if one.get("type") == "text" and one.get("text"))
