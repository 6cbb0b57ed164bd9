"""What one item may use: over its attempts wherever they are made, its repairs and its models."""

from __future__ import annotations

import pytest

import batchmill
from batchmill.errors import InvalidDocument

SCHEMA = {"type": "object", "required": ["a"]}
PRICES = {"m": {"input": 1000, "output": 1000}, "n": {"input": 1000, "output": 1000}}
MANY = {"executor": "sequential"}


@pytest.fixture
def asked(model):
    """``asked(budget, batch, **params)``: the run of one item that never gets an answer of the right shape,
    and how often the model was asked; each call is paid with 15 tokens."""
    pytest.importorskip("openai", reason="the extra `llm` is not installed", exc_type=ImportError)
    model.answers = ["no JSON"]

    def of(budget, batch=MANY, **params):
        params = {
            "model": "m", "base_url": model.base_url, "prompt": "${item}", "output_schema": SCHEMA,
            "max_tokens": 5, "repairs": 0, "item_budget": budget, **params,
        }  # fmt: skip
        whole = {"items": ["x"], "max_retries": 9, "retry_wait": 0, "error_handling": "continue", **batch}
        node = {"id": "a", "type": "llm", "params": params, "batch": whole}
        run = batchmill.run({"prices": PRICES, "nodes": [node]})
        assert len(run.llm_calls) == len(model.asked)
        return run, len(model.asked)

    return of


@pytest.mark.parametrize("executor", ["sequential", "thread", "process"])
@pytest.mark.parametrize("limit", [None, {"per_second": 1000}])
def test_all_attempts_at_an_item_share_it(asked, executor, limit):
    run, count = asked({"requests": 3}, {"executor": executor, **({"rate_limit": limit} if limit else {})})
    assert count == 3
    (error,) = run.errors
    assert error["type"] == "ItemBudgetExceeded"
    assert error["message"].endswith(
        "the item's budget has 3 requests: 3 are used, and the next call may use more"
    )


def test_a_call_counts_as_what_it_may_use(asked, model):
    _, count = asked({"tokens": 1000})
    assert count == 9
    model.asked.clear()
    used = 15  # by each call; one that is about to be made may use at least `max_tokens`
    _, count = asked({"tokens": 3 * used + 4})
    assert count == 3


def test_repairs_and_other_models_share_it(asked, model):
    _, count = asked({"requests": 2}, repairs=5)
    assert count == 2
    model.asked.clear()
    run, count = asked({"usd": 0.02}, models=["n"], fall_back_on=["unusable"])
    assert count == 1  # 0.015 are paid, and the other model costs as much
    assert run.errors[0]["type"] == "ItemBudgetExceeded"


def test_it_says_why_another_call_was_due(asked, model):
    run, count = asked({"requests": 1}, repairs=1)
    assert count == 1
    assert "the answer before could not be used: it is not JSON" in run.errors[0]["message"]


def test_a_model_without_a_price_is_not_asked_under_one_of_dollars(asked):
    run, count = asked({"usd": 1}, model="free")
    assert count == 0
    assert "the model 'free' has no price" in run.errors[0]["message"]


@pytest.mark.parametrize(
    ("budget", "words"),
    [({"euros": 1}, "has the key 'euros'"), ({"usd": -1}, "needs a number of 0 or more for `usd`, not -1")],
)
def test_another_budget_is_no_document(asked, budget, words):
    with pytest.raises(InvalidDocument, match=words):
        asked(budget)
