"""Flows with a journal: what is kept of them, and what runs again."""

from __future__ import annotations

import asyncio
import datetime
import os
import subprocess
import sys

import pytest

from batchmill.concurrency.cancel import CancelToken
from batchmill.errors import InvalidSetting, RunLocked, Stopped
from batchmill.flow import (
    AsyncFlow,
    AsyncNode,
    AsyncParallelBatchFlow,
    AsyncParallelBatchNode,
    BatchFlow,
    BatchNode,
    Flow,
    Node,
    current_recorder,
)
from batchmill.flow.journaled import Resuming
from batchmill.journal.journal import Journal
from batchmill.journal.reading import Reader

calls: list[object] = []
broken: set[object] = set()


@pytest.fixture(autouse=True)
def _afresh():
    calls.clear()
    broken.clear()


@pytest.fixture
def journal(tmp_path):
    return tmp_path / "runs.sqlite"


def runs(journal):
    with Reader(Journal(journal)) as reader:
        return reader.runs()


def asked(what):
    calls.append(what)
    current_recorder().append({"model": "stub", "asked": str(what), "cost": 1.0})
    if what in broken:
        raise ValueError(f"cannot do {what}")
    return what


class Ask(Node):
    def prep(self, shared):
        shared.setdefault("prepared", []).append("ask")
        return shared["question"]

    def exec(self, question):
        return asked(question), {1, 2}, b"x", datetime.date(2026, 1, 2)

    def post(self, shared, prep_res, exec_res):
        shared["answer"] = exec_res


class Check(Node):
    def prep(self, shared):
        return "check"

    def exec(self, what):
        return asked(what)

    def post(self, shared, prep_res, exec_res):
        shared["checked"] = exec_res
        return "done"


class Words(BatchNode):
    def prep(self, shared):
        return shared["words"]

    def exec(self, word):
        return asked(word), len(word)

    def post(self, shared, prep_res, exec_res):
        shared["lengths"] = list(exec_res)


class Lengths(Words):
    def exec(self, word):
        if word == os.environ.get("BROKEN"):
            raise ValueError(word)
        return (word, len(word))


def two_steps():
    ask = Ask()
    ask >> Check()
    return Flow(start=ask)


def test_a_run_that_failed_goes_on_where_it_was(journal):
    broken.add("check")
    shared = {"question": "why"}
    with pytest.raises(ValueError, match="check") as caught:
        two_steps().run(shared, journal=journal)
    assert "run the same flow again" in caught.value.__notes__[0]
    assert calls == ["why", "check"]
    broken.clear()
    shared = {"question": "why"}
    assert two_steps().run(shared, journal=journal) == "done"
    assert calls == ["why", "check", "check"]
    assert shared["answer"] == ("why", {1, 2}, b"x", datetime.date(2026, 1, 2))
    assert shared["prepared"] == ["ask"]
    assert [one["asked"] for one in shared["__llm_calls__"]] == ["why", "check"]
    (run,) = runs(journal)
    assert (run.status, run.passes) == ("success", 2)
    with Reader(Journal(journal)) as reader:
        assert [call["asked"] for _, call in reader.calls(run)] == ["why", "check", "check"]
        assert set(reader.nodes(run)) == {"Ask", "Check"}
        assert reader.result(run)["outputs"]["checked"] == "check"


def test_the_same_store_may_go_in_as_it_came_out(journal):
    broken.add("check")
    shared = {"question": "why"}
    flow = two_steps()
    with pytest.raises(ValueError, match="check"):
        flow.run(shared, journal=journal)
    broken.clear()
    flow.run(shared, journal=journal)
    assert calls == ["why", "check", "check"]
    assert [one["asked"] for one in shared["__llm_calls__"]] == calls
    assert len(runs(journal)) == 1


def test_a_run_at_its_end_is_not_gone_on_with(journal):
    two_steps().run({"question": "why"}, journal=journal)
    two_steps().run({"question": "why"}, journal=journal)
    assert calls == ["why", "check"] * 2
    assert [run.status for run in runs(journal)] == ["success"] * 2


def test_another_store_is_another_run_unless_it_has_the_name(journal):
    broken.add("check")
    for question in ("why", "how"):
        with pytest.raises(ValueError, match="check"):
            two_steps().run({"question": question}, journal=journal)
    assert len(runs(journal)) == 2
    for number in range(2):
        with pytest.raises(ValueError, match="check"):
            two_steps().run({"question": "where", "at": number}, journal=journal, name="nightly")
    assert len(runs(journal)) == 3
    assert calls.count("where") == 1
    broken.clear()
    two_steps().run({"question": "why"}, journal=journal)
    assert calls.count("why") == 1
    assert [run.status for run in runs(journal)] == ["failed", "failed", "success"]


def test_what_changed_is_made_again(journal):
    class Prefixed(Check):
        def __init__(self, prefix):
            super().__init__()
            self.prefix = prefix

        def exec(self, what):
            return asked(f"{self.prefix} {what}")

    def flow(prefix):
        first = Prefixed(prefix)
        first - "done" >> Check()
        return Flow(start=first)

    broken.add("check")
    for prefix in ("a", "b", "b"):
        with pytest.raises(ValueError, match="check"):
            flow(prefix).run({}, journal=journal)
    assert [one for one in calls if one != "check"] == ["a check", "b check"]


@pytest.mark.parametrize("executor", [None, "sequential", "thread", "process"])
def test_of_a_batch_the_items_are_kept(journal, executor, monkeypatch):
    options = {} if executor is None else {"executor": executor, "max_concurrent": 2}
    node = (Words if executor != "process" else Lengths)(**options)
    shared = {"words": ["a", "bb", "ccc"]}
    broken.add("ccc")
    monkeypatch.setenv("BROKEN", "ccc")
    with pytest.raises(Exception, match="ccc"):
        Flow(start=node).run(shared, journal=journal)
    broken.clear()
    monkeypatch.delenv("BROKEN")
    calls.clear()
    shared = {"words": ["a", "bb", "ccc"]}
    Flow(start=node).run(shared, journal=journal)
    assert shared["lengths"] == [("a", 1), ("bb", 2), ("ccc", 3)]
    if executor != "process":
        assert calls == ["ccc"]
        assert sorted(one["asked"] for one in shared["__llm_calls__"]) == ["a", "bb", "ccc"]
    (run,) = runs(journal)
    with Reader(Journal(journal)) as reader:
        (visit,) = reader.visits(run)
        assert (visit.total, visit.done, visit.failed) == (3, 3, 0)
        assert reader.nodes(run)[visit.address]["count"] == 3


def test_items_in_an_event_loop(journal):
    class Later(AsyncParallelBatchNode):
        async def prep_async(self, shared):
            return shared["words"]

        async def exec_async(self, word):
            await asyncio.sleep(0)
            return asked(word), len(word)

        async def post_async(self, shared, prep_res, exec_res):
            shared["lengths"] = exec_res

    class First(AsyncNode):
        async def exec_async(self, prep_res):
            return asked("first")

    def flow():
        first = First()
        first >> Later(max_concurrent=2, on_failure="finish")
        return AsyncFlow(start=first)

    broken.add("ccc")
    with pytest.raises(ValueError, match="ccc"):
        asyncio.run(flow().run_async({"words": ["a", "bb", "ccc"]}, journal=journal))
    broken.clear()
    calls.clear()
    shared = {"words": ["a", "bb", "ccc"]}
    asyncio.run(flow().run_async(shared, journal=journal))
    assert calls == ["ccc"]
    assert shared["lengths"] == [("a", 1), ("bb", 2), ("ccc", 3)]


class Entry(Node):
    def prep(self, shared):
        return self.params["n"]

    def exec(self, n):
        return asked(n)

    def post(self, shared, prep_res, exec_res):
        shared.setdefault("seen", []).append(exec_res)


class Entries(BatchFlow):
    def prep(self, shared):
        return [{"n": n} for n in range(3)]


class QuietEntry(Entry):
    def exec(self, n):
        if str(n) == os.environ.get("BROKEN"):
            raise ValueError(n)
        return n


@pytest.mark.parametrize("executor", [None, "thread"])
def test_of_a_batch_flow_the_nodes_are_kept(journal, executor):
    flow = Entries(Entry(), **({} if executor is None else {"executor": executor, "max_concurrent": 1}))
    broken.add(2)
    with pytest.raises(Exception, match="2"):
        flow.run({}, journal=journal)
    broken.clear()
    calls.clear()
    shared: dict[str, object] = {}
    flow.run(shared, journal=journal)
    assert calls == [2]
    assert shared["seen"] == [0, 1, 2]


def test_on_processes_entries_are_kept_as_a_whole(journal, monkeypatch):
    flow = Entries(QuietEntry(), executor="process", max_concurrent=1, error_handling="continue")
    shared: dict[str, object] = {}
    monkeypatch.setenv("BROKEN", "2")
    flow.run(shared, journal=journal)
    assert shared["seen"] == [0, 1]
    (run,) = runs(journal)
    assert run.status == "degraded"
    with Reader(Journal(journal)) as reader:
        (visit,) = reader.visits(run)
        assert [one.state for one in reader.items(visit)] == ["ok", "ok", "failed"]
    monkeypatch.delenv("BROKEN")
    again: dict[str, object] = {}
    flow.run(again, journal=journal, resuming=Resuming(run))
    assert again["seen"] == [0, 1, 2]
    assert runs(journal)[0].status == "success"


def test_async_entries_are_kept(journal):
    class AsyncEntry(AsyncNode):
        async def prep_async(self, shared):
            return self.params["n"]

        async def exec_async(self, n):
            return asked(n)

    class AsyncEntries(AsyncParallelBatchFlow):
        async def prep_async(self, shared):
            return [{"n": n} for n in range(3)]

    broken.add(1)
    flow = AsyncEntries(AsyncEntry(), on_failure="finish")
    with pytest.raises(ValueError, match="1"):
        asyncio.run(flow.run_async({}, journal=journal))
    broken.clear()
    calls.clear()
    asyncio.run(flow.run_async({}, journal=journal))
    assert calls == [1]


def test_nested_flows_and_two_nodes_of_one_class(journal):
    first, second = Check(), Check()
    first - "done" >> second
    inner = Flow(start=first)
    inner - "done" >> Check()
    Flow(start=inner).run({}, journal=journal)
    (run,) = runs(journal)
    with Reader(Journal(journal)) as reader:
        assert sorted(reader.nodes(run)) == ["Check", "Flow.Check", "Flow.Check-2"]


def test_a_result_without_a_form_in_json_is_made_again(journal):
    class Odd(Node):
        def exec(self, _):
            calls.append("odd")
            return object()

    odd = Odd()
    odd >> Check()
    broken.add("check")
    for _ in range(2):
        with pytest.raises(ValueError, match="check"):
            Flow(start=odd).run({}, journal=journal)
    assert calls.count("odd") == 2


def test_what_a_name_tells_to_be_secret_is_not_written(journal):
    class Leaks(Check):
        def prep(self, shared):
            return shared["api_key"]

    leaks = Leaks()
    leaks - "done" >> Ask()
    shared = {"api_key": "sk-5h8Zq0aKw2", "question": "why"}
    Flow(start=leaks).run(shared, journal=journal)
    assert shared["checked"] == "sk-5h8Zq0aKw2"
    assert b"sk-5h8Zq0aKw2" not in journal.read_bytes()
    (run,) = runs(journal)
    assert run.settings["flow"]["whole"] is False


def test_a_name_is_for_one_at_a_time(journal):
    broken.add("check")
    with pytest.raises(ValueError, match="check"):
        two_steps().run({"question": "why"}, journal=journal, name="mine")
    lock = Journal(journal).lock(runs(journal)[0].name)
    try:
        with pytest.raises(RunLocked):
            two_steps().run({"question": "why"}, journal=journal, name="mine")
    finally:
        lock.release()


def test_a_stopped_run_can_be_gone_on_with(journal):
    stop = CancelToken()

    class Stops(Check):
        def post(self, shared, prep_res, exec_res):
            stop.cancel("enough")

    first = Stops()
    first >> Ask()
    with pytest.raises(Stopped, match="enough"):
        Flow(start=first).run({"question": "why"}, journal=journal, stop=stop)
    Flow(start=first).run({"question": "why"}, journal=journal)
    assert calls == ["check", "why"]


@pytest.mark.parametrize(
    ("keywords", "words"),
    [
        ({"journal": 3}, "path or a Journal"),
        ({"name": "x"}, "give `journal`"),
        ({"on_piece": 1}, "on_piece"),
        ({"jornal": "x"}, "journal"),
    ],
)
def test_wrong_arguments(keywords, words):
    with pytest.raises(InvalidSetting, match=words):
        two_steps().run({"question": "why"}, **keywords)


SCRIPT = """
import os, time
from batchmill import BatchNode, Flow, Node

class Pay(Node):
    def exec(self, _):
        open("paid", "a").write("x")
        time.sleep(0.01)  # what takes that long is on disk before anything else happens
        return "paid", 1

class Work(BatchNode):
    def prep(self, shared):
        return range(6)
    def exec(self, n):
        open("items", "a").write(f"{n}\\n")
        time.sleep(0.01)
        if n == 3 and not os.path.exists("go"):
            os.kill(os.getpid(), 9)
        return n * n
    def post(self, shared, items, squares):
        shared["squares"] = squares

pay = Pay()
pay >> Work()
flow = Flow(pay)
if __name__ == "__main__":
    shared = {}
    flow.run(shared, journal=".batchmill/runs.sqlite")
    print(shared["squares"])
"""


@pytest.mark.slow
def test_a_killed_script_is_run_again_or_resumed(tmp_path):
    (tmp_path / "work.py").write_text(SCRIPT)

    def run(*words):
        return subprocess.run(
            [sys.executable, *words], cwd=tmp_path, capture_output=True, text=True, check=False
        )

    assert run("work.py").returncode == -9
    assert run("work.py").returncode == -9
    (tmp_path / "go").touch()
    resumed = run("-m", "batchmill", "resume")
    assert resumed.returncode == 0, resumed.stderr
    assert resumed.stdout.split() == ["[", "0,", "1,", "4,", "9,", "16,", "25", "]"]
    assert "4 kept" in resumed.stderr
    assert (tmp_path / "paid").read_text() == "x"
    assert (tmp_path / "items").read_text().split() == ["0", "1", "2", "3", "3", "3", "4", "5"]
    assert run("work.py").stdout == "[0, 1, 4, 9, 16, 25]\n"
