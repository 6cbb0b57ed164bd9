"""pflow's side of the document row; imported only in pflow's own virtual environment.

pflow has no node that does nothing, so one is given to its compiler through the registry it asks. What
is run is its compiler and its engine, without command line, trace or report.
"""

from __future__ import annotations

from typing import Any

from pflow.core.node import Node
from pflow.runtime.compilation import compile_workflow
from pflow.runtime.engine.engine import WorkflowEngine


class Echo(Node):  # type: ignore[misc] # pflow is not installed where types are checked
    """Writes its param ``message``; the same work as the other sides' echo."""

    def prep(self, shared: dict[str, Any]) -> Any:
        """The resolved param."""
        return self.params["message"]

    def exec(self, prep_res: Any) -> Any:
        """Nothing to do."""
        return prep_res

    def post(self, shared: dict[str, Any], prep_res: Any, exec_res: Any) -> str:
        """Write the one output."""
        shared["echo"] = exec_res
        return "default"


class OneType:
    """A registry that knows :class:`Echo`, in the form pflow's compiler reads."""

    def load(self, include_filtered: bool = False) -> dict[str, dict[str, Any]]:
        """All node types, by name."""
        params = [{"key": "message", "type": "any", "description": "what to echo"}]
        interface = {
            "inputs": [],
            "params": params,
            "outputs": [{"key": "echo", "type": "any"}],
            "actions": [],
        }
        return {"echo": {"module": __name__, "class_name": "Echo", "type": "core", "interface": interface}}

    def get_nodes_metadata(self, names: Any) -> dict[str, dict[str, Any]]:
        """The metadata of some types."""
        known = self.load()
        return {name: known[name] for name in names if name in known}


def compiled(document: dict[str, Any]) -> Any:
    """The document compiled; templates in params are checked when it runs."""
    return compile_workflow(document, OneType(), {"rows": []})


def run(workflow: Any, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Run it over the rows and return the shared store."""
    shared: dict[str, Any] = {"rows": rows}
    WorkflowEngine().run(workflow, shared)
    return shared
