"""Several models: the next is asked where one fails, and the run says so."""

from __future__ import annotations

import pytest

import batchmill
from batchmill.errors import AttemptTimeout, InvalidDocument, NodeError
from batchmill.nodes.llm.node import LlmNode

pytest.importorskip("openai", reason="the extra `llm` is not installed", exc_type=ImportError)
PRICES = {"a": {"input": 1, "output": 1}, "b": {"input": 1000, "output": 1000}}


@pytest.fixture
def by_model(model):
    """``by_model(a=..., b=...)``: what each model answers."""

    def says(**answers):
        model.answers = [lambda body: answers[body["model"]]]
        return model

    return says


EMPTY = {"choices": [{"message": {"content": ""}, "finish_reason": "length"}], "usage": {}}
FAILURES = {
    "refused": (429, {}, {"Retry-After": "9"}),
    "denied": (401, {"error": {"message": "no such key"}}, {}),
    "failed": (500, {}, {}),
    "too_long": (400, {"error": {"message": "the maximum context length is 8"}}, {}),
    "unusable": (200, {"choices": []}, {}),
}


@pytest.mark.parametrize("failure", [*FAILURES.values(), (404, {}, {}), (200, EMPTY, {})])
def test_the_next_model_answers(ask, by_model, failure):
    model = by_model(a=failure, b="from b")
    outputs = ask("x", model=None, models=["a", "b"])
    assert outputs["response"] == "from b"
    assert [body["model"] for body in model.asked] == ["a", "b"]
    assert outputs["llm_usage"]["model"] == "b"
    (failed,) = outputs["llm_usage"]["failed_models"]
    assert failed["model"] == "a"
    assert failed["error"] in (f"HTTP{failure[0]}", "BadAnswer", "EmptyAnswer")


@pytest.mark.parametrize("kind", FAILURES)
def test_only_after_the_failures_that_are_named(ask, by_model, kind):
    model = by_model(a=FAILURES[kind], b="from b")
    assert ask("x", model="a", models=["b"], fall_back_on=[kind])["response"] == "from b"
    others = [one for one in FAILURES if one != kind]
    with pytest.raises(NodeError):
        ask("x", model="a", models=["b"], fall_back_on=others)
    assert [body["model"] for body in model.asked] == ["a", "b", "a"]


def test_a_request_that_is_wrong_is_wrong_everywhere(ask, by_model):
    model = by_model(a=(400, {"error": {"message": "no such option"}}, {}), b="from b")
    with pytest.raises(NodeError, match="no such option"):
        ask("x", model="a", models=["b"])
    assert ask("x", model="a", models=["b"], fall_back_on=["HTTP400"])["response"] == "from b"
    assert len(model.asked) == 3


def test_what_is_late_is_passed_over(ask, model):
    def slow(body):
        if body["model"] == "a":
            model.closing.wait(20)
        return body["model"]

    model.answers = [slow]
    models = [{"model": "a", "timeout": 0.1}, "b"]
    assert ask("x", model=None, models=models)["response"] == "b"
    with pytest.raises(AttemptTimeout):
        ask("x", model=None, models=models, fall_back_on=["failed"])


def test_where_all_fail_the_error_names_them_and_is_the_one_to_try_again(ask, by_model):
    by_model(a=FAILURES["refused"], b=FAILURES["denied"])
    with pytest.raises(NodeError, match=r"no model answered: a: .*429.*; b: .*401") as caught:
        ask("x", model=None, models=["a", "b"])
    error = caught.value
    assert (error.type_name, error.retryable, error.refused, error.retry_after) == (
        "HTTP429",
        True,
        True,
        9.0,
    )
    assert error.denied == 0
    by_model(a=FAILURES["denied"], b=FAILURES["denied"])
    with pytest.raises(NodeError) as caught:
        ask("x", model=None, models=["a", "b"])
    assert (caught.value.retryable, caught.value.denied) == (False, 3)


def test_each_model_has_what_is_said_of_it_and_no_key_of_another(ask, model, monkeypatch):
    monkeypatch.setenv("KEY_OF_B", "key-of-b-0123")
    monkeypatch.setenv("OPENAI_API_KEY", "key-of-openai-0123")
    model.answers = [(500, {}, {}), (500, {}, {}), (500, {}, {}), "fine"]
    elsewhere = model.base_url.replace("127.0.0.1", "localhost")
    models = [
        {"model": "b", "api_key_env": "KEY_OF_B", "max_tokens": 7, "options": {"seed": 1}},
        {"model": "c", "base_url": elsewhere},
        "d",
    ]
    outputs = ask("x", model="a", models=models, api_key="key-of-a-0123", temperature=1)
    assert outputs["response"] == "fine"
    keys = [headers["authorization"].removeprefix("Bearer ") for headers in model.headers]
    assert keys == ["key-of-a-0123", "key-of-b-0123", "none", "key-of-a-0123"]
    assert [(body.get("max_tokens"), body.get("seed"), body["temperature"]) for body in model.asked] == [
        (None, None, 1),
        (7, 1, 1),
        (None, None, 1),
        (None, None, 1),
    ]


@pytest.mark.parametrize(
    "executor", ["sequential", "thread", pytest.param("process", marks=pytest.mark.slow)]
)
def test_a_run_that_was_saved_is_a_success_that_says_so(by_model, executor, tmp_path):
    model = by_model(
        a=(200, {"choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 5}}, {}), b="fine"
    )
    params = {"prompt": "${item}", "base_url": model.base_url, "models": ["a", "b"]}
    batch = {"items": ["x", "y"], "executor": executor}
    document = {"prices": PRICES, "nodes": [{"id": "ask", "type": "llm", "params": params, "batch": batch}]}
    run = batchmill.run(document, journal=tmp_path / "runs.sqlite")
    assert run.status == "success"
    assert [one["response"] for one in run.outputs["results"]] == ["fine"] * 2
    assert [warned["code"] for warned in run.warnings] == ["fallback"]
    assert "'b' answered in its place" in run.warnings[0]["message"]
    assert [(call["model"], bool(call["error"])) for call in run.llm_calls] == [("a", True), ("b", False)] * 2
    usage = run.outputs["results"][0]["llm_usage"]
    assert (usage["calls"], usage["cost"]) == (2, pytest.approx((10 * 1 + 15 * 1000) / 1e6))


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"models": [""]}, "the model 0 is a name"),
        ({"models": [{"name": "a"}]}, "the model 0 is a name"),
        ({"models": ["a", {"model": "b", "api_key": "x"}]}, "has the key 'api_key'"),
        ({"models": ["a"], "fall_back_on": ["rufused"]}, "'rufused' is not a kind of failure"),
    ],
)
def test_mistakes_are_told_before_anything_runs(params, words):
    with pytest.raises(InvalidDocument, match=words):
        batchmill.run({"nodes": [{"id": "ask", "type": "llm", "params": {"prompt": "x", **params}}]})


def test_where_models_are_is_no_part_of_an_answer():
    params = {
        "prompt": "x",
        "models": ["a", {"model": "b", "base_url": "u", "api_key_env": "E", "max_tokens": 7}],
    }
    assert LlmNode.content(params)["models"] == ["a", {"model": "b", "max_tokens": 7}]


def test_a_budget_of_dollars_knows_all_prices():
    class Priced(LlmNode):
        prices = batchmill.record.PriceTable({"a": batchmill.record.prices.Price(1, 1)})

    assert Priced.unpriced({"models": ["a", "b"]}) == "b"
    assert Priced.unpriced({"model": "a", "models": [{"model": "a"}]}) is None


def test_the_key_of_another_model_is_masked(by_model, monkeypatch):
    monkeypatch.setenv("KEY_OF_B", "sk-0a1b2c3d4e5f6a7b")
    model = by_model(a=FAILURES["failed"], b="it is sk-0a1b2c3d4e5f6a7b")
    models = ["a", {"model": "b", "api_key_env": "KEY_OF_B"}]
    params = {"prompt": "x", "base_url": model.base_url, "models": models}
    run = batchmill.run({"nodes": [{"id": "ask", "type": "llm", "params": params}]})
    assert run.outputs["response"] == "it is ***"
