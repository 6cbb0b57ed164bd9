"""A document's node types as nodes of a flow."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from typing import Any

from batchmill.attempt import Attempt
from batchmill.errors import InvalidParams, NodeError
from batchmill.flow.calls import current_recorder
from batchmill.flow.node import Node
from batchmill.nodes import DEFAULT_ACTION, ERROR_ACTION, NodeResult, bind, check_params, default_registry
from batchmill.record import Recorder
from batchmill.step import StepParams
from batchmill.template import Scope


class DocumentNode(Node[MutableMapping[str, Any], dict[str, Any], dict[str, Any], NodeResult]):
    """Runs a node type of a document, such as ``shell`` or ``http``, as one step of a flow.

    Give the type's params as a mapping, as keywords or both; ``${...}`` in them refers to the shared store,
    overlaid with the params from the flow. The outputs go into the store under ``name``, by default the name
    of the type. If the node fails for good and has a successor for the action ``error``, its diagnostic
    outputs go there instead and the flow continues with that successor.

    Raises :class:`~batchmill.errors.InvalidParams` when you make it with params that the type does not
    accept, and the registry's errors for an unknown type.
    """

    def __init__(
        self,
        type_name: str,
        params: Mapping[str, object] | None = None,
        /,
        *,
        name: str | None = None,
        max_retries: int = 1,
        wait: float = 0,
        **more: object,
    ) -> None:
        super().__init__(max_retries, wait)
        written = {**(params or {}), **more}
        self.name = name or type_name
        self.kind = default_registry().get(type_name)
        faults = check_params(self.kind, written)
        if faults:
            raise InvalidParams(f"{type_name}: " + "; ".join(message for _, message in faults))
        self.written = StepParams(self.kind, written)

    def prep(self, shared: MutableMapping[str, Any]) -> dict[str, Any]:
        """The params with their templates resolved."""
        return self.written.resolve(Scope({**shared, **self.params}))

    def exec(self, prep_res: dict[str, Any]) -> NodeResult:
        """Run the node; what it records goes to the run's recorder."""
        recorder = Recorder()
        try:
            return self.kind().run(bind(self.kind, prep_res), Attempt(self.cur_retry + 1, recorder=recorder))
        finally:
            if recorded := recorder.drain():
                current_recorder().extend(recorded)

    def exec_fallback(self, prep_res: dict[str, Any], exc: Exception) -> NodeResult:
        """Take the ``error`` successor if there is one; otherwise raise the failure."""
        if ERROR_ACTION not in self.successors:
            raise exc
        outputs = exc.outputs if isinstance(exc, NodeError) else {}
        return NodeResult({"error": str(exc), **outputs}, ERROR_ACTION)

    def post(self, shared: MutableMapping[str, Any], prep_res: dict[str, Any], exec_res: NodeResult) -> Any:
        """Put the outputs into the store; the node's action picks what follows."""
        shared[self.name] = exec_res.outputs
        return None if exec_res.action == DEFAULT_ACTION else exec_res.action
