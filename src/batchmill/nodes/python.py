"""The ``python`` node: a function out of an importable module."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from batchmill.attempt import Attempt
from batchmill.errors import NodeError
from batchmill.nodes.capture import capture
from batchmill.nodes.contract import Node, NodeResult, Output, Param
from batchmill.nodes.coroutines import run_coroutine
from batchmill.nodes.functions import load_function, misspelt


class PythonNode(Node):
    """Calls a function. Modules are looked for on ``sys.path``, as for any import."""

    type = "python"
    requests = False
    only_default = True
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
        fault = misspelt(function)
        return [("function", fault)] if fault else []

    def run(self, params: Mapping[str, Any], attempt: Attempt) -> NodeResult:
        function = load_function(params["function"], self.type)
        with capture() as captured:
            try:
                result = function(*(params["args"] or ()), **(params["inputs"] or {}))
                if inspect.iscoroutine(result):
                    result = _awaited(result, attempt)
            except SystemExit as error:
                outputs = {"stdout": captured.stdout, "stderr": captured.stderr}
                message = f"{params['function']} called sys.exit({error.code!r})"
                raise NodeError(message, outputs=outputs, type_name="SystemExit") from error
        if captured.fault:
            outputs = {"stdout": captured.stdout, "stderr": captured.stderr}
            raise NodeError(captured.fault, outputs=outputs, retryable=False, type_name="OutputLost")
        return NodeResult({"result": result, "stdout": captured.stdout, "stderr": captured.stderr})


def _awaited(coroutine: Any, attempt: Attempt) -> Any:
    return run_coroutine(lambda: coroutine, attempt.cancel)
