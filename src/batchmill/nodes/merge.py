"""The ``merge`` node: several values made into one, as after branches that ran at the same time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from batchmill.attempt import Attempt
from batchmill.errors import InvalidParams
from batchmill.nodes.contract import Node, NodeResult, Output, Param
from batchmill.nodes.program import Program, check_code
from batchmill.template import to_text

Inputs = list[Any] | dict[str, Any]


class MergeNode(Node):
    type = "merge"
    summary = "Make one value of several; nulls, such as those of branches not taken, are left out."
    params = (
        Param("inputs", "array|object", "the values, as a list or by name", required=True),
        Param(
            "mode",
            "string",
            "array: a list of the values. dict: one object, of named values as they are, of listed objects "
            "with later ones winning. concat: lists one after another, or text. first: the first value. "
            "custom: what `code` makes of it",
            default="array",
            choices=("array", "dict", "concat", "first", "custom"),
        ),
        Param("separator", "string", "put between pieces of text in mode concat", default=""),
        Param("code", "string", "Python for mode custom: reads `inputs`, sets `result`", templates="none"),
    )
    outputs = (
        Output("result", "any", "the merged value; null in mode first when there is none"),
        Output("count", "integer", "how many values were there, nulls not counted"),
    )

    def check(self, params: Mapping[str, Any]) -> list[tuple[str, str]]:
        code = params.get("code")
        if code is None:
            return [("code", "mode custom needs `code`")] if params.get("mode") == "custom" else []
        return check_code(code) if isinstance(code, str) else []

    def run(self, params: Mapping[str, Any], attempt: Attempt) -> NodeResult:
        inputs = _present(params["inputs"])
        if params["mode"] == "custom":
            if params["code"] is None:
                raise InvalidParams("merge: mode custom needs `code`, which sets `result`")
            ran = Program.of(params["code"]).run({"inputs": inputs})
            return NodeResult({"result": ran.result, "count": len(inputs)}, ran.action)
        merged = _MODES[params["mode"]](inputs, params["separator"])
        return NodeResult({"result": merged, "count": len(inputs)})


def _present(inputs: Inputs) -> Inputs:
    if isinstance(inputs, dict):
        return {name: value for name, value in inputs.items() if value is not None}
    return [value for value in inputs if value is not None]


def _values(inputs: Inputs) -> list[Any]:
    return list(inputs.values()) if isinstance(inputs, dict) else inputs


def _array(inputs: Inputs, separator: str) -> list[Any]:
    return _values(inputs)


def _first(inputs: Inputs, separator: str) -> Any:
    return next(iter(_values(inputs)), None)


def _dict(inputs: Inputs, separator: str) -> dict[str, Any]:
    if isinstance(inputs, dict):
        return inputs
    merged: dict[str, Any] = {}
    for number, value in enumerate(inputs):
        if not isinstance(value, dict):
            raise InvalidParams(
                f"merge: mode dict makes one object of several, and value {number} is a "
                f"{type(value).__name__}; give `inputs` as an object to name the values"
            )
        merged.update(value)
    return merged


def _concat(inputs: Inputs, separator: str) -> Any:
    values = _values(inputs)
    if values and all(isinstance(value, (list, tuple)) for value in values):
        return [one for value in values for one in value]
    return separator.join(to_text(value) for value in values)


_MODES: dict[str, Callable[[Inputs, str], Any]] = {
    "array": _array,
    "dict": _dict,
    "concat": _concat,
    "first": _first,
}
