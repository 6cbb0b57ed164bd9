"""The ``python`` node: calls a function of an importable module."""

from __future__ import annotations

from collections.abc import Mapping

from batchmill.attempt import Attempt
from batchmill.concurrency.promises import plain_result
from batchmill.errors import NodeError
from batchmill.ir.faults import misspelt_function
from batchmill.nodes.bound import BoundParams
from batchmill.nodes.capture import capture
from batchmill.nodes.contract import Node, NodeResult, Output, Param
from batchmill.nodes.functions import load_function


class PythonNode(Node):
    """Calls a function. Modules are searched on ``sys.path``, as for any import."""

    type = "python"
    requests = False
    only_default = True
    summary = "Call a Python function: `args` and `inputs` are its arguments, its return value is the result."
    params = (
        Param("function", "string", "the function, as package.module:name", required=True),
        Param("args", "array", "positional arguments"),
        Param("inputs", "object", "keyword arguments"),
    )
    outputs = (
        Output("result", "any", "what the function returned"),
        Output("stdout", "string", "what it printed", diagnostic=True),
        Output("stderr", "string", "what the code printed to sys.stderr", diagnostic=True),
    )

    def check(self, params: Mapping[str, object]) -> list[tuple[str, str]]:
        function = params.get("function")
        if not isinstance(function, str) or "${" in function:
            return []
        fault = misspelt_function(function)
        return [("function", fault)] if fault else []

    def run(self, params: BoundParams, attempt: Attempt) -> NodeResult:
        function = load_function(params["function"], self.type)
        with capture() as captured:
            try:
                result = function(*(params["args"] or ()), **(params["inputs"] or {}))
                result = plain_result(result, attempt.cancel, attempt.remaining())
            except SystemExit as error:
                message = f"{params['function']} called sys.exit({error.code!r})"
                raise NodeError(message, outputs=captured.outputs, type_name="SystemExit") from error
        if captured.fault:
            raise NodeError(captured.fault, outputs=captured.outputs, retryable=False, type_name="OutputLost")
        return NodeResult({"result": result, **captured.outputs})
