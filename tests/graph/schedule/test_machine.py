"""The machine against a plain interpreter that runs one thing after another, on graphs of many shapes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from batchmill.graph.compile.check import check
from batchmill.graph.compile.plan import Plan
from batchmill.graph.compile.topology import Topology
from batchmill.graph.schedule.machine import Machine
from batchmill.ir.flow_graph import flow_graph
from batchmill.ir.loading import load
from batchmill.ir.outline import outline_of
from batchmill.ir.rules.loops import loop_faults
from batchmill.nodes.registry import default_registry

NAMES = "abcdefgh"
MOST = 5  # visits after which a node leads nowhere, so that every loop ends


def plan_of(edges, names=NAMES) -> Plan:
    nodes = [{"id": name, "type": "echo"} for name in names]
    written = [{"from": a, "to": b, "action": action} for a, b, action in edges]
    return check(load({"nodes": nodes, "edges": written}), default_registry())


def piped(*steps) -> Plan:
    return check(load({"pipeline": list(steps)}), default_registry())


def step(name, **more):
    return {"id": name, "type": "echo", **more}


def acted_out(plan: Plan, action_of: Callable[[str, int], str], pick=lambda running: 0) -> Counter[str]:
    """How often each node runs; ``pick`` says which of those that run ends next."""
    machine = Machine(Topology(plan))
    runs: Counter[str] = Counter()
    running: list[str] = []

    def take(decisions):
        for decision in decisions:
            if decision.starts:
                runs[decision.node] += 1
                assert decision.node not in running
                running.append(decision.node)

    take(machine.begin())
    while running:
        name = running.pop(pick(running))
        take(machine.ended(name, action_of(name, runs[name])))
    assert machine.over
    return runs


class Reference:
    """Runs a plan depth by depth: a loop is run to its end as if it were one node."""

    def __init__(self, plan: Plan, action_of: Callable[[str, int], str]) -> None:
        self.plan = plan
        self.action_of = action_of
        self.runs: Counter[str] = Counter()

    def run(self) -> Counter[str]:
        self.region(set(self.plan.order), None, {self.plan.start})
        return self.runs

    def region(self, nodes, header, tokens):
        """Run a region entered at ``tokens``; the targets of edges that leave it, once it is over."""
        inner = {}
        for loop in reversed(self.plan.loops):  # outer ones last: they hide those inside
            if loop.header in nodes and loop.header != header:
                inner |= dict.fromkeys(loop.body, loop)
        while True:
            wanted, leaving, again = set(tokens), set(), False
            done = set()
            for name in self.plan.order:
                loop = inner.get(name)
                if name not in nodes or name in done:
                    continue
                if loop is not None:
                    done |= set(loop.body)
                    entered = wanted & set(loop.body)
                    targets = self.region(set(loop.body), loop.header, entered) if entered else set()
                else:
                    targets = self.node(name) if name in wanted else set()
                for target in targets:
                    if target == header:
                        again = True
                    elif target in nodes:
                        wanted.add(target)
                    else:
                        leaving.add(target)
            if not again:
                return leaving
            tokens = {header}

    def node(self, name):
        self.runs[name] += 1
        return set(self.plan.follow(name, self.action_of(name, self.runs[name])))


ACTIONS = ("default", "x", "y")
EDGES = st.lists(
    st.tuples(
        st.sampled_from(NAMES), st.sampled_from(NAMES), st.sampled_from(("default", "default", "x", "y"))
    ),
    max_size=16,
    unique_by=lambda edge: (edge[0], edge[1], edge[2]),
)


def sound(edges):
    """The edges without those that validation would refuse."""
    kept, named = [], set()
    for source, target, action in edges:
        if action == "default" or (source, action) not in named:
            named.add((source, action))
            kept.append((source, target, action))
    return kept


@pytest.mark.slow
@settings(max_examples=75)
@given(EDGES, st.lists(st.sampled_from((*ACTIONS, "none")), min_size=8, max_size=40), st.data())
def test_every_node_runs_as_often_as_its_taken_edges_say(edges, actions, data):
    edges = sound(edges)
    raw = {
        "nodes": [step(name) for name in NAMES],
        "edges": [{"from": a, "to": b, "action": action} for a, b, action in edges],
    }
    graph = flow_graph(outline_of(raw, []))
    assume(graph is not None and not list(loop_faults(graph)))
    plan = plan_of(edges)

    def action_of(name, visit):
        return "none" if visit > MOST else actions[(NAMES.index(name) * 7 + visit * 3) % len(actions)]

    expected = Reference(plan, action_of).run()
    assert acted_out(plan, action_of) == expected
    assert acted_out(plan, action_of, lambda running: len(running) - 1) == expected
    drawn = acted_out(plan, action_of, lambda running: data.draw(st.integers(0, len(running) - 1)))
    assert drawn == expected


def always(action="default"):
    return lambda name, visit: action


def test_a_join_runs_once_after_all_that_were_taken():
    plan = plan_of(
        [("a", "b", "default"), ("a", "c", "default"), ("b", "d", "default"), ("c", "d", "default")]
    )
    assert acted_out(plan, always()) == Counter("abcd")


def test_a_join_is_skipped_when_nothing_that_leads_to_it_was_taken():
    plan = plan_of(
        [
            ("a", "b", "default"),
            ("a", "c", "default"),
            ("b", "d", "x"),
            ("c", "d", "x"),
            ("d", "e", "default"),
        ]
    )
    assert acted_out(plan, always()) == Counter("abc")


def test_a_join_does_not_wait_for_a_branch_that_was_not_taken():
    plan = plan_of([("a", "b", "default"), ("a", "c", "x"), ("b", "d", "default"), ("c", "d", "default")])
    assert acted_out(plan, always()) == Counter("abd")


def test_a_join_behind_a_loop_waits_for_its_last_round():
    """b goes round with c three times while the other branch has long been at its end."""
    edges = [
        ("a", "b", "default"),
        ("a", "y", "default"),
        ("b", "c", "x"),
        ("c", "b", "x"),
        ("b", "j", "default"),
    ]
    plan = plan_of([*edges, ("y", "j", "default")], names="abcyj")
    action = {"b": lambda visit: "x" if visit < 4 else "default", "c": lambda visit: "x"}
    runs = acted_out(
        plan, lambda name, visit: action.get(name, lambda visit: "default")(visit), lambda r: len(r) - 1
    )
    assert runs == Counter({"a": 1, "y": 1, "b": 4, "c": 3, "j": 1})


def test_after_names_what_a_decision_follows_from():
    plan = plan_of(
        [("a", "b", "default"), ("a", "c", "default"), ("b", "d", "default"), ("c", "d", "default")]
    )
    machine = Machine(Topology(plan))
    assert [decision.after for decision in machine.begin()] == [()]
    assert [(one.node, one.after) for one in machine.ended("a", "default")] == [("b", ("a",)), ("c", ("a",))]
    assert machine.ended("c", "default") == []
    assert [(one.node, one.after) for one in machine.ended("b", "default")] == [("d", ("b", "c"))]


def test_a_loop_that_is_set_back_looks_at_its_own_edges_only():
    """d is entered from outside and from inside its loop: the edge from outside counts once."""
    edges = [
        ("a", "b", "default"),
        ("a", "c", "default"),
        ("b", "d", "default"),
        ("c", "d", "default"),
        ("d", "b", "x"),
    ]
    machine = Machine(Topology(plan_of(edges)))
    machine.begin()
    machine.ended("a", "default")
    machine.ended("b", "default")
    machine.ended("c", "default")
    assert [(one.node, one.after) for one in machine.ended("d", "x")] == [("b", ("d",))]
    assert [(one.node, one.after) for one in machine.ended("b", "default")] == [("d", ("b",))]


def test_a_node_is_visited_so_often_and_no_more():
    plan = plan_of([("a", "a", "x")])
    machine = Machine(Topology(plan), most_visits=3)
    assert machine.begin()[0].starts
    for _ in range(2):
        assert machine.ended("a", "x")[0].starts
    assert machine.ended("a", "x") == []
    assert (machine.over_limit, machine.over) == ("a", True)


def started(decisions):
    return [decision.node for decision in decisions if decision.starts]


def test_a_failure_ends_the_whole_run_where_no_block_is_around():
    plan = plan_of(
        [("a", "b", "default"), ("a", "c", "default"), ("b", "d", "default"), ("c", "d", "default")]
    )
    machine = Machine(Topology(plan))
    machine.begin()
    machine.ended("a", "default")
    failure, decisions = machine.failed("b")
    assert (failure.run, decisions) == (True, [])
    assert started(machine.ended("c", "default")) == []
    assert machine.over


def test_fail_fast_starts_nothing_more_in_the_block_and_what_follows():
    machine = Machine(Topology(piped({"parallel": [step("a"), [step("b"), step("c")]]}, step("d"))))
    assert started(machine.begin()) == ["a", "b"]
    failure, _ = machine.failed("a")
    assert failure.run
    assert started(machine.ended("b", "default")) == []
    assert machine.over


def test_continue_keeps_the_failure_to_its_branch():
    block = {"parallel": [[step("a"), step("a2")], [step("b"), step("c")]], "on_error": "continue"}
    machine = Machine(Topology(piped(block, step("d"))))
    machine.begin()
    machine.ended("a", "default")
    failure, _ = machine.failed("a2")
    assert not failure.run
    assert started(machine.ended("b", "default")) == ["c"]
    decisions = machine.ended("c", "default")
    assert started(decisions) == ["d"]
    assert [decision.dropped for decision in decisions if decision.dropped] == [("a", "a2")]


def test_a_block_under_continue_fails_when_all_its_branches_do():
    machine = Machine(
        Topology(piped({"parallel": [step("a"), step("b")], "on_error": "continue"}, step("d")))
    )
    machine.begin()
    assert not machine.failed("a")[0].run
    failure, decisions = machine.failed("b")
    assert failure.run
    assert started(decisions) == []


def test_a_failed_block_fails_the_branch_it_stands_in_and_no_more_of_a_block_under_continue():
    inner = {"parallel": [step("x"), [step("y"), step("y2")]]}
    outer = {"parallel": [[inner, step("z")], step("b")], "on_error": "continue"}
    machine = Machine(Topology(piped(outer, step("d"))))
    assert sorted(started(machine.begin())) == ["b", "x", "y"]
    assert not machine.failed("x")[0].run
    assert started(machine.ended("b", "default")) == []  # y is still at work
    assert started(machine.ended("y", "default")) == ["d"]


def test_a_loop_around_a_block_begins_it_afresh_after_a_failure():
    block = {"parallel": [step("a"), step("b")], "on_error": "continue"}
    machine = Machine(Topology(piped(step("s"), block, step("t", next={"again": "s"}), step("e"))))
    machine.begin()
    for _ in range(2):
        machine.ended("s", "default")
        machine.failed("a")
        assert started(machine.ended("b", "default")) == ["t"]
        assert started(machine.ended("t", "again")) == ["s"]
    machine.ended("s", "default")
    machine.ended("a", "default")
    assert started(machine.ended("b", "default")) == ["t"]
    assert started(machine.ended("t", "default")) == ["e"]


@pytest.mark.parametrize("shape", ["chain", "fan"])
def test_the_work_for_each_node_does_not_grow_with_their_number(shape):
    """Counted, not timed: decisions and edges are looked at a fixed number of times for each node."""
    names = [f"n{number}" for number in range(2000)]
    if shape == "chain":
        edges = [(a, b, "default") for a, b in pairwise(names)]
    else:
        edges = [(names[0], name, "default") for name in names[1:-1]]
        edges += [(name, names[-1], "default") for name in names[1:-1]]
    assert acted_out(plan_of(edges, names), always()) == Counter(names)


def test_unreached_edges_do_not_count():
    plan = plan_of([("a", "b", "default"), ("z", "b", "default"), ("b", "c", "default")], names="abcz")
    assert acted_out(plan, always()) == Counter("abc")


def test_the_reference_itself_goes_round():
    edges = [("a", "b", "default"), ("b", "a", "x"), ("b", "c", "default")]

    def action_of(name, visit):
        return "x" if name == "b" and visit < 3 else "default"

    assert Reference(plan_of(edges), action_of).run() == Counter({"a": 3, "b": 3, "c": 1})
