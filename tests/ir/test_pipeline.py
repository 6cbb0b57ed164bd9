"""A pipeline as nodes, edges and gates; what its `next` may name."""

from __future__ import annotations

import pytest

from batchmill.ir.loading import load
from batchmill.ir.models import read_workflow
from batchmill.ir.outline import outline_of
from batchmill.ir.pipeline import BranchBlock
from batchmill.ir.validate import validate


def step(name, **more):
    return {"id": name, "type": "echo", **more}


def outline(*pipeline):
    raw = {"pipeline": list(pipeline)}
    workflow, faults = read_workflow(raw)
    return outline_of(raw, faults, workflow)


def edges(*pipeline):
    """As ``source-action>target``, gates by the last part of their names."""
    found = outline(*pipeline).edges
    return [f"{edge.source}-{edge.action}>{edge.target}".replace("default", "") for edge in found]


def test_steps_follow_one_another():
    assert edges(step("a"), step("b"), step("c")) == ["a->b", "b->c"]


def test_a_block_lies_between_two_gates():
    found = edges(step("a"), {"parallel": [step("b"), [step("c"), step("d")]]}, step("e"))
    fork, join = "pipeline.1:fork", "pipeline.1:join"
    assert set(found) == {
        f"a->{fork}",
        f"{fork}->b",
        f"{fork}->c",
        "c->d",
        f"b->{join}",
        f"d->{join}",
        f"{join}->e",
    }


def test_blocks_stand_inside_and_right_behind_one_another():
    inner = {"parallel": [step("b"), step("c")]}
    found = edges({"parallel": [inner, step("a")]}, {"parallel": [step("d"), step("e")]})
    assert "pipeline.0:fork->pipeline.0.parallel.0:fork" in found
    assert "pipeline.0.parallel.0:join->pipeline.0:join" in found
    assert "pipeline.0:join->pipeline.1:fork" in found


def test_next_takes_the_place_of_what_would_follow():
    found = edges(
        step("a", next={"big": "c", "default": "d"}), step("b", next={"default": None}), step("c"), step("d")
    )
    assert found == ["a-big>c", "a->d", "c->d"]


def test_next_of_the_last_step_counts_too():
    assert edges(step("a"), step("b", next={"again": "a"})) == ["a->b", "b-again>a"]
    assert "b-again>a" in edges({"parallel": [[step("a"), step("b", next={"again": "a"})], step("c")]})


def test_nodes_have_their_places_and_the_steps_are_a_tree():
    found = outline(step("a"), {"parallel": [step("b"), [step("c"), step("d")]], "on_error": "continue"})
    assert [(node.index, node.id, node.path, node.row) for node in found.nodes] == [
        (0, "a", ("pipeline", 0), ("pipeline",)),
        (1, "b", ("pipeline", 1, "parallel", 0), ("pipeline", 1, "parallel", 0)),
        (2, "c", ("pipeline", 1, "parallel", 1, 0), ("pipeline", 1, "parallel", 1)),
        (3, "d", ("pipeline", 1, "parallel", 1, 1), ("pipeline", 1, "parallel", 1)),
    ]
    first, block = found.steps
    assert (first, block.branches, block.on_error) == ("a", (("b",), ("c", "d")), "continue")
    assert isinstance(block, BranchBlock)
    assert found.gates == {block.fork, block.join}
    assert found.start == "a"


def test_a_run_may_begin_with_a_block():
    assert outline({"parallel": [step("a"), step("b")]}).start == "pipeline.0:fork"


def test_what_is_sound_is_there_beside_what_is_not():
    found = outline(
        step("a"), {"parallel": [step("b"), [step("c", timeout=-1), {"type": "echo"}, 5]]}, {"parallel": 3}
    )
    assert [(node.id, node.spec is None) for node in found.nodes] == [("a", False), ("b", False), ("c", True)]
    assert found.broken


def problems(*pipeline):
    return [
        (problem.path, problem.message) for problem in validate(load({"pipeline": list(pipeline)})).problems()
    ]


@pytest.mark.parametrize(
    ("pipeline", "path", "words"),
    [
        ([step("a", next={"x": "nowhere"})], "$.pipeline[0].next.x", 'no step "nowhere"'),
        ([step("a", next={"x": ["a", "nowhere"]})], "$.pipeline[0].next.x", 'no step "nowhere"'),
        ([step("a", next={"x": ["b", "b"]}), step("b")], "$.pipeline[0].next.x", "a list of different ones"),
        ([step("a", next={"x": []})], "$.pipeline[0].next.x", "a list of different ones"),
        (
            [step("a", next={"x": "b"}), {"parallel": [step("b"), step("c")]}],
            "$.pipeline[0].next.x",
            "`b` stands inside a block ($.pipeline[1].parallel[0])",
        ),
        (
            [{"parallel": [[step("a", next={"x": "c"})], step("b")]}, step("c")],
            "$.pipeline[0].parallel[0][0].next.x",
            "`c` stands outside the block that `a` is in",
        ),
        (
            [{"parallel": [step("a", next={"x": "b"}), step("b")]}],
            "$.pipeline[0].parallel[0].next.x",
            "`b` stands in another branch ($.pipeline[0].parallel[1])",
        ),
        (
            [step("a"), {"parallel": [step("a")]}],
            "$.pipeline[1].parallel[0].id",
            "already that of $.pipeline[0]",
        ),
        (
            [{"parallel": [step("a", loop={"until": "${b.echo}"}), step("b")]}],
            "$.pipeline[0].parallel[0].loop.until",
            "the node `b` is in another branch, whose outputs are not seen here",
        ),
        (
            [
                step("s"),
                {"parallel": [step("a"), step("b", next={"default": None})]},
                step("t", next={"again": "s"}),
            ],
            "$.pipeline[1]",
            "leads out of the loop of `s` to `b` and goes on inside it at once",
        ),
    ],
)
def test_what_is_wrong_is_told_with_its_place(pipeline, path, words):
    found = problems(*pipeline)
    assert [place for place, _ in found] == [path]
    assert words in found[0][1]


def test_places_have_lines_and_columns(tmp_path):
    path = tmp_path / "flow.yaml"
    lines = ("pipeline:", "- parallel:", "  - {id: a, type: echo}", "  - - {id: b, type: echo}")
    path.write_text("\n".join([*lines, "    - {id: c, type: echo, next: {x: a}}", ""]))
    (problem,) = validate(load(path)).problems()
    assert (problem.path, problem.line) == ("$.pipeline[0].parallel[1][1].next.x", 5)


def test_a_sound_pipeline_has_no_problems():
    block = {
        "parallel": [
            [step("b", next={"again": "b", "skip": "d"}), step("c"), step("d")],
            {"parallel": [step("e")]},
        ]
    }
    assert problems(step("a"), block, step("f", next={"again": "a", "end": None})) == []
