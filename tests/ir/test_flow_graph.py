"""What can run, in what order, and which edges go back, against a slow but plain reference."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from batchmill.ir.flow_graph import FlowGraph, edges_in_force, flow_graph
from batchmill.ir.models import read_workflow
from batchmill.ir.outline import outline_of
from batchmill.ir.parts import EdgePart

NAMES = "abcdef"
EDGES = st.lists(
    st.builds(EdgePart, st.just(()), st.sampled_from(NAMES), st.sampled_from(NAMES)), max_size=12
)


def reachable(edges, begin):
    """Nodes that one or more edges lead to."""
    found, waiting = set(), [begin]
    while waiting:
        node = waiting.pop()
        for edge in edges:
            if edge.source == node and edge.target not in found:
                found.add(edge.target)
                waiting.append(edge.target)
    return found


@given(EDGES)
def test_order_and_reach_are_those_of_walking(edges):
    graph = FlowGraph("a", edges)
    reached = reachable(edges, "a") | {"a"}
    for node in NAMES:
        assert graph.reaches(node) == (node in reached)
    for first in reached:
        after = reachable(edges, first)
        for second in NAMES:
            assert graph.can_precede(first, second) == (second in after)


@given(EDGES)
def test_without_the_backward_edges_there_is_no_cycle(edges):
    graph = FlowGraph("a", edges)
    assert all(edge.source in reachable(edges, edge.target) | {edge.target} for edge in graph.backward)
    forward = [edge for edge in edges if edge not in graph.backward]
    reached = reachable(forward, "a") | {"a"}
    assert all(node not in reachable(forward, node) for node in reached)


def document(nodes, **keys):
    return {"nodes": [{"id": name, "type": "echo"} for name in nodes], **keys}


def graph_of(raw):
    workflow, faults = read_workflow(raw)
    return flow_graph(outline_of(raw, faults, workflow))


def test_without_edges_nodes_follow_list_order():
    outline = outline_of(document("abc"), [])
    assert [(edge.source, edge.target) for edge in edges_in_force(outline)] == [("a", "b"), ("b", "c")]
    graph = graph_of(document("abc", start_node="b"))
    assert [graph.reaches(name) for name in "abc"] == [False, True, True]


def test_with_no_edges_only_the_start_node_runs():
    graph = graph_of(document("abc", edges=[]))
    assert [graph.reaches(name) for name in "abc"] == [True, False, False]


def test_a_document_whose_graph_is_not_sound_has_none():
    assert graph_of(document("aa")) is None
    assert graph_of(document("ab", start_node="x")) is None
    assert graph_of(document("ab", edges=[{"from": "a", "to": "x"}])) is None
    assert graph_of(document("ab", edges=[{"from": "a"}])) is None
    assert graph_of({"nodes": [{"type": "echo"}, {"id": "a", "type": "echo"}]}) is None


def test_ten_thousand_nodes_in_a_row_are_no_matter():
    names = [f"n{number}" for number in range(10_000)]
    edges = [EdgePart((), source, target) for source, target in pairwise(names)]
    graph = FlowGraph(names[0], [*edges, EdgePart((), names[-1], names[0])])
    assert graph.can_precede("n1", "n9999")
    assert graph.can_precede("n9999", "n1")
    assert [edge.source for edge in graph.backward] == ["n9999"]
