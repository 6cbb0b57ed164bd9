"""The ``python`` node: a function out of an importable module."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from batchmill.attempt import Attempt
from batchmill.errors import InvalidParams, NodeError
from batchmill.nodes.capture import capture
from batchmill.nodes.contract import Node, NodeResult, Output, Param
from batchmill.nodes.coroutines import run_coroutine


class PythonNode(Node):
    """Calls a function. Modules are looked for on ``sys.path``, as for any import."""

    type = "python"
    summary = "Call a Python function: `args` and `inputs` are its arguments, what it returns the result."
    params = (
        Param("function", "string", "the function, as package.module:name", required=True),
        Param("args", "array", "positional arguments"),
        Param("inputs", "object", "keyword arguments"),
    )
    outputs = (
        Output("result", "any", "what the function returned"),
        Output("stdout", "string", "what it printed"),
        Output("stderr", "string", "what it printed to sys.stderr", diagnostic=True),
    )

    def check(self, params: Mapping[str, Any]) -> list[tuple[str, str]]:
        function = params.get("function")
        if not isinstance(function, str) or "${" in function:
            return []
        fault = _misspelt(function)
        return [("function", fault)] if fault else []

    def run(self, params: Mapping[str, Any], attempt: Attempt) -> NodeResult:
        function = _load(params["function"])
        with capture() as captured:
            try:
                result = function(*(params["args"] or ()), **(params["inputs"] or {}))
                if inspect.iscoroutine(result):
                    result = _awaited(result, attempt)
            except SystemExit as error:
                outputs = {"stdout": captured.stdout, "stderr": captured.stderr}
                message = f"{params['function']} called sys.exit({error.code!r})"
                raise NodeError(message, outputs=outputs, type_name="SystemExit") from error
        return NodeResult({"result": result, "stdout": captured.stdout, "stderr": captured.stderr})


def _misspelt(path: str) -> str | None:
    module_name, colon, attribute = path.partition(":")
    names = [*module_name.split("."), *attribute.split(".")]
    if colon and all(name.isidentifier() for name in names):
        return None
    hint = ""
    if not colon and "." in path:
        hint = f"; did you mean {':'.join(path.rsplit('.', 1))!r}?"
    return f"a function is written package.module:name, not {path!r}{hint}"


def _load(path: str) -> Callable[..., Any]:
    fault = _misspelt(path)
    if fault:
        raise InvalidParams(f"python: {fault}")
    module_name, _, attribute = path.partition(":")
    try:
        found: Any = importlib.import_module(module_name)
    except ImportError as error:
        raise NodeError(
            f"cannot import {module_name!r} for {path!r}: {error}", retryable=False, type_name="ImportError"
        ) from error
    for name in attribute.split("."):
        if not hasattr(found, name):
            raise InvalidParams(f"python: there is no {name!r} in {module_name!r} (function {path!r})")
        found = getattr(found, name)
    if not callable(found):
        raise InvalidParams(f"python: {path!r} is a {type(found).__name__}, which cannot be called")
    function: Callable[..., Any] = found
    return function


def _awaited(coroutine: Any, attempt: Attempt) -> Any:
    return run_coroutine(lambda: coroutine, attempt.cancel)
