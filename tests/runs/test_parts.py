"""Running a part of a document: ``only``, ``from_``, ``until``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import batchmill
from batchmill.errors import InvalidSetting
from batchmill.graph.compile.check import check
from batchmill.graph.part import Part, before, part_of
from batchmill.ir.loading import load
from batchmill.nodes.registry import default_registry
from batchmill.runs.rehearse import rehearse

APPEND = "with open(log, 'a') as file: file.write(name)\nresult = name + ''.join(map(str, given))"


def node(name: str, *given: str, **more: Any) -> dict[str, Any]:
    """A node that notes that it was run, and gives its name and what it was given."""
    inputs = {"name": name, "log": "${log}", "given": [f"${{{one}}}" for one in given]}
    return {"id": name, "type": "code", "params": {"code": APPEND, "inputs": inputs}, **more}


CHAIN = [
    node("a"),
    node("b", "a.result", "item", batch={"items": [1, 2]}),
    node("c", "b.results[1].result"),
    node("d", "c.result"),
]


class Runner:
    """Runs with one journal, and which nodes each of them ran."""

    def __init__(self, folder: Path) -> None:
        self._log = folder / "log"
        self.journal = folder / "j.sqlite"

    def __call__(self, nodes: list[dict[str, Any]] | dict[str, Any], **part: Any) -> tuple[Any, str]:
        document = nodes if isinstance(nodes, dict) else {"nodes": nodes}
        inputs = {"log": {"type": "string"}, "x": {"default": 1}}
        executor = part.pop("executor", None)
        values = {"log": str(self._log), **part.pop("values", {})}
        done = batchmill.run(
            {"inputs": inputs, **document}, values, journal=self.journal, executor=executor, **part
        )
        return done, self.ran()

    def resume(self, run: str, **part: Any) -> tuple[Any, str]:
        done = batchmill.resume(run, journal=self.journal, **part)
        return done, self.ran()

    def ran(self) -> str:
        text = self._log.read_text() if self._log.exists() else ""
        self._log.unlink(missing_ok=True)
        return text


@pytest.fixture
def runner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Runner:
    monkeypatch.chdir(tmp_path)
    return Runner(tmp_path)


@pytest.mark.parametrize(
    ("part", "ran"),
    [
        ({"only": "b"}, "bb"),
        ({"only": "d"}, "d"),
        ({"from_": "c"}, "cd"),
        ({"from_": "a"}, "abbcd"),
        ({"until": "b"}, "abb"),
        ({"from_": "b", "until": "c"}, "bbc"),
    ],
)
def test_a_part_is_run_and_what_lies_before_it_is_known(
    runner: Runner, part: dict[str, str], ran: str
) -> None:
    assert runner(CHAIN)[1] == "abbcd"
    done, found = runner(CHAIN, **part)
    assert (done.status, found) == ("success", ran)
    assert set(done.nodes) == set(ran)


@pytest.mark.parametrize(
    "executor", ["sequential", "thread", pytest.param("process", marks=pytest.mark.slow)]
)
def test_results_of_a_part_are_those_of_the_whole(runner: Runner, executor: str) -> None:
    outputs = {"outputs": {"b": {"source": "${b.results[*].result}"}, "d": {"source": "${d.result}"}}}
    whole, _ = runner({"nodes": CHAIN, **outputs})
    part, ran = runner({"nodes": CHAIN, **outputs}, from_="b", executor=executor)
    assert ran == "bbcd"
    assert part.outputs == whole.outputs == {"b": ["ba1", "ba2"], "d": "dcba2"}
    part, ran = runner({"nodes": CHAIN, **outputs}, until="b", executor=executor)
    assert part.outputs == {"b": ["ba1", "ba2"]}  # that of `d` is left out


def test_without_a_result_that_is_still_good_a_node_that_needs_it_fails(runner: Runner) -> None:
    done, ran = runner(CHAIN, only="c")
    assert (done.status, ran) == ("failed", "")
    assert "'b' is left out, and the journal has no valid result of it" in done.errors[0]["message"]
    runner(CHAIN)
    edited = [node("a", "x"), *CHAIN[1:]]
    done, ran = runner(edited, only="b")
    assert (done.status, ran) == ("failed", "")
    assert "'a' is left out" in done.errors[0]["message"]


def test_a_node_that_needs_nothing_of_the_others_runs_alone(runner: Runner) -> None:
    done, ran = runner([node("a"), node("b")], only="b")
    assert (done.status, ran) == ("success", "b")


def test_parts_build_upon_each_other(runner: Runner) -> None:
    parts = ({"until": "a"}, {"only": "b"}, {"only": "c"}, {"from_": "d"})
    assert [runner(CHAIN, **part)[1] for part in parts] == ["a", "bb", "c", "d"]


def test_resume_goes_on_with_the_part_and_with_whole_with_the_rest(runner: Runner) -> None:
    fails = "import os\nif not os.path.exists('flag'): raise OSError\n" + APPEND
    nodes = [CHAIN[0], {**CHAIN[1]}, *CHAIN[2:]]
    nodes[1] = {**nodes[1], "params": {**nodes[1]["params"], "code": fails}}
    first, ran = runner(nodes, until="b")
    assert (first.status, ran) == ("failed", "a")
    Path("flag").touch()
    done, ran = runner.resume(first.run)
    assert (done.status, ran) == ("success", "bb")
    assert (done.resumed["kept"], done.resumed["gone"]) == (1, 0)
    done, ran = runner.resume(first.run)
    assert (done.untouched, ran) == (True, "")
    done, ran = runner.resume(first.run, whole=True)
    assert (done.status, ran) == ("success", "cd")
    assert done.resumed["kept"] == 3


@pytest.mark.parametrize(
    "executor", ["sequential", "thread", pytest.param("process", marks=pytest.mark.slow)]
)
def test_resume_runs_the_named_part_again_and_later_passes_know_the_latest(
    runner: Runner, executor: str
) -> None:
    again = {**node("a"), "params": {"code": "import uuid\nresult = str(uuid.uuid4())"}}
    batch = {**again, "id": "b", "batch": {"items": [1, 2]}}
    outputs = {"outputs": {"a": {"source": "${a.result}"}, "b": {"source": "${b.results[*].result}"}}}
    first, _ = runner({"nodes": [again, batch, node("c", "x")], **outputs}, executor=executor)
    second, ran = runner.resume(first.run, from_="a", until="b")
    assert ran == ""
    assert second.outputs["a"] != first.outputs["a"]
    assert not set(second.outputs["b"]) & set(first.outputs["b"])
    assert second.resumed == {"kept": 0, "redone": 3, "new": 0, "changed": 0, "gone": 0}
    third, ran = runner.resume(first.run, whole=True)
    assert (third.outputs, ran) == (second.outputs, "")


def test_a_rehearsal_says_what_a_part_would_run(runner: Runner) -> None:
    first, _ = runner(CHAIN)
    told = rehearse(first.run, journal=runner.journal, from_="c")
    assert [(one.node, one.counts.redone, one.waits_for) for one in told.nodes] == [
        ("c", 1, None),
        ("d", 0, "c"),
    ]
    told = rehearse(first.run, journal=runner.journal, until="c")
    assert [(one.node, one.counts.kept) for one in told.nodes] == [("a", 1), ("b", 2), ("c", 1)]
    assert runner.ran() == ""


def test_the_nodes_of_finally_are_left_out_by_only(runner: Runner) -> None:
    document = {"nodes": CHAIN[:2], "finally": [node("z")]}
    assert runner(document)[1] == "abbz"
    assert runner(document, only="b")[1] == "bb"
    assert runner(document, until="a")[1] == "az"


def test_a_workflow_before_the_part_is_known_too(runner: Runner) -> None:
    inner = {
        "inputs": {"log": {"type": "string"}},
        "nodes": [node("i")],
        "outputs": {"r": {"source": "${i.result}"}},
    }
    sub = {"id": "s", "type": "workflow", "params": {"workflow": inner, "inputs": {"log": "${log}"}}}
    many = {**sub, "id": "m", "batch": {"items": [1, 2]}}
    nodes = [sub, many, node("d", "s.r", "m.results[1].r")]
    assert runner(nodes)[1] == "iiid"
    done, ran = runner(nodes, only="d")
    assert (done.status, ran) == ("success", "d")
    first, _ = runner(nodes)
    assert runner.resume(first.run, only="s")[1] == "i"


EDGES = [
    {"from": "a", "to": "b"},
    {"from": "a", "to": "c"},
    {"from": "b", "to": "d"},
    {"from": "c", "to": "d"},
    {"from": "d", "to": "e"},
]
LOOP = [*EDGES, {"from": "d", "to": "b", "action": "again"}]
ECHO = [{"id": name, "type": "echo", "params": {"message": name}} for name in "abcde"]


@pytest.mark.parametrize(
    ("part", "start", "names", "first"),
    [
        (Part(until="c"), "a", "ac", ""),
        (Part(until="d"), "a", "abcd", ""),
        (Part(start="b"), "b", "bde", "ac"),
        (Part(start="b", until="d"), "b", "bd", "ac"),
        (Part(only="d"), "d", "d", "abc"),
        (Part(start="e"), "e", "e", "abcd"),
    ],
)
def test_which_nodes_belong_to_a_part(part: Part, start: str, names: str, first: str) -> None:
    made = part_of(check(load({"nodes": ECHO, "edges": EDGES}), default_registry()), part)
    assert (made.start, "".join(sorted(made.order)), "".join(sorted(before(made)))) == (start, names, first)
    assert all(edge.source in names and edge.target in names for edge in made.edges)
    assert made.left_out == set("abcde") - set(names)


def test_a_loop_stays_whole_or_goes() -> None:
    nodes = [*ECHO[:3], {"id": "d", "type": "code", "params": {"code": "next = 'again'"}}, ECHO[4]]
    edges = [{"from": x, "to": y} for x, y in ("ab", "bc", "cd", "de")]
    plan = check(
        load({"nodes": nodes, "edges": [*edges, {"from": "d", "to": "b", "action": "again"}]}),
        default_registry(),
    )
    assert sorted(part_of(plan, Part(until="c")).order) == list("abcd")
    assert part_of(plan, Part(until="c")).loops == plan.loops
    whole = part_of(plan, Part(start="c"))
    assert (whole.start, sorted(whole.order), whole.loops) == ("b", list("bcde"), plan.loops)
    assert part_of(plan, Part(only="c")).loops == ()
    assert part_of(plan, Part(start="e")).loops == ()


def test_branches_and_loops_run_as_parts(runner: Runner) -> None:
    nodes = [node(name) for name in "abcde"]
    nodes[3] = node("d", "b.result", "c.result")
    document = {"nodes": nodes, "edges": EDGES}
    assert sorted(runner(document)[1]) == list("abcde")
    assert sorted(runner(document, until="d")[1]) == list("abcd")
    done, ran = runner(document, from_="b")
    assert (done.status, ran) == ("success", "bde")
    pipeline = {"pipeline": [nodes[0], {"parallel": [[nodes[1]], [nodes[2]]]}, nodes[3], nodes[4]]}
    assert sorted(runner(pipeline, until="d")[1]) == list("abcd")
    done, ran = runner(pipeline, from_="c")
    assert (done.status, ran) == ("success", "cde")
    assert runner(pipeline, only="c")[1] == "c"


@pytest.mark.parametrize("executor", ["thread", pytest.param("process", marks=pytest.mark.slow)])
def test_streams_that_are_cut(runner: Runner, executor: str) -> None:
    stages = [
        node("a", "item", batch={"items": [1, 2], "executor": executor}),
        node("b", "item.result", batch={"items": "${a.results}", "stream": True, "executor": executor}),
        node("c", "item.result", batch={"items": "${b.results}", "stream": True, "executor": executor}),
    ]
    document = {"nodes": stages, "outputs": {"all": {"source": "${c.results[*].result}"}}}
    whole, _ = runner(document)
    done, ran = runner(document, from_="b")
    assert (done.outputs, sorted(ran)) == (whole.outputs, list("bbcc"))
    assert sorted(runner(document, until="b")[1]) == list("aabb")


@pytest.mark.parametrize(
    ("part", "words"),
    [
        ({"only": "bb"}, "there is no node `bb`; did you mean `b`?"),
        ({"from_": "z"}, "`z` is in `finally`"),
        ({"only": "a", "until": "b"}, "leave out `from` and `until`"),
        ({"from_": "c", "until": "b"}, "no path leads from `c` to `b`"),
    ],
)
def test_parts_that_there_are_not(runner: Runner, part: dict[str, str], words: str) -> None:
    with pytest.raises(InvalidSetting, match=words):
        runner({"nodes": CHAIN, "finally": [node("z")]}, **part)


def test_all_or_a_part(runner: Runner) -> None:
    first, _ = runner(CHAIN[:1])
    with pytest.raises(InvalidSetting, match="leave out"):
        runner.resume(first.run, only="a", whole=True)
