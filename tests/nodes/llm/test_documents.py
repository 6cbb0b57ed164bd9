"""The llm node in documents: the ledger adds up on every executor, whatever fails on the way."""

from __future__ import annotations

import sys
import threading

import pytest

import batchmill
from batchmill.record import Usage

EXECUTORS = ["sequential", "thread", "process"]
PRICES = {"m": {"input": 2, "output": 10, "cached": 1}}


def document(executor, params, n=6, **more):
    batch = {
        "items": {"range": [n]},
        "executor": executor,
        "error_handling": "continue",
        "max_retries": 3,
    }
    node = {"id": "ask", "type": "llm", "params": {"prompt": "number ${item}", **params}, "batch": batch}
    return {"nodes": [node], **more}


@pytest.mark.parametrize("executor", EXECUTORS)
def test_echo_needs_no_network(executor):
    result = batchmill.run(document(executor, {"provider": "echo", "model": "m"}, prices=PRICES))
    assert [one["response"] for one in result.outputs["results"]] == [f"number {n}" for n in range(6)]
    assert [(call["node"], call["index"]) for call in result.llm_calls] == [("ask", n) for n in range(6)]
    assert [call["cost"] for call in result.llm_calls] == [pytest.approx((2 * 2 + 2 * 10) / 1e6)] * 6


@pytest.mark.slow
@pytest.mark.parametrize("executor", EXECUTORS)
def test_the_ledger_adds_up(executor, model, completion):
    pytest.importorskip("openai", reason="the extra `llm` is not installed", exc_type=ImportError)
    seen = {}

    def answer(body):
        prompt = body["messages"][0]["content"]
        with model.lock:
            seen[prompt] = seen.get(prompt, 0) + 1
        if prompt == "number 2" and seen[prompt] == 1:
            return (429, {}, {"Retry-After": "0"})
        if prompt == "number 4":
            return (400, {"error": {"message": "no"}}, {})
        if prompt == "number 5" and seen[prompt] < 3:
            return completion("not the shape", sent=100, answered=50, cached=40)
        return completion("[1]", sent=100, answered=50, cached=40)

    model.answers = [answer]
    params = {"model": "m", "base_url": model.base_url, "output_schema": {"type": "array"}}
    result = batchmill.run(document(executor, params, prices=PRICES))
    values = result.outputs["results"]
    assert [value and value["response"] for value in values] == [None if n == 4 else [1] for n in range(6)]
    # 2 was refused once and 4 for good, which costs nothing; 5 was corrected twice
    assert [call["index"] for call in result.llm_calls] == [0, 1, 2, 3, 5, 5, 5]
    assert [call["attempt"] for call in result.llm_calls] == [1, 1, 2, 1, 1, 1, 2]
    assert [bool(call["error"]) for call in result.llm_calls] == [False] * 4 + [True, True, False]
    total = Usage.total(result.llm_calls)
    assert (total.calls, total.input_tokens, total.output_tokens, total.unpriced) == (7, 700, 350, 0)
    assert total.cost == pytest.approx(7 * (60 * 2 + 40 * 1 + 50 * 10) / 1e6)


def test_without_a_price_the_cost_is_null():
    result = batchmill.run(document("thread", {"provider": "echo"}, prices=PRICES))
    assert {call["cost"] for call in result.llm_calls} == {None}
    assert result.outputs["results"][0]["llm_usage"]["cost"] is None


def test_a_runs_end_closes_the_client(model, soon):
    pytest.importorskip("openai", reason="the extra `llm` is not installed", exc_type=ImportError)
    result = batchmill.run(document("thread", {"model": "m", "base_url": model.base_url}))
    assert result.status == "success"  # and the fixture that counts threads and sockets is content


def test_ten_calls_run_at_once(model):
    pytest.importorskip("openai", reason="the extra `llm` is not installed", exc_type=ImportError)
    model.together = 10
    result = batchmill.run(document("thread", {"model": "m", "base_url": model.base_url}, n=10))
    assert result.status == "success"
    assert model.most_at_once == 10


def test_calls_in_flight_need_no_threads(model):
    pytest.importorskip("openai", reason="the extra `llm` is not installed", exc_type=ImportError)
    at_once, most, before = 40, 0, set(threading.enumerate())

    def answer(body):
        nonlocal most
        with model.lock:
            most = max(
                most, sum(one.name.startswith("batchmill-") for one in {*threading.enumerate()} - before)
            )
        return body["messages"][0]["content"]

    model.together, model.answers = at_once, [answer]  # more than the calls of one client
    made = document("thread", {"model": "m", "base_url": model.base_url}, n=at_once)
    made["nodes"][0]["batch"]["max_concurrent"] = at_once
    result = batchmill.run(made)
    assert [one["response"] for one in result.outputs["results"]] == [f"number {n}" for n in range(at_once)]
    assert model.most_at_once == at_once
    assert 1 <= most < 10  # the loop, the feeder, what ends just now


@pytest.mark.parametrize("executor", EXECUTORS[:2])
def test_a_call_that_is_overdue_is_in_the_ledger_and_tried_again(model, executor, given_time):
    pytest.importorskip("openai", reason="the extra `llm` is not installed", exc_type=ImportError)
    held = threading.Event()
    made = document(executor, {"model": "m", "base_url": model.base_url}, n=1, prices=PRICES)

    def check(seconds):
        model.answers = [lambda body: (held.wait(60), "late")[1], "in time"]
        made["nodes"][0]["batch"]["timeout"] = seconds
        result = batchmill.run(made)
        assert [one["response"] for one in result.outputs["results"]] == ["in time"]
        *late, last = result.llm_calls
        assert late
        assert all(call["estimated"] for call in late)
        assert not last["estimated"]

    given_time(check)
    held.set()


def test_prices_hold_for_the_workflows_inside(tmp_path):
    inner = {
        "prices": {"n": {"input": 7, "output": 7}},
        "nodes": [
            {"id": name, "type": "llm", "params": {"prompt": "one two", "provider": "echo", "model": name}}
            for name in ("m", "n")
        ],
    }
    node = {"id": "sub", "type": "workflow", "params": {"workflow": inner}}
    result = batchmill.run({"nodes": [node], "prices": PRICES})
    costs = {call["model"]: call["cost"] for call in result.llm_calls}
    assert costs == {"m": pytest.approx(2 * (2 + 10) / 1e6), "n": pytest.approx(2 * 14 / 1e6)}


def test_a_missing_extra_is_a_fault_of_the_environment(monkeypatch):
    monkeypatch.setitem(sys.modules, "openai", None)
    params = {"prompt": "x", "model": "m", "base_url": "http://127.0.0.1:9/"}
    result = batchmill.run({"nodes": [{"id": "a", "type": "llm", "params": params}]})
    assert result.environment
    assert "batchmill[llm]" in result.errors[0]["message"]


def test_calls_wait_for_descriptors(model, monkeypatch):
    pytest.importorskip("openai", reason="the extra `llm` is not installed", exc_type=ImportError)
    monkeypatch.setattr("batchmill.nodes.room.free_descriptors", lambda: 2)
    model.together = 2
    result = batchmill.run(document("thread", {"model": "m", "base_url": model.base_url}))
    assert (result.status, model.most_at_once) == ("success", 2)
    assert [(one["code"], one["message"]) for one in result.warnings] == [
        ("few-files", "2 calls at once, as this process may open no more connections")
    ]


def test_servers_are_told_nothing_about_the_machine(model):
    openai = pytest.importorskip("openai", reason="the extra `llm` is not installed", exc_type=ImportError)
    if not hasattr(openai, "Omit"):
        pytest.skip("this version of the SDK cannot leave headers out")
    assert batchmill.run(document("thread", {"model": "m", "base_url": model.base_url})).status == "success"
    told = {name for headers in model.headers for name in headers if name.startswith("x-stainless")}
    assert told <= {f"x-stainless-{name}" for name in ("retry-count", "read-timeout", "raw-response")}
