"""The ``merge`` node: combines several values into one, such as after parallel branches."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from batchmill.attempt import Attempt
from batchmill.concurrency.promises import plain_result
from batchmill.errors import InvalidParams
from batchmill.ir.faults import misspelt_function
from batchmill.nodes.bound import BoundParams
from batchmill.nodes.contract import DEFAULT_ACTION, Node, NodeResult, Output, Param
from batchmill.nodes.functions import load_function
from batchmill.nodes.next_action import chosen_actions
from batchmill.nodes.objects import merge_objects
from batchmill.nodes.program import Program, check_code
from batchmill.template import to_text

Inputs = list[Any] | dict[str, Any]

NEEDS_ONE = "mode custom needs either `function` or `code`"


class MergeNode(Node):
    type = "merge"
    requests = False
    summary = "Merge several values into one; branches that failed or were not taken are left out."
    params = (
        Param(
            "inputs", "array|object", "the values, as a list or by name", required=True, templates="branches"
        ),
        Param(
            "mode",
            "string",
            "array: a list of the values. dict: one object, from named values, or from listed "
            "objects with all their keys. concat: lists one after another, or text. first: the "
            "first value. custom: the result of `function` or `code`",
            default="array",
            choices=("array", "dict", "concat", "first", "custom"),
        ),
        Param(
            "on_conflict",
            "string",
            "in mode dict, if listed objects have different values for one key. error: fail. "
            "first, last: keep that one. deep: merge objects, append lists, and keep the last of "
            "other values",
            default="error",
            choices=("error", "first", "last", "deep"),
        ),
        Param("separator", "string", "put between pieces of text in mode concat", default=""),
        Param("function", "string", "for mode custom, as package.module:name; it gets the values"),
        Param("code", "string", "Python for mode custom: reads `inputs`, sets `result`", templates="none"),
    )
    outputs = (
        Output("result", "any", "the merged value; null in mode first if there is none"),
        Output("count", "integer", "the number of values, without nulls"),
    )

    @classmethod
    def actions(cls, params: Mapping[str, object]) -> frozenset[str] | None:
        code = params.get("code")
        return chosen_actions(code) if isinstance(code, str) else frozenset({DEFAULT_ACTION})

    def check(self, params: Mapping[str, object]) -> list[tuple[str, str]]:
        code, function = params.get("code"), params.get("function")
        faults = check_code(code) if isinstance(code, str) else []
        fault = misspelt_function(function) if isinstance(function, str) and "${" not in function else None
        if fault:
            faults.append(("function", fault))
        if params.get("mode") == "custom" and (code is None) is (function is None):
            faults.append(("mode", NEEDS_ONE))
        if "on_conflict" in params and isinstance(params.get("inputs"), dict):
            faults.append(("on_conflict", "named values cannot conflict; list them to merge what is in them"))
        return faults

    def run(self, params: BoundParams, attempt: Attempt) -> NodeResult:
        inputs = _present(params["inputs"])
        if params["mode"] == "custom":
            return _custom(inputs, params, attempt)
        merged = _MODES[params["mode"]](inputs, params)
        return NodeResult({"result": merged, "count": len(inputs)})


def _present(inputs: Inputs) -> Inputs:
    if isinstance(inputs, dict):
        return {name: value for name, value in inputs.items() if value is not None}
    return [value for value in inputs if value is not None]


def _values(inputs: Inputs) -> list[Any]:
    return list(inputs.values()) if isinstance(inputs, dict) else inputs


def _custom(inputs: Inputs, params: BoundParams, attempt: Attempt) -> NodeResult:
    code, function = params["code"], params["function"]
    if (code is None) is (function is None):
        raise InvalidParams(f"merge: {NEEDS_ONE}")
    if code is not None:
        ran = Program.of(code).run({"inputs": inputs}, attempt.cancel, attempt.remaining())
        return NodeResult({"result": ran.result, "count": len(inputs)}, ran.action)
    merged = load_function(function, MergeNode.type)(inputs)
    merged = plain_result(merged, attempt.cancel, attempt.remaining())
    return NodeResult({"result": merged, "count": len(inputs)})


def _array(inputs: Inputs, params: Mapping[str, object]) -> list[object]:
    return _values(inputs)


def _first(inputs: Inputs, params: Mapping[str, object]) -> object:
    return next(iter(_values(inputs)), None)


def _dict(inputs: Inputs, params: BoundParams) -> dict[str, object]:
    return inputs if isinstance(inputs, dict) else merge_objects(inputs, params["on_conflict"])


def _concat(inputs: Inputs, params: BoundParams) -> Any:
    values = _values(inputs)
    if values and all(isinstance(value, (list, tuple)) for value in values):
        return [one for value in values for one in value]
    separator: str = params["separator"]
    return separator.join(to_text(value) for value in values)


_MODES: dict[str, Callable[[Inputs, BoundParams], object]] = {
    "array": _array,
    "dict": _dict,
    "concat": _concat,
    "first": _first,
}
