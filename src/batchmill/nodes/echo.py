"""The ``echo`` node: returns its params as outputs, to try out documents without side effects."""

from __future__ import annotations

from batchmill.attempt import Attempt
from batchmill.nodes.bound import BoundParams
from batchmill.nodes.contract import Node, NodeResult, Output, Param
from batchmill.template import to_text


class EchoNode(Node):
    type = "echo"
    requests = False
    only_default = True
    summary = "Return a message and other values unchanged."
    params = (
        Param("message", "any", "the message; other values become text", default="Hello, World!"),
        Param("data", "any", "any value, returned unchanged"),
        Param("prefix", "string", "put before the message"),
        Param("suffix", "string", "put after the message"),
        Param("count", "integer", "how often to repeat the message, with spaces between", minimum=1),
        Param("uppercase", "boolean", "write it in capital letters"),
    )
    outputs = (
        Output("echo", "string", "the message"),
        Output("data", "any", "the value of `data`"),
        Output("metadata", "object", "`original_message`, `count` and whether the message was `modified`"),
    )
    open_params = True
    open_outputs = True
    passes_params = True

    def run(self, params: BoundParams, attempt: Attempt) -> NodeResult:
        message = to_text(params["message"])
        count = params["count"] or 1
        said = f"{params['prefix'] or ''}{message}{params['suffix'] or ''}"
        if count > 1:
            said = " ".join([said] * count)
        if params["uppercase"]:
            said = said.upper()
        outputs = dict(params)
        for name in _OPTIONAL:
            if outputs[name] is None:
                del outputs[name]
        outputs["echo"] = said
        outputs["metadata"] = {"original_message": message, "count": count, "modified": said != message}
        return NodeResult(outputs)


_OPTIONAL = ("prefix", "suffix", "count", "uppercase")
