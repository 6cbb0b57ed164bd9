"""Outputs of items that would hide what stands beside them."""

from __future__ import annotations

from typing import Any

import pytest

import batchmill
from batchmill.errors import InvalidDocument

INNER = {
    "inputs": {"k": {}},
    "nodes": [{"id": "e", "type": "echo", "params": {"message": "${k}"}}],
    "outputs": {"item": {"source": "${e.echo}"}, "index": {"source": "${e.echo}"}},
}
MODULE = """
class Writes:
    def prep(self, shared):
        return shared["name"]
    def exec(self, name):
        return name
    def post(self, shared, prepared, result):
        shared[prepared] = "written"
"""


def workflow(**more: Any) -> dict[str, Any]:
    params = {"workflow": INNER, "inputs": {"k": "${item}" if "batch" in more else "x"}}
    return {"nodes": [{"id": "w", "type": "workflow", "params": params, **more}]}


def test_outputs_of_a_sub_workflow() -> None:
    with pytest.raises(InvalidDocument) as caught:
        batchmill.run(workflow(batch={"items": [1, 2]}))
    problems = caught.value.problems
    assert [problem.path for problem in problems] == ["$.nodes[0].batch"] * 2
    assert "an item's output cannot be called `index`" in problems[0].message
    assert "an item's output cannot be called `item`" in problems[1].message
    assert batchmill.run(workflow()).outputs == {"item": "x", "index": "x"}


def test_params_that_come_out_again() -> None:
    node = {"id": "e", "type": "echo", "params": {"item": 1}, "batch": {"items": [1]}}
    with pytest.raises(InvalidDocument, match=r"\$\.nodes\[0\]\.params\.item: an item's output cannot"):
        batchmill.run({"nodes": [node]})
    del node["batch"]
    assert batchmill.run({"nodes": [node]}).outputs["item"] == 1


@pytest.mark.parametrize("executor", ["sequential", "thread", "process"])
def test_outputs_that_are_not_known_before(
    executor: str, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "writes_names.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    batch = {"items": ["item", "other"], "executor": executor, "error_handling": "continue"}
    node = {"id": "a", "type": "writes_names:Writes", "params": {"name": "${item}"}, "batch": batch}
    document = tmp_path / "flow.json"
    document.write_text(batchmill.values.to_json({"nodes": [node]}))
    run = batchmill.run(document)
    assert [error["type"] for error in run.errors] == ["ReservedOutput"]
    assert run.errors[0]["item"] == "item"
    assert run.outputs["results"][1]["other"] == "written"
