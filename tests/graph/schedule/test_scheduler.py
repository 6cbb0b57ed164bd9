"""The scheduler: which node follows which, and what a run makes of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from batchmill.attempt import Attempt
from batchmill.concurrency.cancel import CancelToken
from batchmill.errors import NodeError
from batchmill.events import BatchProgress, Bus, Event, NodeFinished, NodeStarted
from batchmill.graph.compile.check import check
from batchmill.graph.frame import NodeFrame, RunServices
from batchmill.graph.schedule import scheduler
from batchmill.graph.schedule.run_report import RunReport
from batchmill.graph.schedule.scheduler import Scheduler
from batchmill.graph.sub_workflow import SubWorkflowRun
from batchmill.ir.loading import load
from batchmill.nodes import Node, NodeResult, Output, Registry
from batchmill.step import Namespace
from batchmill.warned import Warnings


class Say(Node):
    """Ends with the action it is told; fails where told so."""

    type = "say"
    summary = "Says where to go."
    open_params = True
    outputs = (Output("said", "any", "what it said"), Output("hint", "string", "why not", diagnostic=True))

    def run(self, params: Mapping[str, Any], attempt: Attempt) -> NodeResult:
        if params.get("fail"):
            raise NodeError(str(params["fail"]), outputs={"said": "half", "hint": "try again"})
        if params.get("calls"):
            attempt.recorder.extend(params["calls"])
        return NodeResult({"said": params.get("text")}, params.get("action", "default"))


class Counting(Node):
    """Counts its runs in a list outside, and ends with ``again`` until it has run ``times`` times."""

    type = "counting"
    summary = "Counts."
    open_params = True
    outputs = (Output("n", "integer", "runs so far"),)
    runs: list[int]

    def run(self, params: Mapping[str, Any], attempt: Attempt) -> NodeResult:
        self.runs.append(1)
        return NodeResult({"n": len(self.runs)}, "again" if len(self.runs) < params["times"] else "done")


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Registry:
    monkeypatch.setattr(Counting, "runs", [], raising=False)
    registry = Registry()
    registry.register(Say)
    registry.register(Counting)
    return registry


def node(name: str, **params: Any) -> dict[str, Any]:
    return {"id": name, "type": "say", "params": params}


def walked(registry: Registry, document: dict[str, Any], **around: Any) -> tuple[RunReport, Namespace]:
    namespace = around.pop("namespace", None) or Namespace({})
    once = {name: around.pop(name) for name in ("bus", "executor", "jobs") if name in around}
    frame = NodeFrame(RunServices(SubWorkflowRun, **once), namespace, **around)
    return Scheduler(check(load(document), registry), frame).run(), namespace


def visited(walk: RunReport) -> list[str]:
    return list(walk.reports)


def test_nodes_run_in_list_order_without_edges(registry: Registry) -> None:
    walk, namespace = walked(registry, {"nodes": [node("a"), node("b", text="${a.said}"), node("c")]})
    assert (walk.status, visited(walk), walk.last) == ("success", ["a", "b", "c"], "c")
    assert namespace.values["b"] == {"said": None}


def test_no_edges_at_all_run_the_start_node_only(registry: Registry) -> None:
    walk, _ = walked(registry, {"nodes": [node("a"), node("b")], "edges": [], "start_node": "b"})
    assert visited(walk) == ["b"]


def test_the_edge_with_the_nodes_action_is_taken(registry: Registry) -> None:
    edges = [{"from": "a", "to": "b"}, {"from": "a", "to": "c", "action": "left"}]
    walk, _ = walked(registry, {"nodes": [node("a", action="left"), node("b"), node("c")], "edges": edges})
    assert visited(walk) == ["a", "c"]


@pytest.mark.parametrize("action", ["left", "error"])
def test_an_action_with_several_edges_leads_to_all_of_them(registry: Registry, action: str) -> None:
    edges = [
        {"from": "a", "to": "b"},
        {"from": "a", "to": "c", "action": action},
        {"from": "a", "to": "d", "action": action},
        {"from": "c", "to": "e"},
        {"from": "d", "to": "e"},
    ]
    how = {"fail": "no luck"} if action == "error" else {"action": action}
    nodes = [node("a", **how), *(node(name) for name in "bcd"), node("e", text="${c.said}${d.said}")]
    walk, _ = walked(registry, {"nodes": nodes, "edges": edges})
    assert (walk.status, visited(walk)) == ("degraded" if action == "error" else "success", list("acde"))
    walk, _ = walked(registry, {"nodes": [node("a"), *nodes[1:]], "edges": edges})
    assert visited(walk) == ["a", "b"]


def test_next_of_a_step_leads_to_several(registry: Registry) -> None:
    steps = [{**node("a", action="x"), "next": {"x": ["b", "c"]}}, {**node("b"), "next": {"default": "d"}}]
    walk, _ = walked(registry, {"pipeline": [*steps, node("c"), node("d")]})
    assert visited(walk) == list("abcd")
    walk, _ = walked(
        registry, {"pipeline": [{**steps[0], "next": {"x": ["b", "d"]}}, steps[1], node("c"), node("d")]}
    )
    assert visited(walk) == list("abd")


def test_an_action_without_an_edge_ends_the_run_well(registry: Registry) -> None:
    walk, _ = walked(registry, {"nodes": [node("a", action="end"), node("b")]})
    assert (walk.status, visited(walk)) == ("success", ["a"])


def test_a_failed_node_without_an_error_edge_ends_the_run(registry: Registry) -> None:
    walk, _ = walked(registry, {"nodes": [node("a", fail="no luck"), node("b")]})
    assert (walk.status, visited(walk)) == ("failed", ["a"])
    assert walk.errors == [
        {
            "node": "a",
            "index": None,
            "item": None,
            "type": "NodeError",
            "message": "no luck",
            "attempts": 1,
            "kind": "error_result",
            "traceback": "",
        }
    ]
    assert walk.reports["a"].as_json()["failure"] == "NodeError: no luck"


def test_a_failed_node_takes_its_error_edge_and_degrades_the_run(registry: Registry) -> None:
    document = {
        "nodes": [
            node("a", fail="no luck"),
            node("never"),
            node("b", text='${a.said ?? "other"}/${a.hint ?? "none"}/${a.error}'),
        ],
        "edges": [{"from": "a", "to": "never"}, {"from": "a", "to": "b", "action": "error"}],
    }
    walk, namespace = walked(registry, document)
    assert (walk.status, visited(walk)) == ("degraded", ["a", "b"])
    assert namespace.values["b"]["said"] == "other/try again/no luck"


def test_a_failure_behind_an_error_edge_still_fails(registry: Registry) -> None:
    document = {
        "nodes": [node("a", fail="one"), node("b", fail="two")],
        "edges": [{"from": "a", "to": "b", "action": "error"}],
    }
    walk, _ = walked(registry, document)
    assert walk.status == "failed"
    assert [error["message"] for error in walk.errors] == ["one", "two"]


def test_a_backward_edge_leads_round_until_the_action_changes(registry: Registry) -> None:
    document = {
        "nodes": [
            {"id": "count", "type": "counting", "params": {"times": 4}},
            node("body", text="${count.n}"),
        ],
        "edges": [
            {"from": "count", "to": "body", "action": "again"},
            {"from": "body", "to": "count", "action": "default"},
        ],
    }
    walk, namespace = walked(registry, document)
    assert walk.status == "success"
    assert (walk.reports["count"].visits, walk.reports["body"].visits) == (4, 3)
    assert namespace.values["body"] == {"said": 3}


def test_going_round_for_ever_fails_with_a_word_on_it(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scheduler, "MAX_VISITS", 5)
    document = {
        "nodes": [node("a"), node("b")],
        "edges": [{"from": "a", "to": "b"}, {"from": "b", "to": "a", "action": "default"}],
    }
    walk, _ = walked(registry, document)
    assert (walk.status, walk.reports["a"].visits) == ("failed", 5)
    assert walk.errors[-1]["type"] == "VisitLimit"
    assert "node 'a' was visited 5 times" in walk.errors[-1]["message"]


def test_recorded_calls_arrive_in_order(registry: Registry) -> None:
    document = {
        "nodes": [
            node("a", calls=["a1", "a2"]),
            {**node("b", calls=["${item}"]), "batch": {"items": ["b1", "b2", "b3"], "parallel": True}},
            node("c", calls=["c1"]),
        ]
    }
    _, namespace = walked(registry, document)
    assert namespace.calls() == ["a1", "a2", "b1", "b2", "b3", "c1"]


def test_a_stopped_run_starts_no_further_node(registry: Registry) -> None:
    stop = CancelToken()
    bus = Bus([lambda event: stop.cancel() if isinstance(event, NodeFinished) else None])
    walk, _ = walked(registry, {"nodes": [node("a"), node("b")]}, stop=stop, bus=bus)
    assert (walk.status, walk.interrupted, visited(walk)) == ("failed", True, ["a"])


def test_a_run_stopped_when_all_is_done_was_not_interrupted(registry: Registry) -> None:
    stop = CancelToken()
    bus = Bus([lambda event: stop.cancel() if isinstance(event, NodeFinished) else None])
    walk, _ = walked(registry, {"nodes": [node("a")]}, stop=stop, bus=bus)
    assert (walk.status, walk.interrupted) == ("success", False)


def test_an_interrupted_batch_does_not_take_the_error_edge(registry: Registry) -> None:
    stop = CancelToken()
    stopping = Bus([lambda event: stop.cancel() if isinstance(event, NodeStarted) else None])
    document = {
        "nodes": [{**node("a"), "batch": {"items": [1, 2]}}, node("b")],
        "edges": [{"from": "a", "to": "b", "action": "error"}],
    }
    walk, namespace = walked(registry, document, stop=stop, bus=stopping)
    assert (walk.status, walk.interrupted, visited(walk)) == ("failed", True, ["a"])
    assert [error["kind"] for error in namespace.values["a"]["errors"]] == ["cancelled", "cancelled"]
    assert namespace.values["a"]["error_count"] == 0


def test_events_tell_what_happens(registry: Registry) -> None:
    heard: list[Event] = []
    document = {
        "nodes": [
            node("a"),
            {**node("b", fail="${item}"), "batch": {"items": [0, "x", 0], "error_handling": "continue"}},
            node("c", fail="y"),
        ]
    }
    walked(registry, document, bus=Bus([heard.append]))
    told = [event for event in heard if not isinstance(event, BatchProgress)]
    starts = [event for event in told if isinstance(event, NodeStarted)]
    ends = [event for event in told if isinstance(event, NodeFinished)]
    assert [type(event).__name__ for event in told] == ["NodeStarted", "NodeFinished"] * 3
    assert (starts[1].executor, starts[1].total, starts[1].workers) == ("sequential", 3, 1)
    assert (ends[1].status, ends[1].succeeded, ends[1].failed, ends[1].is_batch) == ("degraded", 2, 1, True)
    assert [error["index"] for error in ends[1].errors] == [1]
    assert (ends[2].status, ends[2].error, ends[2].is_batch) == ("failed", "NodeError: y", False)


def test_a_reference_left_unresolved_is_warned_of_and_degrades(registry: Registry) -> None:
    warnings = Warnings()
    document = {
        "nodes": [node("a", fail="x"), node("b", text="${a.said.deeper}")],
        "edges": [{"from": "a", "to": "b", "action": "error"}],
        "template_resolution_mode": "permissive",
    }
    walk, namespace = walked(registry, document, warnings=warnings, namespace=Namespace({}, permissive=True))
    assert walk.reports["b"].status == "degraded"
    assert namespace.values["b"]["said"] == "${a.said.deeper}"
    told = [(one.code, one.node, "${a.said.deeper}" in one.message) for one in warnings.listed()]
    assert told == [("unresolved", "b", True)]


def test_executor_and_jobs_of_the_run_override_the_batch(registry: Registry) -> None:
    document = {"nodes": [{**node("a"), "batch": {"items": [1, 2, 3], "parallel": True}}]}
    walk, _ = walked(registry, document, jobs=2)
    assert walk.reports["a"].batch["max_concurrent"] == 2
    walk, _ = walked(registry, document, executor="sequential", jobs=2)
    assert (walk.reports["a"].batch["executor"], walk.reports["a"].batch["max_concurrent"]) == (
        "sequential",
        1,
    )
