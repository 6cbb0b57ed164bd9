"""The ``code`` node: Python text run in this process, with its inputs as names."""

from __future__ import annotations

import keyword
from collections.abc import Mapping

from batchmill.attempt import Attempt
from batchmill.concurrency.time_limit import run_limited
from batchmill.errors import AttemptTimeout, tell_outputs
from batchmill.nodes.bound import BoundParams
from batchmill.nodes.capture import Captured
from batchmill.nodes.contract import Node, NodeResult, Output, Param
from batchmill.nodes.next_action import chosen_actions
from batchmill.nodes.program import ACTION_NAME, Program, Ran, check_code


class CodeNode(Node):
    """Runs Python text.

    A thread cannot be killed: at its ``timeout`` the code is abandoned in a thread of its own, where it may
    continue until it ends by itself. In a process executor the item's ``timeout`` does kill it.
    """

    type = "code"
    requests = False
    summary = "Run Python code: `inputs` are its names, `result` is its output, `next` chooses the edge."
    params = (
        Param("code", "string", "Python text; sets `result`, and may set `next`", True, templates="none"),
        Param("inputs", "object", "the names that the code can use, with their values"),
        Param("timeout", "number", "seconds until the code is abandoned", minimum=0.001, content=False),
        Param(
            "requires",
            "array",
            "packages the code needs, for the reader; nothing is installed",
            content=False,
        ),
    )
    outputs = (
        Output("result", "any", "the value of `result` when the code ended, null if it set none"),
        Output("stdout", "string", "what the code printed", diagnostic=True),
        Output("stderr", "string", "what the code printed to sys.stderr", diagnostic=True),
        Output("error", "string", "why the node failed, empty if it did not", diagnostic=True),
    )

    @classmethod
    def actions(cls, params: Mapping[str, object]) -> frozenset[str] | None:
        code = params.get("code")
        return chosen_actions(code) if isinstance(code, str) else None

    def check(self, params: Mapping[str, object]) -> list[tuple[str, str]]:
        code, inputs = params.get("code"), params.get("inputs")
        faults = check_code(code) if isinstance(code, str) else []
        for name in inputs if isinstance(inputs, dict) else ():
            if "${" in name:
                continue  # it is known when the node runs
            if not name.isidentifier() or keyword.iskeyword(name):
                faults.append(("inputs", f"{name!r} cannot be a name in Python code"))
            elif name == ACTION_NAME:
                faults.append(("inputs", "`next` names the action to follow and cannot be an input"))
        return faults

    def run(self, params: BoundParams, attempt: Attempt) -> NodeResult:
        program = Program.of(params["code"])
        inputs = params["inputs"] or {}
        seconds, captured = attempt.within(params["timeout"]), Captured()

        def run() -> Ran:
            return program.run(inputs, attempt.cancel, seconds, captured)

        try:
            if params["timeout"] is None:
                ran = run()
            else:
                ran = run_limited(run, seconds, attempt.cancel, attempt.given(params["timeout"]))
        except AttemptTimeout as error:
            tell_outputs(error, captured.outputs)
            raise
        return NodeResult({"result": ran.result, **ran.captured.outputs, "error": ""}, ran.action)
