"""Budgets and token limits hold where servers tell little, and what nobody was asked for is free."""

from __future__ import annotations

import pytest

import batchmill
from batchmill.concurrency.resources import close_resources
from batchmill.nodes.llm.completion import without_zeros
from batchmill.policy.limits import EndedAttempt, Limiter, Limits

PRICES = {"m": {"input": 1000, "output": 1000}}
PROMPT = "w" * 196  # with the number of the item fifty tokens, by its length
USAGES = {
    "all of it": {"prompt_tokens": 50, "completion_tokens": 20},
    "the total": {"total_tokens": 70},
    "nothing": None,
    "zeros": {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0},
    "null": {"prompt_tokens": None, "completion_tokens": None, "total_tokens": None},
}


@pytest.fixture(autouse=True)
def _with_the_extra():
    pytest.importorskip("openai", reason="the extra `llm` is not installed", exc_type=ImportError)


def asking(model, n=30, params=None, **more):
    batch = {
        "items": {"range": [1000, 1000 + n]},
        "executor": "thread",
        "max_concurrent": 4,
        "error_handling": "continue",
        **more.pop("batch", {}),
    }
    asked = {"model": "m", "base_url": model.base_url, "prompt": PROMPT + "${item}", "max_tokens": 20}
    return {
        "prices": PRICES,
        "nodes": [{"id": "ask", "type": "llm", "params": {**asked, **(params or {})}, "batch": batch}],
        **more,
    }


def completion(usage, **more):
    return {"choices": [{"message": {"content": "y" * 80}, "finish_reason": "stop"}], "usage": usage, **more}


@pytest.mark.parametrize("budget", [{"tokens": 350}, {"usd": 0.35}])
@pytest.mark.parametrize("told", USAGES)
@pytest.mark.first_quick
def test_what_a_server_does_not_tell_counts_as_its_estimate(model, told, budget):
    model.answers = [completion(USAGES[told])]
    run = batchmill.run(asking(model, budget=budget))
    assert run.limit is not None
    assert len(model.asked) == len(run.llm_calls) == 5  # seventy tokens each
    assert sum(call["tokens"] for call in run.llm_calls) == 350
    assert sum(call["cost"] for call in run.llm_calls) == pytest.approx(0.35)
    assert run.errors[0]["type"] == "BudgetUsedUp"


@pytest.mark.parametrize(
    ("told", "known"),
    [((0, 0, 0), (None, None, None)), ((0, 5, 5), (None, 5, None)), ((0, 5, 9), (None, 5, 9)),
     ((7, 0, 7), (7, 0, 7)), ((None, None, 0), (None, None, None))],
)  # fmt: skip
def test_zeros_of_gateways_are_no_counts(told, known):
    names = ("input_tokens", "output_tokens", "total_tokens")
    counts = without_zeros(dict(zip(names, told, strict=True)))
    assert tuple(counts[name] for name in names) == known


@pytest.mark.parametrize(
    "answer",
    [
        {"choices": [], "usage": USAGES["all of it"]},
        b"no json",
        {**completion(None), "choices": [{"message": {"content": ""}}]},
    ],
)
def test_answers_of_no_use_are_counted(model, answer):
    model.answers = [(200, answer, {})]
    run = batchmill.run(asking(model, budget={"tokens": 350}))
    assert len(model.asked) == len(run.llm_calls) == 5
    assert all(call["error"] for call in run.llm_calls)


def test_calls_that_are_overdue_are_counted(model, given_time):
    model.seconds = 60

    def check(seconds):
        run = batchmill.run(asking(model, params={"timeout": seconds}, budget={"tokens": 210}))
        assert 3 <= len(run.llm_calls) <= 4

    given_time(check)


def test_tokens_a_minute_hold_where_no_usage_is_told(model):
    model.answers = [completion(None)]
    run = batchmill.run(asking(model, n=3, batch={"rate_limit": {"tokens_per_minute": 60_000}}))
    used = sum(call["tokens"] for call in run.llm_calls)
    assert used == 210
    # how long one waits for so many is the limiter's to say
    limiter = Limiter(Limits(tokens_per_minute=60))
    limiter.end(limiter.start(70, 0.0), EndedAttempt(tokens=70), 0.0)
    assert limiter.wait(1, 0.0) == pytest.approx(70, rel=0.01)


def test_answers_that_were_kept_spend_nothing(model, tmp_path):
    model.answers = [completion(USAGES["all of it"])]
    replay = {"provider": "replay", "replay_file": str(tmp_path / "answers.jsonl")}
    batchmill.run(asking(model, n=4, params=replay))
    close_resources()
    for budget in ({"requests": 0}, {"tokens": 1}, {"usd": 0}):
        run = batchmill.run(asking(model, n=4, params=replay, budget=budget))
        assert (run.status, run.limit) == ("success", None)
        assert [(one["kept"], one["cost"], one["input_tokens"]) for one in run.llm_calls] == [
            (True, 0, 50)
        ] * 4
    assert len(model.asked) == 4


def test_what_was_not_kept_is_still_paid(model, tmp_path):
    model.answers = [completion(USAGES["all of it"])]
    replay = {"provider": "replay", "replay_file": str(tmp_path / "answers.jsonl")}
    batchmill.run(asking(model, n=4, params=replay))
    run = batchmill.run(asking(model, n=9, params=replay, budget={"requests": 2}))
    assert run.limit is not None
    assert len(model.asked) == 6
    assert [call["kept"] for call in run.llm_calls].count(False) == 2


DIES = """
import os, signal
from batchmill.nodes.llm.node import LlmNode

class Dies(LlmNode):
    type = "dies"
    def run(self, params, attempt):
        super().run(params, attempt)
        os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.slow
def test_calls_of_workers_that_died_are_counted(model, tmp_path, monkeypatch):
    model.answers = [completion(USAGES["all of it"])]
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "node_that_dies_asking.py").write_text(DIES)
    document = asking(model, batch={"executor": "process", "max_concurrent": 1}, budget={"tokens": 200})
    document["nodes"][0]["type"] = "node_that_dies_asking:Dies"
    run = batchmill.run(document)
    assert run.limit is not None
    assert 2 <= len(model.asked) == len(run.llm_calls) <= 3
