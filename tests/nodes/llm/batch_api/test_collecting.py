"""Requests go to a server in files, and what it says of each becomes the outcome of its item."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing

import pytest

import batchmill
from batchmill.concurrency.cancel import CancelToken
from batchmill.errors import InvalidSetting
from batchmill.journal.journal import Journal
from batchmill.journal.reading import Reader
from batchmill.journal.sweeping import forget
from batchmill.nodes.llm.batch_api import desk
from batchmill.policy import NO_RETRIES, RetryPolicy
from batchmill.runs.batch_api import in_words

HOUR, DAY = 3600.0, 86400.0


def cost(run):
    return sum(call["cost"] for call in run.llm_calls)


def test_a_run_leaves_waits_and_collects(provider, labelling, go, said):
    seen = {"id": "n", "type": "code", "params": {"code": "result = ''.join(x)"}}
    seen["params"]["inputs"] = {"x": "${ask.results[*].response}"}
    run = go(labelling(["a", "b", "c"], then=[seen]))
    assert (run.status, run.ok, run.errors) == ("waiting", False, [])
    assert run.nodes["ask"]["status"] == "waiting"
    assert "n" not in run.nodes  # what follows has not begun
    (batch,) = run.waiting
    assert (batch["batch"], batch["requests"], batch["answered"]) == ("batch_1", 3, 0)
    run = go()
    assert (run.status, run.waiting[0]["status"]) == ("waiting", "in_progress")
    provider.clock.advance(HOUR)
    run = go()
    assert (run.status, run.outputs["result"], list(run.waiting)) == ("success", "ABC", [])
    assert run.nodes["n"]["status"] == "success"
    assert len(provider.batches) == 1
    assert cost(run) == pytest.approx(3 * 15 * 0.001 / 2)  # half of what a call costs
    assert sum(call["tokens"] for call in run.llm_calls) == 45
    assert go().untouched


def test_what_is_sent_is_what_a_call_sends(provider, labelling, go):
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    tool = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}
    go(labelling(["a"], output_schema=schema, tools=[tool], temperature=0, options={"seed": 3}, max_tokens=9))
    (line,) = map(json.loads, provider.files["file-1"].splitlines())
    assert (line["method"], line["url"]) == ("POST", "/v1/chat/completions")
    body = line["body"]
    assert (body["model"], body["seed"], body["max_tokens"], body["tools"]) == ("m", 3, 9, [tool])
    assert body["response_format"]["json_schema"]["schema"] == schema
    assert provider.batches["batch_1"]["completion_window"] == "24h"


def test_files_keep_to_their_limits(provider, labelling, go, said):
    run = go(labelling([*"abcde"], batch_api={"max_requests": 2}))
    assert sorted(one["requests"] for one in run.waiting) == [1, 2, 2]
    provider.clock.advance(HOUR)
    assert said(go()) == [*"ABCDE"]
    run = go(labelling([*"vwxyz"], batch_api={"max_bytes": 400}))
    assert len(run.waiting) > 1
    assert all(len(content) <= 400 for name, content in provider.files.items() if b"/v1/chat" in content)


def test_equal_items_are_requests_of_their_own(provider, labelling, go, said):
    go(labelling(["a", "a", "a"]))
    provider.clock.advance(HOUR)
    assert said(go()) == ["A", "A", "A"]
    assert len(provider.paid) == len(set(provider.paid)) == 3


def test_what_failed_is_an_error_and_asked_for_anew(provider, labelling, go, said):
    refused = (400, {"error": {"message": "no such thing as b"}})
    provider.answer = lambda body: refused if body["messages"][-1]["content"] == "b" else "yes"
    go(labelling(["a", "b", "c"]))
    provider.clock.advance(HOUR)
    run = go()
    assert (run.status, said(run)) == ("degraded", ["yes", None, "yes"])
    (error,) = run.errors
    assert (error["index"], error["type"]) == (1, "HTTP400")
    assert "no such thing as b" in error["message"]
    provider.answer = lambda body: "now"
    run = go(failed_only=True)
    assert (run.status, [one["requests"] for one in run.waiting]) == ("waiting", [1])
    provider.clock.advance(HOUR)
    run = go()
    assert (run.status, said(run)) == ("success", ["yes", "now", "yes"])
    assert len(provider.paid) == 3


@pytest.mark.parametrize(
    ("ends", "kind"),
    [
        ("expired", "BatchExpired"),
        ("cancelled", "BatchCancelled"),
        ("failed", "BatchFailed"),
        ("gone", "BatchGone"),
    ],
)
def test_batches_that_come_to_nothing_are_errors_of_their_items(provider, labelling, go, said, ends, kind):
    go(labelling(["a", "b"]))
    batch = provider.batches["batch_1"]
    batch["errors"] = {"data": [{"code": "token_limit", "message": "too much is enqueued"}]}
    batch["status"] = ends
    if ends == "gone":
        del provider.batches["batch_1"]
    run = go()
    assert [error["type"] for error in run.errors] == [kind, kind]
    assert "batch_1" in run.errors[0]["message"]
    assert "too much is enqueued" in run.errors[0]["message"] or ends == "gone"
    assert go().status == "waiting"
    provider.batches["batch_3"] = provider.batches.pop(max(provider.batches))
    provider.batches["batch_3"]["id"] = "batch_3"
    # of one that is not known any more nobody knows what was paid
    assert [call["estimated"] for call in run.llm_calls] == ([True, True] if ends == "gone" else [])


def test_answers_in_another_order_told_twice_or_missing(provider, labelling, go, said):
    """What is answered is found, and counts once; what is missing may be paid."""

    def as_it_comes(lines):
        failed = {**lines[1], "response": None, "error": {"code": "server_error", "message": "no"}}
        return [failed, *reversed(lines[:-1]), failed]

    provider.written = as_it_comes
    go(labelling(["a", "b", "c"]))
    provider.clock.advance(HOUR)
    run = go()
    assert said(run) == ["A", "B", None]
    assert [error["type"] for error in run.errors] == ["BatchAnswerMissing"]
    assert [call["tokens"] for call in run.llm_calls] == [15, 15, 257]
    assert cost(run) == pytest.approx((15 + 15 + 257) * 0.001 / 2)
    assert len({call["id"] for call in run.llm_calls}) == 3


def test_a_lost_file_of_answers_is_paid_all_the_same_and_asked_for_anew(provider, labelling, go, said):
    """Nobody gets those answers any more, so the run must not look for them for ever."""
    provider.answer = lambda body: (400, {"error": {"message": "no"}}) if "b" in str(body) else "yes"
    go(labelling(["a", "b"]))
    provider.clock.advance(HOUR)
    lost = provider.look("batch_1")["output_file_id"]
    provider.files["nowhere"] = provider.files.pop(lost)
    run = go()
    assert [error["type"] for error in run.errors] == ["BatchAnswerMissing", "HTTP400"]
    assert lost in run.errors[0]["message"]
    assert [(call["index"], call["estimated"]) for call in run.llm_calls] == [(0, True)]
    assert go().status == "waiting"
    provider.clock.advance(HOUR)
    run = go()
    assert said(run) == ["yes", None]
    assert len(provider.paid) == len(run.llm_calls) == 2


def test_a_file_of_answers_that_breaks_off_is_read_again(provider, labelling, go, said):
    go(labelling(["a", "b"]))
    provider.clock.advance(HOUR)
    provider.cut = 1
    run = go()
    assert (run.status, run.errors) == ("waiting", [])
    assert said(go()) == ["A", "B"]
    assert len(provider.batches) == 1


def test_what_expired_is_asked_for_anew(provider, labelling, go, said):
    slow = {"b"}
    provider.answer = lambda body: None if body["messages"][-1]["content"] in slow else "yes"
    provider.seconds = DAY
    go(labelling(["a", "b"]))
    provider.clock.advance(DAY)
    run = go()
    assert said(run) == ["yes", None]
    assert (run.errors[0]["type"], run.errors[0]["index"]) == ("BatchExpired", 1)
    slow.clear()
    assert go(failed_only=True).status == "waiting"
    provider.clock.advance(DAY)
    assert said(go()) == ["yes", "yes"]
    assert len(provider.paid) == 2


def test_an_answer_of_the_wrong_shape_is_asked_for_again_in_a_further_batch(provider, labelling, go, said):
    answers = iter(["no json", '{"n": 1}'])
    provider.answer = lambda body: next(answers)
    go(labelling(["a"], output_schema={"type": "object", "required": ["n"]}))
    provider.clock.advance(HOUR)
    run = go()
    assert (run.status, len(provider.batches)) == ("waiting", 2)
    provider.clock.advance(HOUR)
    run = go()
    assert (run.status, said(run)) == ("success", [{"n": 1}])
    assert len(run.llm_calls) == len(provider.paid) == 2  # each once, though both were read twice
    assert cost(run) == pytest.approx(2 * 15 * 0.001 / 2)


def test_other_interfaces_have_batches_too(provider, labelling, go, said, journal):
    usage = {"input_tokens": 3, "output_tokens": 4, "total_tokens": 7}
    text = [{"type": "message", "content": [{"type": "output_text", "text": "hi"}]}]
    provider.answer = lambda body: (200, {"output": text, "status": "completed", "usage": usage})
    go(labelling(["a"], api="responses"))
    assert provider.batches["batch_1"]["endpoint"] == "/v1/responses"
    provider.clock.advance(HOUR)
    assert said(go()) == ["hi"]
    data = [{"index": 0, "embedding": [0.5, 0.5]}]
    provider.answer = lambda body: (200, {"data": data, "usage": {"prompt_tokens": 2, "total_tokens": 2}})
    params = {"model": "m", "base_url": provider.base_url, "input": "a", "batch_api": True}
    go({"nodes": [{"id": "e", "type": "embeddings", "params": params}]})  # no batch of ours
    provider.clock.advance(HOUR)
    assert go().outputs["embedding"] == [0.5, 0.5]


def test_secrets_go_to_their_hosts_only(provider, labelling, go, said):
    """Also those that stand in the file of requests."""
    document = labelling(["is ${token} one?"])
    document["inputs"] = {"token": {"secret": True}}
    given = {"params": {"token": "tok-canary-0123456789"}}
    run = go({**document, "secret_hosts": {"token": ["api.openai.com"]}}, **given)
    assert "holds the secret `token`" in str(run.errors)
    assert not provider.files
    assert go({**document, "secret_hosts": {"token": ["127.0.0.1"]}}, **given).status == "waiting"
    assert b"tok-canary" in provider.files["file-1"]


def test_what_no_item_takes_is_in_the_ledger_all_the_same(provider, labelling, go, tmp_path, said):
    path = tmp_path / "labels.json"
    path.write_text(json.dumps(labelling(["a", "b"])))
    go(str(path))
    path.write_text(json.dumps(labelling(["a", "x"])))
    provider.answer = lambda body: {
        "choices": [{"message": {"content": body["messages"][-1]["content"].upper()}}]
    }
    provider.clock.advance(HOUR)
    run = go()
    assert run.status == "waiting"
    (gone,) = [one for one in run.llm_calls if one["error"] == "no item took the answer any more"]
    # no usage was told
    assert (gone["tokens"], gone["estimated"], gone["cost"]) == (2, True, pytest.approx(0.001))
    provider.clock.advance(HOUR)
    run = go()
    assert said(run) == ["A", "X"]
    assert len(run.llm_calls) == len(provider.paid) == 3
    assert cost(run) == pytest.approx(3 * 2 * 0.001 / 2)


@pytest.mark.parametrize("executor", ["sequential", "thread", "process"])
@pytest.mark.first_quick
def test_it_is_the_same_on_each_executor(provider, labelling, go, said, executor):
    go(labelling([*"abcd"], batch={"executor": executor}))
    provider.clock.advance(HOUR)
    run = go()
    assert (run.status, said(run)) == ("success", [*"ABCD"])
    assert len(provider.batches) == 1


def test_branches_gather_for_themselves(provider, labelling, go, said):
    first = labelling(["a"])["nodes"][0]
    second = {**labelling(["b"])["nodes"][0], "id": "other"}
    document = {"nodes": [{"id": "go", "type": "echo"}, first, second]}
    document["edges"] = [{"from": "go", "to": "ask"}, {"from": "go", "to": "other"}]
    run = go(document)
    assert run.status == "waiting"
    assert sum(one["requests"] for one in run.waiting) == 2
    provider.clock.advance(HOUR)
    assert go().status == "success"


def test_workflows_inside_items_wait_too(provider, labelling, go):
    inner = labelling(["${x}!"])
    inner["inputs"] = {"x": {"type": "string"}}
    inner["outputs"] = {"said": {"source": "${ask.results[0].response}"}}
    node = {"id": "each", "type": "workflow", "params": {"workflow": inner, "inputs": {"x": "${item}"}}}
    run = go({"nodes": [{**node, "batch": {"items": ["a", "b"], "executor": "process"}}]})
    assert (run.status, [one["requests"] for one in run.waiting]) == ("waiting", [2])
    provider.clock.advance(HOUR)
    run = go()
    assert run.status == "success", run.errors
    assert [one["said"] for one in run.outputs["results"]] == ["A!", "B!"]


def test_without_a_journal_it_says_that_it_needs_one(provider, labelling):
    with pytest.raises(InvalidSetting, match="run it with a journal"):
        batchmill.run(labelling(["a"]))
    assert not provider.files


@pytest.mark.parametrize("path", ["/files", "/batches"])
def test_a_submission_that_is_refused_is_made_again(provider, labelling, go, said, monkeypatch, path):
    monkeypatch.setattr(desk, "SUBMITTING", RetryPolicy(refused_for=30.0, max_wait=0.0))
    monkeypatch.setattr("batchmill.nodes.llm.batch_api.looks.SETTLE_SECONDS", 0.0)
    provider.broken = {("POST", path): 2}
    told = []
    run = go(labelling(["a"]), listeners=[lambda event: told.append(getattr(event, "message", ""))])
    assert (run.status, run.errors) == ("waiting", [])
    assert sum("503: too busy; it is tried again in" in words for words in told) == 2
    assert (len(provider.files), len(provider.batches)) == (1, 1)  # the file is sent once
    provider.clock.advance(HOUR)
    assert said(go()) == ["A"]


def test_answers_that_cannot_be_read_now_are_waited_for_and_it_says_why(provider, labelling, go, said):
    go(labelling(["a"]))
    provider.clock.advance(HOUR)
    provider.broken = {("GET", "/files/file-2/content"): 1}
    run = go()
    assert (run.status, run.errors, run.waiting[0]["status"]) == ("waiting", [], "completed")
    assert "503: too busy" in run.waiting[0]["why"]
    assert "could not be asked or read now: the server answered with 503: too busy" in in_words(run.waiting)
    assert said(go()) == ["A"]


def test_a_file_that_cannot_be_handed_in_fails_the_run_and_nothing_is_lost(
    provider, labelling, go, said, monkeypatch
):
    monkeypatch.setattr(desk, "SUBMITTING", NO_RETRIES)
    provider.broken = {("POST", "/files"): 1}
    run = go(labelling(["a"]))
    assert run.status == "failed"
    assert "could not be submitted" in run.errors[0]["message"]
    assert go().status == "waiting"
    provider.clock.advance(HOUR)
    assert said(go()) == ["A"]


def test_a_server_that_cannot_be_reached_is_no_error_of_the_items(provider, labelling, go, said, monkeypatch):
    monkeypatch.setattr("batchmill.nodes.llm.batch_api.looks.TRY_SECONDS", 0.0)
    go(labelling(["a"]))
    provider.clock.advance(HOUR)
    provider.broken = {("GET", "/batches/batch_1"): 3}
    run = go()
    assert (run.status, run.errors) == ("waiting", [])
    assert said(go()) == ["A"]


@pytest.mark.parametrize("budget", [{"usd": 0.02}, {"requests": 2}, {"tokens": 41}])
def test_budgets_hold_before_anything_is_paid(provider, labelling, go, budget):
    document = labelling([*"abcde"], max_tokens=19, batch={"executor": "thread"})
    document["budget"] = budget  # a request is taken to have twenty tokens and to cost a cent
    run = go(document)
    assert (run.limit is not None, run.errors[0]["type"]) == (True, "BudgetUsedUp")
    assert [one["requests"] for one in run.waiting] == [2]
    provider.clock.advance(HOUR)
    run = go()  # which has the budget once more
    assert [one["requests"] for one in run.waiting] == [2]
    provider.clock.advance(HOUR)
    assert [one["requests"] for one in go().waiting] == [1]
    provider.clock.advance(HOUR)
    assert (go().status, len(provider.paid)) == ("success", 5)


def test_no_budget_keeps_a_run_from_what_it_has_paid_for(provider, labelling, go, said):
    document = labelling(["a", "b"], max_tokens=19)
    provider.answer = lambda body: provider.completion("yes", sent=1, answered=400)  # dearer than expected
    document["budget"] = {"usd": 0.02}
    assert go(document).status == "waiting"
    provider.clock.advance(HOUR)
    run = go()
    assert (run.status, said(run), len(run.llm_calls)) == ("success", ["yes", "yes"], 2)


def test_waiting_is_no_failure_of_its_node(provider, labelling, go):
    document = labelling(["a"])
    document["nodes"] += [{"id": "sorry", "type": "echo"}, {"id": "next", "type": "echo"}]
    edges = [{"from": "ask", "to": "sorry", "action": "error"}, {"from": "ask", "to": "next"}]
    document["edges"] = edges
    run = go(document)
    assert (run.status, list(run.nodes)) == ("waiting", ["ask"])
    provider.clock.advance(HOUR)
    assert list(go().nodes) == ["ask", "next"]


def test_it_is_not_to_be_had_on_stages(provider, labelling, go):
    second = {"id": "then", "type": "echo", "batch": {"items": "${ask.results}", "stream": True}}
    with pytest.raises(InvalidSetting, match="cannot stream"):
        go(labelling(["a"], batch={"executor": "thread"}, then=[second]))


def test_a_node_that_is_no_batch_waits_too(provider, go):
    params = {"model": "m", "base_url": provider.base_url, "prompt": "a", "batch_api": True}
    document = {"nodes": [{"id": "ask", "type": "llm", "params": params}]}
    assert go(document).status == "waiting"
    provider.clock.advance(HOUR)
    assert go().outputs["response"] == "A"


def test_what_is_waited_for_goes_with_its_run(provider, labelling, go, journal):
    go(labelling(["a"]))
    kept = Journal(journal)
    with Reader(kept) as reader:
        (found,) = reader.runs()
        assert [one.remote for one in reader.batches(found)] == ["batch_1"]
    assert forget(kept, [found])
    rows = "SELECT (SELECT count(*) FROM service_batch) + (SELECT count(*) FROM service_request)"
    with closing(sqlite3.connect(journal)) as connection:
        assert connection.execute(rows).fetchone() == (0,)


def test_a_server_that_refuses_for_ever_is_given_up_after_the_stated_time(
    provider, labelling, go, said, monkeypatch
):
    """The searches for a batch that may have begun count."""
    with monkeypatch.context() as patched:
        patched.setattr(desk, "SUBMITTING", NO_RETRIES)
        provider.broken = {("POST", "/files"): 1}
        assert go(labelling(["a"])).status == "failed"
    provider.broken = {("POST", "/batches"): 10**6}
    began, told = provider.clock.time(), []
    listeners = [lambda event: told.append(getattr(event, "message", ""))]
    run = go(wait=True, clock=provider.clock, listeners=listeners)
    assert run.status == "failed"
    assert "503: too busy" in run.errors[0]["message"]
    most = desk.SUBMITTING.refused_for + desk.SETTLE_SECONDS
    assert most - desk.SETTLE_SECONDS <= provider.clock.time() - began <= most + 1
    assert any("its list is searched for up to 60 s" in words for words in told)
    provider.broken = {}
    assert go().status == "waiting"
    assert (len(provider.files), len(provider.batches)) == (2, 1)


@pytest.mark.parametrize("begun", [True, False])
def test_a_stop_ends_the_search_and_the_next_pass_goes_on(provider, labelling, go, said, monkeypatch, begun):
    if begun:
        provider.silent, provider.gateway, provider.hidden = 1, 504, 1
    else:
        provider.broken = {("POST", "/batches"): 1}
    stop = CancelToken()

    def stopping(event):
        if "its list is searched" in getattr(event, "message", ""):
            stop.cancel("told to")

    run = go(labelling(["a"]), listeners=[stopping], stop=stop)
    assert run.status in ("waiting", "stopped")
    assert "`resume` looks for it" in run.waiting[0]["why"]
    provider.hidden = 0
    monkeypatch.setattr("batchmill.nodes.llm.batch_api.looks.SETTLE_SECONDS", 0.0)
    assert go().status == "waiting"
    provider.clock.advance(HOUR)
    assert said(go()) == ["A"]
    assert (len(provider.batches), len(provider.paid)) == (1, 1)
