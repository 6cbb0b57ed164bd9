"""What a call costs: as the provider tells it, else after the prices, with the cache and what is thought."""

from __future__ import annotations

import json

import pytest

import batchmill
from batchmill.nodes.llm.completion import reply_of as chat
from batchmill.nodes.llm.responses import usage_in as of_responses
from batchmill.record import Price

PRICES = {"m": {"input": 10, "output": 20, "cached": 1, "cache_write": 12.5}}


@pytest.fixture
def paid(model, completion):
    """``paid(usage)``: the one call of a run whose server tells that."""
    pytest.importorskip("openai", reason="the extra `llm` is not installed", exc_type=ImportError)

    def of(usage):
        model.answers = [{**completion("hi"), "usage": usage}]
        params = {"model": "m", "base_url": model.base_url, "prompt": "a"}
        run = batchmill.run({"prices": PRICES, "nodes": [{"id": "a", "type": "llm", "params": params}]})
        (call,) = run.llm_calls
        return call

    return of


def test_what_the_provider_tells_counts_and_not_the_prices(paid):
    call = paid({"prompt_tokens": 100, "completion_tokens": 10, "cost": 0.25})
    assert call["cost"] == 0.25


@pytest.mark.parametrize(
    "told",
    [
        {"prompt_tokens_details": {"cached_tokens": 30, "cache_write_tokens": 50}},
        {"prompt_tokens_details": {"cached_tokens": 30, "cache_creation_tokens": 50}},
        {"cache_read_input_tokens": 30, "cache_creation_input_tokens": 50},
    ],
)
@pytest.mark.first_quick
def test_what_is_read_from_the_cache_and_written_to_it_has_its_price(paid, told):
    call = paid({"prompt_tokens": 100, "completion_tokens": 10, **told})
    assert (call["cached_tokens"], call["written_tokens"]) == (30, 50)
    assert call["cost"] == pytest.approx((20 * 10 + 30 * 1 + 50 * 12.5 + 10 * 20) / 1e6)


@pytest.mark.parametrize("sent", [20, 500])
def test_what_a_gateway_counts_beside_the_sent_tokens_is_paid_too(paid, sent):
    """Anthropic's counts: the sent tokens are those that the cache had no part in."""
    cache = {"cache_read_input_tokens": 300, "cache_creation_input_tokens": 50}
    total = {} if sent == 20 else {"total_tokens": sent + 350 + 10}
    call = paid({"prompt_tokens": sent, "completion_tokens": 10, **cache, **total})
    assert (call["input_tokens"], call["tokens"]) == (sent + 350, sent + 360)
    assert call["cost"] == pytest.approx((sent * 10 + 300 * 1 + 50 * 12.5 + 10 * 20) / 1e6)


def test_a_question_that_came_out_of_the_cache_as_a_whole_has_no_zero_tokens():
    found = of_responses({"usage": {"input_tokens": 0, "output_tokens": 5, "cache_read_input_tokens": 40}})
    assert (found["input_tokens"], found["cached_tokens"]) == (40, 40)


def test_without_a_price_of_its_own_the_cache_costs_what_is_sent():
    assert Price(10, 20).cost(100, 0, 30, 50) == pytest.approx(100 * 10 / 1e6)
    assert Price(10, 20, cache_write=0).cost(100, 0, 80, 50) == pytest.approx(80 * 10 / 1e6)  # never below 0


@pytest.mark.parametrize(("answered", "total"), [(10, 115), (15, 115)])
def test_what_a_model_thinks_is_paid_whether_or_not_it_is_counted_as_answered(answered, total):
    usage = {
        "prompt_tokens": 100, "completion_tokens": answered, "total_tokens": total,
        "completion_tokens_details": {"reasoning_tokens": 5},
    }  # fmt: skip
    reply = chat(json.dumps({"choices": [{"message": {"content": "x"}}], "usage": usage}).encode())
    assert (reply.output_tokens, reply.reasoning_tokens) == (15, 5)


@pytest.mark.parametrize("cost", [True, -1, "free", "nan", None, float("nan"), float("inf")])
def test_what_is_no_cost_is_passed_over(cost):
    assert of_responses({"usage": {"input_tokens": 1, "cost": cost}})["cost"] is None
