"""The ledger against the server's own bill: over resumes, edits and kills every call is there, once."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections import Counter

import pytest

import batchmill
from batchmill.concurrency.cancel import CancelToken
from batchmill.journal.journal import Journal
from batchmill.journal.reading import Reader
from batchmill.record.ledger import ledger, total

PRICES = {"m": {"input": 10, "output": 20}}
SENT, ANSWERED = 100, 50


@pytest.fixture(autouse=True)
def _with_the_extra():
    pytest.importorskip("openai", reason="the extra `llm` is not installed", exc_type=ImportError)


class Bill:
    """What the server charges for: each question that it answers. ``faulty`` are the prompts that get an
    answer of no use, ``hold`` those whose answer waits for ``gate``.

    Concurrency: ``lock`` guards ``prompts``.
    """

    def __init__(self):
        self.lock = threading.Lock()
        self.prompts = []
        self.faulty = set()
        self.hold = set()
        self.gate = threading.Event()
        self.came = threading.Semaphore(0)

    def __call__(self, body):
        prompt = body["messages"][-1]["content"]
        with self.lock:
            self.prompts.append(prompt)
        self.came.release()
        if prompt in self.hold:
            self.gate.wait(30)
        told = {"usage": {"prompt_tokens": SENT, "completion_tokens": ANSWERED}}
        if prompt in self.faulty:
            return {"choices": [], **told}
        return {"choices": [{"message": {"content": prompt.upper()}, "finish_reason": "stop"}], **told}

    def taken(self):
        with self.lock:
            found, self.prompts = self.prompts, []
        return found

    @property
    def calls(self):
        with self.lock:
            return len(self.prompts)


@pytest.fixture
def bill(model):
    found = Bill()
    model.answers = [found]
    yield found
    found.gate.set()


@pytest.fixture
def journal(tmp_path):
    return tmp_path / "runs.sqlite"


def ask(model, prompt="${item}", name="ask", batch=None, **params):
    node = {"id": name, "type": "llm"}
    node["params"] = {"model": "m", "base_url": model.base_url, "prompt": prompt, "max_tokens": 20, **params}
    return {**node, "batch": {"error_handling": "continue", **batch}} if batch else node


def flow(*nodes, **more):
    return {"prices": PRICES, "nodes": list(nodes), **more}


def stored(journal):
    """What ``batchmill cost`` adds up."""
    with Reader(Journal(journal)) as reader:
        return [call for _, call in reader.calls(reader.run("last"))]


def saved(journal):
    """How many items of the last run have an outcome in the journal."""
    with Reader(Journal(journal)) as reader:
        return sum(visit.done for visit in reader.visits(reader.run("last")))


def check(run, journal, bill):
    """Result, journal and bill say the same."""
    told, kept = list(run.llm_calls), stored(journal)
    assert Counter(call["id"] for call in told) == Counter(call["id"] for call in kept)
    assert len({call["id"] for call in told}) == len(told)
    assert Counter(call["prompt"] for call in told if not call["kept"]) == Counter(bill.prompts)
    for calls in (told, kept):
        whole = total(ledger(calls))
        assert (whole.calls, whole.unpriced, whole.estimated) == (bill.calls, 0, 0)
        assert (whole.input_tokens, whole.output_tokens) == (SENT * bill.calls, ANSWERED * bill.calls)
        assert float(whole.cost) == pytest.approx(bill.calls * (SENT * 10 + ANSWERED * 20) / 1e6)


class Runner:
    def __init__(self, folder, journal):
        self.file, self.journal = folder / "flow.json", journal

    def run(self, document):
        self.file.write_text(json.dumps(document))
        return batchmill.run(self.file, journal=self.journal)

    def resume(self, document=None, **more):
        if document is not None:
            self.file.write_text(json.dumps(document))
        return batchmill.resume("last", journal=self.journal, **more)


@pytest.fixture
def runner(tmp_path, journal):
    return Runner(tmp_path, journal)


@pytest.mark.parametrize("executor", ["thread", pytest.param("process", marks=pytest.mark.slow)])
def test_five_resumes_with_edits_between(model, bill, runner, journal, executor):
    def document(items, system=None):
        return flow(
            ask(model, batch={"items": items, "executor": executor, "max_retries": 2}, system=system),
            ask(model, "one ${item}", "more", batch={"items": ["x", "y"], "executor": executor}),
        )

    bill.faulty = {"b"}
    check(runner.run(document(["a", "b", "c"])), journal, bill)
    assert bill.calls == 6  # the second is tried twice
    check(runner.resume(failed_only=True), journal, bill)
    check(runner.resume(document(["a", "b", "d"])), journal, bill)
    check(runner.resume(document(["a", "d"], system="be short")), journal, bill)
    bill.faulty = set()
    check(runner.resume(document(["b"])), journal, bill)
    run = runner.resume(document(["b", "c"]), failed_only=False)
    check(run, journal, bill)
    assert run.spent_before["calls"] <= bill.calls
    assert bill.calls == 6 + 2 + 3 + 2 + 1


def test_calls_stand_in_document_order_within_each_pass(model, bill, runner):
    def document(*items):
        batch = {"items": list(items), "executor": "thread"}
        return flow(ask(model, "1 ${item}", "first", batch), ask(model, "2", "second"))

    runner.run(document("a", "b"))
    run = runner.resume(document("b", "c", "d"))
    assert [(call["node"], call["prompt"]) for call in run.llm_calls] == [
        ("first", "1 a"),
        ("first", "1 b"),
        ("second", "2"),
        ("first", "1 c"),
        ("first", "1 d"),
    ]
    assert run.spent_before == {"calls": 3, "tokens": 450, "cost": 0.006}


@pytest.mark.parametrize("executor", ["thread", "process"])
@pytest.mark.first_quick
def test_calls_of_loops_branches_and_workflows(model, bill, runner, journal, executor):
    bill.faulty = {"in b"}
    inner = flow({**ask(model, "in ${word}"), "retry": {"max": 1}}, inputs={"word": {"type": "string"}})
    params = {"workflow": inner, "inputs": {"word": "${item}"}}
    batch = {"items": ["a", "b"], "executor": executor, "error_handling": "continue"}
    loop = {"while": "${again.response}", "max_iterations": 2}
    alone = {"workflow": flow(ask(model, "alone")), "inputs": {}}
    document = flow(
        {"id": "each", "type": "workflow", "params": params, "batch": batch},
        {**ask(model, "again", "again"), "loop": loop},
        {"id": "sub", "type": "workflow", "params": alone},
    )
    run = runner.run(document)
    check(run, journal, bill)
    assert Counter(bill.prompts) == {"in a": 1, "in b": 1, "again": 2, "alone": 1}
    assert [call["node"] for call in run.llm_calls] == [
        "each[0].ask",
        "each[1].ask",
        "again",
        "again",
        "sub.ask",
    ]
    again = runner.resume(failed_only=True)
    check(again, journal, bill)
    assert bill.calls == 6


def test_a_value_that_is_computed_again_is_paid_again(model, bill, runner, journal, monkeypatch):
    monkeypatch.setenv("SOME_KEY", "K9F8E7D6C5B")  # the answer holds it: it is masked and not kept
    document = flow(ask(model, "hello k9f8e7d6c5b", api_key_env="SOME_KEY"))
    runner.run(document)
    document["nodes"].append({"id": "end", "type": "echo", "params": {"message": "x"}})
    run = runner.resume(document)
    assert bill.calls == len(run.llm_calls) == len(stored(journal)) == 2
    assert "HELLO THERE" not in json.dumps(list(run.llm_calls) + stored(journal))


def test_what_a_cache_gives_is_entered_at_nothing(model, bill, tmp_path, journal):
    document = flow(
        {**ask(model, batch={"items": ["a", "b"]}), "cache": True}, {**ask(model, "c", "one"), "cache": True}
    )
    check(batchmill.run(document, journal=journal), journal, bill)
    run = batchmill.run(document, journal=journal)
    assert bill.calls == 3
    assert [(call["kept"], call["cost"], call["input_tokens"]) for call in run.llm_calls] == [
        (True, 0, SENT)
    ] * 3
    whole = total(ledger(stored(journal)))
    assert (whole.calls, whole.kept, whole.tokens, whole.as_json()["cost"]) == (0, 3, 0, 0)


@pytest.mark.slow
def test_attempts_that_were_given_up_are_there_with_and_without_a_journal(model, bill, journal):
    bill.hold = {"b"}
    for executor in ("thread", "process"):
        for kept in (None, journal):
            batch = {"items": ["a", "b", "c"], "executor": executor, "timeout": 1.0, "max_retries": 1}
            run = batchmill.run(flow(ask(model, batch=batch)), journal=kept)
            assert run.outputs["error_count"] == 1
            calls = list(run.llm_calls)
            assert sorted((call["index"], call["estimated"]) for call in calls) == [
                (0, False),
                (1, True),
                (2, False),
            ]


SLEEPER = """
import os, signal, time
from batchmill.nodes.llm.node import LlmNode

class Dies(LlmNode):
    \"\"\"Asks, and takes its process with it.\"\"\"
    type = "dies"
    def run(self, params, attempt):
        done = super().run(params, attempt)
        if params["prompt"] == "b":
            os.kill(os.getpid(), signal.SIGKILL)
        return done
"""


@pytest.mark.slow
def test_what_a_worker_paid_before_it_died_is_there_in_full(
    model, bill, runner, journal, tmp_path, monkeypatch
):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "node_that_dies.py").write_text(SLEEPER)
    batch = {"items": ["a", "b", "c"], "executor": "process", "chunk_size": 1, "max_retries": 1}
    node = ask(model, batch=batch)
    run = runner.run(flow({**node, "type": "node_that_dies:Dies"}))
    assert [error["kind"] for error in run.errors] == ["worker_died"]
    kept = stored(journal)
    assert len(run.llm_calls) == len(kept) == bill.calls == 3
    assert [call["estimated"] for call in kept] == [False] * 3


def test_calls_of_a_cancelled_run_are_there(model, bill, journal):
    bill.hold = {"b"}
    cancel, ended = CancelToken(), []
    document = flow(ask(model, batch={"items": ["a", "b", "c"], "executor": "thread", "max_concurrent": 1}))
    thread = threading.Thread(
        target=lambda: ended.append(batchmill.run(document, journal=journal, cancel=cancel))
    )
    thread.start()
    bill.came.acquire(timeout=20)
    bill.came.acquire(timeout=20)
    cancel.cancel()
    thread.join()
    calls = list(ended[0].llm_calls)
    assert [(call["index"], call["estimated"]) for call in calls] == [(0, False), (1, True)]
    assert [call["id"] for call in stored(journal)] == [call["id"] for call in calls]


def start(folder, *arguments):
    return subprocess.Popen(
        [sys.executable, "-m", "batchmill", *arguments, "--progress", "none"],
        cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip


def wait_for(process, semaphore, count):
    for _ in range(count):
        assert semaphore.acquire(timeout=30), process.communicate()


@pytest.mark.parametrize("executor", ["thread", pytest.param("process", marks=pytest.mark.slow)])
def test_kills_lose_no_call_and_add_none(model, bill, tmp_path, executor, batchmill_command, soon):
    """Each pass is killed while answers are under way; what was asked and what is told are the same."""
    bill.hold = {f"item {n}" for n in (3, 4, 8, 9)}
    batch = {"items": {"range": [12]}, "executor": executor, "max_concurrent": 2}
    (tmp_path / "flow.json").write_text(json.dumps(flow(ask(model, "item ${item}", batch=batch))))
    journal = tmp_path / ".batchmill" / "runs.sqlite"
    process = start(tmp_path, "run", "flow.json")
    for count in (5, 2):  # up to the first two that are held, and those again
        wait_for(process, bill.came, count)
        # those that are not held have their outcomes: one without would be asked for again in the next pass,
        # beside one that is held, and the kill would come while the third call is made
        assert soon(lambda: saved(journal) == 3)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        kept = stored(journal)
        assert len(kept) == bill.calls
        assert Counter(call["estimated"] for call in kept)[True] >= 2
        process = start(tmp_path, "resume")
    bill.hold.clear()
    bill.gate.set()
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    kept = stored(journal)
    assert len(kept) == bill.calls
    answered = [call for call in kept if not call["estimated"]]
    assert len({call["index"] for call in answered}) == 12
    assert all(call["cost"] > 0 and call["tokens"] > 0 for call in kept)
    assert not (tmp_path / ".batchmill" / "runs.sqlite.calls").exists()
    _, out, _ = batchmill_command("cost")
    assert f"{len(kept) - len(answered)} did not tell all they used and count as an estimate" in out
    assert "pass 3: " in out
