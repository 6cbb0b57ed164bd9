"""Edges to nowhere, edges said twice, and cycles."""

from __future__ import annotations

import pytest

from batchmill.ir.flow_graph import flow_graph
from batchmill.ir.outline import outline_of
from batchmill.ir.rules.edges import backward_faults, edge_faults


def faults(edges, nodes="abc"):
    raw = {"nodes": [{"id": name, "type": "echo"} for name in nodes], "edges": edges}
    outline = outline_of(raw, [])
    graph = flow_graph(outline)
    found = list(edge_faults(outline))
    return found + (list(backward_faults(graph)) if graph else [])


def edge(source, target, **keys):
    return {"from": source, "to": target, **keys}


@pytest.mark.parametrize(
    "edges",
    [
        [],
        [edge("a", "b"), edge("a", "c", action="error"), edge("b", "c")],
        [edge("a", "b"), edge("a", "c")],
        [edge("a", "b", action="x"), edge("a", "c", action="x"), edge("b", "c")],
        [edge("a", "b", parallel_group="g"), edge("a", "c", parallel_group="g"), edge("b", "c")],
        [edge("a", "b", action="again"), edge("b", "a", action="default")],
        [edge("a", "a", action="again")],
        [edge("b", "c"), edge("c", "b")],  # never reached, so it never goes round
    ],
)
def test_sound_edges(edges):
    assert faults(edges) == []


@pytest.mark.parametrize(
    ("edges", "path", "words"),
    [
        ([edge("a", "bb")], ("edges", 0, "to"), 'no node "bb"'),
        ([edge("x", "b")], ("edges", 0, "from"), 'no node "x"'),
        ([edge("a", "b"), edge("a", "b")], ("edges", 1), "already has an edge with action `default` to `b`"),
        ([edge("a", "b", action="x"), edge("a", "b", action="x")], ("edges", 1), "already has an edge"),
        (
            [edge("a", "b"), edge("b", "a", action="x"), edge("b", "c", action="x")],
            ("edges", 1),
            "leads back on `x`, which leads on to `c` too",
        ),
        ([edge("a", "b", parallel_group="g")], ("edges", 0, "parallel_group"), "this edge only"),
        (
            [edge("a", "b", parallel_group="g"), edge("b", "c", parallel_group="g")],
            ("edges", 1, "parallel_group"),
            "neither leave one node together nor lead to one",
        ),
        ([edge("a", "b"), edge("b", "a")], ("edges", 1), "closes a cycle"),
        ([edge("a", "a")], ("edges", 0), "closes a cycle"),
        ([edge("a", "b", action="again"), edge("b", "a")], ("edges", 1), "closes a cycle"),
        ([edge("c", "a"), edge("a", "b"), edge("b", "c")], ("edges", 0), "closes a cycle"),
    ],
)
def test_a_bad_edge_is_a_fault(edges, path, words):
    (fault,) = faults(edges)
    assert fault.path == path
    assert words in fault.message


def test_the_near_node_is_suggested():
    (fault,) = faults([edge("fetch", "prase")], nodes=["fetch", "parse"])
    assert fault.hint == "did you mean `parse`?"
