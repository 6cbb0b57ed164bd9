"""What a sound document compiles to."""

from __future__ import annotations

import pytest

from batchmill.graph.compile.check import check
from batchmill.ir.loading import load
from batchmill.nodes.echo import EchoNode
from batchmill.nodes.registry import default_registry


def plan_of(nodes, **keys):
    raw = {"nodes": [{"id": name, "type": "echo"} for name in nodes], **keys}
    return check(load(raw), default_registry())


def test_nodes_keep_their_order_and_have_their_class():
    plan = plan_of("ba")
    assert list(plan.nodes) == ["b", "a"]
    assert [(planned.index, planned.id, planned.kind) for planned in plan.nodes.values()] == [
        (0, "b", EchoNode),
        (1, "a", EchoNode),
    ]


@pytest.mark.parametrize(
    ("keys", "start", "successors"),
    [
        ({}, "a", {("a", "default"): "b", ("b", "default"): "c"}),
        ({"start_node": "b"}, "b", {("a", "default"): "b", ("b", "default"): "c"}),
        ({"edges": []}, "a", {}),
        ({"edges": [], "start_node": "c"}, "c", {}),
        (
            {"edges": [{"from": "a", "to": "c"}, {"from": "a", "to": "b", "action": "error"}]},
            "a",
            {("a", "default"): "c", ("a", "error"): "b"},
        ),
    ],
)
def test_edges_become_successors(keys, start, successors):
    plan = plan_of("abc", **keys)
    assert plan.start == start
    assert {(edge.source, edge.action): edge.target for edge in plan.edges} == successors
    assert not any(edge.backward for edge in plan.edges)
    for (node, action), target in successors.items():
        assert plan.follow(node, action) == (target,)
    assert plan.follow("c", "default") == ()


def test_backward_edges_are_marked():
    edges = [{"from": "a", "to": "b"}, {"from": "b", "to": "a", "action": "again"}]
    plan = plan_of("ab", edges=edges)
    assert [edge.action for edge in plan.edges if edge.backward] == ["again"]
    assert [(loop.header, loop.body) for loop in plan.loops] == [("a", ("a", "b"))]


def test_the_interface_of_the_document_is_there():
    plan = plan_of(
        "a",
        inputs={"n": {"default": 1}},
        outputs={"a": {}},
        template_resolution_mode="permissive",
    )
    assert list(plan.inputs) == ["n"]
    assert list(plan.outputs) == ["a"]
    assert plan.mode == "permissive"
    assert (plan.source, plan.import_folder, plan.import_folders()) == ("document", None, [])


def test_a_file_gives_its_name_and_folder(tmp_path):
    path = tmp_path / "flow.yaml"
    path.write_text("nodes:\n- {id: a, type: echo}\n")
    plan = check(load(path), default_registry())
    assert (plan.source, plan.import_folders()) == (str(path), [str(tmp_path.resolve())])


def test_edges_of_one_action_are_a_fan_out():
    plan = plan_of("abcd", edges=[{"from": "a", "to": "b"}, {"from": "a", "to": "c"}])
    assert plan.follow("a", "default") == ("b", "c")
    assert plan.branches
    assert not plan_of("ab").branches


def test_a_pipeline_becomes_the_same_kind_of_plan():
    steps = [{"id": name, "type": "echo"} for name in "abcd"]
    pipeline = [steps[0], {"parallel": steps[1:3], "on_error": "continue"}, steps[3]]
    plan = check(load({"pipeline": pipeline}), default_registry())
    fork, join = "pipeline.1:fork", "pipeline.1:join"
    assert list(plan.nodes) == ["a", "b", "c", "d"]
    assert plan.nodes["c"].path == ("pipeline", 1, "parallel", 1)
    assert plan.gates == {fork, join}
    assert plan.follow("a", "default") == (fork,)
    assert plan.behind(fork) == ("b", "c")
    assert plan.behind(join) == plan.behind("d") == ("d",)
    assert plan.steps[1].on_error == "continue"
    assert plan.branches


def test_a_plan_says_whether_nodes_may_run_side_by_side():
    sub = {"id": "s", "type": "workflow", "params": {"workflow": {"nodes": [{"id": "a", "type": "echo"}]}}}
    assert not plan_of("ab").crowded
    assert check(load({"nodes": [sub]}), default_registry()).crowded
