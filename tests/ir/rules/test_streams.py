"""Which batch nodes may stream, and what is said of those that may not."""

from __future__ import annotations

from typing import Any

import pytest

from batchmill.errors import InvalidDocument
from batchmill.graph.compile.check import check
from batchmill.ir.loading import load
from batchmill.ir.streams import Stage, chains
from batchmill.ir.validate import validate
from batchmill.nodes import default_registry


def node(name: str, items: Any = "", stream: bool = True, **params: Any) -> dict[str, Any]:
    block = {"items": items or [1, 2]}
    return {
        "id": name,
        "type": "echo",
        "params": params,
        "batch": {**block, "stream": True} if items and stream else block,
    }


def edge(source: str, target: str, action: str = "") -> dict[str, str]:
    return {"from": source, "to": target, **({"action": action} if action else {})}


def faults(*nodes: dict[str, Any], **more: Any) -> list[tuple[Any, str]]:
    found = validate(load({"nodes": list(nodes), **more})).faults
    return [(fault.path, fault.message) for fault in found]


def test_a_chain_with_several_stages_on_one() -> None:
    document = {
        "nodes": [
            {"id": "x", "type": "echo"},
            node("a"),
            node("b", "${a.results}"),
            node("c", "${a.succeeded}"),
            node("d", "${c.results}"),
            node("e", "${d.results}", stream=False),
            node("f", "${ e.results }"),
        ]
    }
    found = validate(load(document))
    assert found.faults == ()
    assert chains(found.outline) == {
        "a": (
            Stage("a"),
            Stage("b", "a", False, ("a",)),
            Stage("c", "a", True, ("a", "b")),
            Stage("d", "c", False, ("a", "b", "c")),
        ),
        "e": (Stage("e"), Stage("f", "e", False, ("e",))),
    }


def test_edges_of_other_actions_out_of_stages_are_no_matter() -> None:
    edges = [edge("a", "b"), edge("b", "h"), edge("a", "h", "error"), edge("h", "a", "again")]
    assert faults(node("a"), node("b", "${a.results}"), {"id": "h", "type": "echo"}, edges=edges) == []


@pytest.mark.parametrize(
    "items",
    [
        [1, 2],
        {"range": [3]},
        "${a.results[*].item}",
        "${a.errors}",
        "${a}",
        "${a.results ?? b}",
        "${a.results | first}",
        "${a.results[0]}",
    ],
)
def test_items_that_are_no_results(items: Any) -> None:
    ((path, message),) = faults(node("a"), node("b", items))
    assert path == ("nodes", 1, "batch", "stream")
    assert "`${node.results}` or `${node.succeeded}`" in message


X = {"id": "x", "type": "echo"}


@pytest.mark.parametrize(
    ("nodes", "more", "words"),
    [
        ([X, node("b", "${x.results}")], {}, "`x` is not a batch node"),
        ([node("a"), X, node("b", "${a.results}")], {}, "`x` comes between `a` and this node"),
        (
            [node("a"), node("c"), node("b", "${a.results}")],
            {},
            "`c` comes between `a` and this node and does not stream",
        ),
        (
            [node("a"), node("b", "${a.results}")],
            {"edges": [edge("a", "b", "error")]},
            'has the action "error"',
        ),
        (
            [node("a"), X, node("b", "${a.results}")],
            {"edges": [edge("a", "b"), edge("a", "x", "other"), edge("x", "b")]},
            "several edges lead to this node (from `a`, `x`)",
        ),
        (
            [node("a"), node("b", "${a.results}"), X],
            {"edges": [edge("a", "b"), edge("b", "x"), edge("x", "b", "again")]},
            "several edges lead to this node (from `a`, `x`)",
        ),
        ([node("a"), node("b", "${a.results}")], {"edges": []}, "no edge leads to this node"),
        ([node("a"), node("b", "${a.results}")], {"start_node": "b"}, "the run begins with this node"),
        ([node("a"), node("b", "${b.results}")], {}, "the node cannot take items from itself"),
        (
            [node("a"), node("b", "${c.results}"), node("c")],
            {},
            "`c` is not before this node on the chain of stages",
        ),
    ],
)
def test_a_node_that_cannot_stream(nodes: list[dict[str, Any]], more: dict[str, Any], words: str) -> None:
    found = faults(*nodes, **more)
    said = [message for path, message in found if path[-2:] == ("batch", "stream")]
    assert len(said) == 1, found
    assert words in said[0]


def test_a_fault_of_one_stage_is_said_once() -> None:
    found = faults(node("a"), X, node("b", "${a.results}"), node("c", "${b.results}"))
    assert [path for path, _ in found] == [("nodes", 2, "batch", "stream")]


def test_params_cannot_refer_to_a_stage_that_still_runs() -> None:
    document = {"nodes": [node("a"), node("b", "${a.results}", data="${a.count ?? 0} of ${item}")]}
    with pytest.raises(InvalidDocument, match="the node `a` is still running when this one begins") as caught:
        check(load(document), default_registry())
    (problem,) = caught.value.problems
    assert problem.path == "$.nodes[1].params.data"
    document["nodes"][1] = node("b", "${a.results}", stream=False, data="${a.count ?? 0} of ${item}")
    check(load(document), default_registry())
