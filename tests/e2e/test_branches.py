"""Branches in documents: what they see of one another, what a failure reaches, the order of what is told."""

from __future__ import annotations

import itertools
import sys
import threading
import types
from typing import Any

import pytest

import batchmill
from batchmill.concurrency.cancel import CancelToken
from batchmill.events import Event, NodeFinished, NodeStarted


class Meeting(types.ModuleType):
    """A module of functions that wait for one another."""

    def __init__(self) -> None:
        super().__init__("branch_meeting")
        self.barrier = threading.Barrier(3)
        self.events = {name: threading.Event() for name in "abc"}
        self.ran: list[Any] = []

    def meet(self) -> int:
        return self.barrier.wait(30)

    def wait_for(self, name: str) -> str:
        assert self.events[name].wait(30)
        return name

    def tell(self, name: str) -> str:
        self.events[name].set()
        return name

    def tell_and_wait(self, told: str, name: str) -> str:
        self.events[told].set()
        return self.wait_for(name)

    def note(self, what: Any) -> Any:
        self.ran.append(what)
        return what


@pytest.fixture
def meeting(monkeypatch: pytest.MonkeyPatch) -> Meeting:
    module = Meeting()
    monkeypatch.setitem(sys.modules, "branch_meeting", module)
    return module


def calls(name: str, function: str, *args: Any, **more: Any) -> dict[str, Any]:
    params = {"function": f"branch_meeting:{function}", "args": list(args)}
    return {"id": name, "type": "python", "params": params, **more}


def echo(name: str, message: str = "x", **more: Any) -> dict[str, Any]:
    return {"id": name, "type": "echo", "params": {"message": message}, **more}


def fails(name: str, **more: Any) -> dict[str, Any]:
    return {"id": name, "type": "code", "params": {"code": f"raise ValueError('{name}')"}, **more}


def test_branches_run_at_the_same_time(meeting: Meeting) -> None:
    run = batchmill.run({"pipeline": [{"parallel": [calls(name, "meet") for name in "abc"]}]})
    assert run.status == "success"


def test_default_edges_are_a_fan_out_and_meet_again(meeting: Meeting) -> None:
    nodes = [
        echo("s"),
        *(calls(name, "meet") for name in "abc"),
        echo("j", "${a.result}${b.result}${c.result}"),
    ]
    edges = [{"from": "s", "to": name, "parallel_group": "g"} for name in "abc"]
    edges += [{"from": name, "to": "j"} for name in "abc"]
    run = batchmill.run({"nodes": nodes, "edges": edges})
    assert run.status == "success"
    assert sorted(run.outputs["echo"]) == ["0", "1", "2"]
    assert {name: told["visits"] for name, told in run.nodes.items()} == dict.fromkeys("sabcj", 1)


def test_a_branch_does_not_see_what_its_siblings_wrote(meeting: Meeting) -> None:
    """`b` ends before `late` begins, and is not there for it all the same."""
    late = echo("late", '${b.result ?? "nothing"}/${w.result}')
    branches = [[calls("b", "tell", "b")], [calls("w", "wait_for", "b"), late]]
    after = echo("j", "${b.result}${late.echo}")
    run = batchmill.run({"pipeline": [{"parallel": branches}, after]})
    assert run.outputs["echo"] == "bnothing/b"


def test_a_sibling_without_another_value_is_a_problem() -> None:
    with pytest.raises(batchmill.InvalidDocument) as caught:
        batchmill.run({"pipeline": [{"parallel": [echo("a"), echo("b", "${a.echo}")]}]})
    assert "`a` is in another branch" in str(caught.value)


def test_a_round_of_a_loop_sees_what_the_round_before_left(meeting: Meeting) -> None:
    code = {"id": "n", "type": "code", "params": {
        "code": "result = int(last) + 1\nnext = 'again' if result < 3 else 'end'",
        "inputs": {"last": "${m.echo ?? 0}"}}}  # fmt: skip
    block = {"parallel": [echo("l", "${r.echo ?? 0}"), echo("r", "${n.result}")]}
    pipeline = [
        {**code, "next": {"again": "f", "end": None}},
        echo("f"),
        block,
        echo("m", "${n.result}", next={"default": "n"}),
    ]
    run = batchmill.run(
        {"pipeline": pipeline, "outputs": {"l": {"source": "${l.echo}"}, "n": {"source": "${n.result}"}}}
    )
    assert run.status == "success"
    assert (run.outputs["n"], run.nodes["l"]["visits"]) == (3, 2)
    assert run.outputs["l"] == "1"  # what r said in the first round


CONTINUE = {"on_error": "continue"}


def test_under_continue_a_failed_branch_leaves_nothing_but_its_error() -> None:
    block = {"parallel": [[echo("a"), fails("b"), echo("c")], echo("d")], **CONTINUE}
    after = echo("j", '${a.echo ?? "-"}${c.echo ?? "-"}${d.echo}: ${b.error}')
    run = batchmill.run(
        {
            "pipeline": [block, after],
            "outputs": {"j": {"source": "${j.echo}"}, "a": {"source": "${a.echo ?? null}"}},
        }
    )
    assert (run.status, run.outputs) == ("degraded", {"j": "--x: b", "a": None})
    assert list(run.nodes) == ["a", "b", "d", "j"]
    assert [(error["node"], error["type"]) for error in run.errors] == [("b", "ValueError")]


def test_when_all_branches_fail_the_block_does() -> None:
    run = batchmill.run({"pipeline": [{"parallel": [fails("a"), fails("b")], **CONTINUE}, echo("j")]})
    assert (run.status, sorted(run.nodes)) == ("failed", ["a", "b"])


def test_a_failure_inside_a_block_stays_in_the_branch_of_the_block_around() -> None:
    inner = {"parallel": [fails("x"), echo("y")]}
    run = batchmill.run(
        {"pipeline": [{"parallel": [[inner, echo("z")], echo("b")], **CONTINUE}, echo("j", "${b.echo}")]}
    )
    assert (run.status, run.outputs["echo"]) == ("degraded", "x")
    assert "z" not in run.nodes


def test_fail_fast_begins_nothing_more_in_the_other_branches(meeting: Meeting) -> None:
    """`v` runs while `f` fails: it comes to its end, and what would follow it does not begin."""
    branches = [
        [calls("t", "wait_for", "a"), fails("f")],
        [echo("w"), calls("v", "tell_and_wait", "a", "b"), echo("u")],
    ]

    def listening(event: Event) -> None:
        if isinstance(event, NodeFinished) and event.node == "f":
            meeting.tell("b")

    run = batchmill.run({"pipeline": [{"parallel": branches}, echo("j")]}, listeners=[listening])
    assert run.status == "failed"
    assert run.nodes["v"]["status"] == "success"
    assert "u" not in run.nodes
    assert "j" not in run.nodes


@pytest.mark.slow
def test_fail_fast_lets_a_batch_in_another_branch_begin_no_more_items(meeting: Meeting) -> None:
    items = {"items": {"range": [0, 100_000]}, "parallel": True, "max_concurrent": 2}
    batch = {
        "id": "many",
        "type": "code",
        "params": {"code": "import time\ntime.sleep(0.002)"},
        "batch": items,
    }
    branches = [[calls("t", "wait_for", "a"), fails("f")], [calls("w", "tell", "a"), batch]]
    run = batchmill.run({"pipeline": [{"parallel": branches}]})
    assert (run.status, run.interrupted) == ("failed", False)
    if "many" in run.nodes:  # it may not have begun
        assert run.nodes["many"]["status"] == "cancelled"
        assert run.nodes["many"]["failure"] == "stopped along with `f`"
    assert [error["node"] for error in run.errors] == ["f"]


def test_an_error_edge_in_a_branch_is_no_failure_of_the_branch() -> None:
    block = {"parallel": [[fails("a", next={"error": "h"}), echo("m"), echo("h", "${a.error}")], echo("b")]}
    run = batchmill.run({"pipeline": [block, echo("j", "${h.echo}")]})
    assert (run.status, run.outputs["echo"]) == ("degraded", "a")
    assert "m" not in run.nodes


@pytest.mark.parametrize("order", list(itertools.permutations("abc")))
def test_reports_errors_and_calls_come_in_document_order(meeting: Meeting, order: tuple[str, ...]) -> None:
    """Whichever branch ends first: a failing item in each branch, and a call recorded in each."""

    def branch(name: str) -> list[Any]:
        place = order.index(name)
        before = [calls(f"w{name}", "wait_for", order[place - 1])] if place else []
        items = {"items": [1, 0, 2], "error_handling": "continue"}
        batch = {
            "id": f"b{name}",
            "type": "code",
            "params": {"code": "result = 1 / x", "inputs": {"x": "${item}"}},
            "batch": items,
        }
        return [*before, batch, calls(f"t{name}", "tell", name)]

    run = batchmill.run({"pipeline": [{"parallel": [branch(name) for name in "abc"]}]})
    assert run.status == "degraded"
    assert [error["node"] for error in run.errors] == ["ba", "bb", "bc"]
    assert [name for name in run.nodes if name.startswith("b")] == ["ba", "bb", "bc"]


def test_the_outputs_are_those_of_the_last_branch_in_the_document_where_none_is_longer() -> None:
    assert (
        batchmill.run({"pipeline": [{"parallel": [echo("a", "1"), echo("b", "2")]}]}).outputs["echo"] == "2"
    )
    longer = [[echo("a", "1"), echo("c", "3")], echo("b", "2")]
    assert batchmill.run({"pipeline": [{"parallel": longer}]}).outputs["echo"] == "3"


def test_a_stopped_run_is_interrupted_in_all_branches(meeting: Meeting) -> None:
    stop = CancelToken()

    def listen(event: Event) -> None:
        if isinstance(event, NodeStarted) and event.node == "b":
            stop.cancel()
            meeting.tell("a")

    branches = [[calls("a", "wait_for", "a"), echo("a2")], [echo("b"), echo("b2")]]
    run = batchmill.run({"pipeline": [{"parallel": branches}, echo("j")]}, stop=stop, listeners=[listen])
    assert (run.status, run.interrupted) == ("failed", True)
    assert not {"a2", "b2", "j"} & run.nodes.keys()


def test_cancelling_ends_what_runs_in_all_branches(meeting: Meeting) -> None:
    cancel = CancelToken()
    nodes = [{"id": name, "type": "shell", "params": {"command": "sleep 30"}} for name in "ab"]
    begun = threading.Barrier(2, action=cancel.cancel)

    def listen(event: Event) -> None:
        if isinstance(event, NodeStarted) and event.node in "ab":
            threading.Thread(target=begun.wait, args=(10,)).start()

    run = batchmill.run({"pipeline": [{"parallel": nodes}]}, cancel=cancel, listeners=[listen])
    assert (run.status, run.interrupted) == ("failed", True)


def test_streaming_stages_work_inside_a_branch() -> None:
    chain = [stage("a", [1, 2, 3]), stage("b", "${a.results}", stream=True)]
    pipeline = [{"parallel": [chain, echo("c")]}, echo("j", "${b.count}${c.echo}")]
    for jobs in (None, 1, 2):
        assert batchmill.run({"pipeline": pipeline}, jobs=jobs).outputs["echo"] == "3x"


def test_both_forms_give_the_same() -> None:
    nodes = [echo("s"), echo("a", "${s.echo}1"), echo("b", "${s.echo}2"), echo("j", "${a.echo}${b.echo}")]
    edges = [{"from": one, "to": other} for one, other in ("sa", "sb", "aj", "bj")]
    first = batchmill.run({"nodes": nodes, "edges": edges})
    second = batchmill.run({"pipeline": [nodes[0], {"parallel": nodes[1:3]}, nodes[3]]})
    assert first.outputs == second.outputs
    assert list(first.nodes) == list(second.nodes)


def stage(name: str, items: Any, **more: Any) -> dict[str, Any]:
    params = {"code": "result = x", "inputs": {"x": "${item}"}}
    batch = {"items": items, "parallel": True, **more}
    return {"id": name, "type": "code", "params": params, "batch": batch}


def test_a_stage_can_stream_into_the_branches_of_a_block() -> None:
    block = {"parallel": [stage("b", "${a.results}", stream=True), stage("c", [1])]}
    run = batchmill.run({"pipeline": [stage("a", [1, 2]), block, echo("j", "${b.count}${c.count}")]})
    assert (run.status, run.outputs["echo"]) == ("success", "21")


def test_nothing_streams_out_of_a_block_of_several_branches() -> None:
    block = {"parallel": [stage("a", [1, 2]), stage("c", [1])]}
    with pytest.raises(batchmill.InvalidDocument) as caught:
        batchmill.run({"pipeline": [block, stage("b", "${a.results}", stream=True)]})
    assert "no one node comes right before this one" in str(caught.value)


def test_stages_may_fan_out_and_meet_again() -> None:
    nodes = [stage("a", [1, 2]), *(stage(name, "${a.results}", stream=True) for name in "bc")]
    edges = [{"from": one, "to": other} for one, other in ("ab", "ac", "bj", "cj")]
    run = batchmill.run({"nodes": [*nodes, echo("j", "${b.count}${c.count}")], "edges": edges})
    assert (run.status, run.outputs["echo"]) == ("success", "22")
