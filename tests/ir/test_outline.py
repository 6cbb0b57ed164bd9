"""What is read of a document of which parts are wrong."""

from __future__ import annotations

from batchmill.ir.models import read_workflow
from batchmill.ir.outline import outline_of

RAW = {
    "nodes": [
        {"id": "a", "type": "echo", "params": {"x": 1}, "batch": {"items": 5, "as": "row"}},
        {"id": "b", "type": "echo", "batch": {"items": [1]}},
        {"id": "c", "type": 5, "params": [], "loop": {}},
        {"type": "echo"},
        "nonsense",
    ],
    "edges": [{"from": "a", "to": "b"}, {"from": "a"}, {"from": "b", "to": "c", "action": "x"}],
    "inputs": {"n": {"type": "integer"}, "m": {"tpye": 1}},
    "outputs": {"o": {"source": "${a.x}"}, "p": 5},
    "start_node": "a",
}


def outline():
    _, faults = read_workflow(RAW)
    return outline_of(RAW, faults)


def test_nodes_keep_what_is_sound_in_them():
    a, b, c = outline().nodes
    assert (a.id, a.type, a.params, a.item_name, a.spec) == ("a", "echo", {"x": 1}, "row", None)
    assert (b.item_name, b.has_batch, b.spec.batch.items) == ("item", True, [1])
    assert (c.type, c.params, c.has_loop, c.has_batch) == (None, {}, True, False)


def test_edges_inputs_and_outputs_keep_what_is_sound():
    found = outline()
    assert [(edge.path, edge.source, edge.target, edge.action, edge.written) for edge in found.edges] == [
        (("edges", 0), "a", "b", "default", False),
        (("edges", 2), "b", "c", "x", True),
    ]
    assert found.inputs["n"].type == "integer"
    assert found.inputs["m"] is None
    assert list(found.outputs) == ["o"]
    assert found.start == "a"


def test_it_says_when_something_could_not_be_read():
    assert outline().broken
    assert not outline_of({"nodes": [RAW["nodes"][1]]}, []).broken
    assert outline_of({"nodes": [RAW["nodes"][1]], "edges": 5}, []).broken


def test_of_two_nodes_with_one_id_the_first_counts():
    nodes = [{"id": "a", "type": "x"}, {"id": "a", "type": "y"}]
    assert outline_of({"nodes": nodes}, []).by_id["a"].type == "x"
