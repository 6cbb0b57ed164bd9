"""The embeddings node: a vector for each text, in order, and every call in the ledger."""

from __future__ import annotations

import math

import pytest

import batchmill
from batchmill.errors import InvalidDocument, InvalidParams, NodeError
from batchmill.nodes.llm.embeddings import MOST_TEXTS, EmbeddingsNode

EXECUTORS = ["sequential", "thread", pytest.param("process", marks=pytest.mark.slow)]
PRICES = {"m": {"input": 2, "output": 1000}}


def vector(text):
    return [float(len(text)), 0.5]


def answer(body, **more):
    """As OpenAI answers, but from the last text to the first."""
    data = [
        {"object": "embedding", "index": place, "embedding": vector(text)}
        for place, text in enumerate(body["input"])
    ]
    usage = {"prompt_tokens": 10 * len(data), "total_tokens": 10 * len(data)}
    return {"object": "list", "data": data[::-1], "model": "m", "usage": usage, **more}


@pytest.fixture
def server(model):
    pytest.importorskip("openai", reason="the extra `llm` is not installed", exc_type=ImportError)
    model.answers = [answer]
    return model


@pytest.fixture
def embed(run, server):
    def of(given, **params):
        return run(
            "embeddings", **{"model": "m", "base_url": server.base_url, "input": given, **params}
        ).outputs

    return of


def document(server, executor="thread", items=("a", "bb", "ccc", "dddd", "eeeee"), **batch):
    params = {"input": "${item}", "model": "m", "base_url": server.base_url}
    block = {"items": list(items), "executor": executor, "batch_size": 2, "retry_wait": 0, **batch}
    node = {"id": "embed", "type": "embeddings", "params": params, "batch": block}
    source = "${embed.results[*].embeddings | flatten}"
    return {"prices": PRICES, "nodes": [node], "outputs": {"vectors": {"source": source}}}


def test_a_text_and_its_vector(embed, server):
    outputs = embed("hello", dimensions=2, options={"user": "me"})
    assert outputs["embedding"] == [5.0, 0.5]
    assert outputs["embeddings"] == [[5.0, 0.5]]
    assert outputs["llm_usage"]["input_tokens"] == outputs["llm_usage"]["total_tokens"] == 10
    (body,) = server.asked
    assert body == {
        "model": "m",
        "input": ["hello"],
        "encoding_format": "float",
        "dimensions": 2,
        "user": "me",
    }


def test_vectors_are_in_the_order_of_their_texts(embed, server):
    assert embed(["a", "bb", {"c": 3}])["embeddings"] == [[1.0, 0.5], [2.0, 0.5], [8.0, 0.5]]
    assert server.asked[0]["input"][2] == '{"c": 3}'


def test_no_texts_are_no_request(embed, server):
    outputs = embed([])
    assert (outputs["embeddings"], outputs["embedding"], server.asked) == ([], None, [])
    assert outputs["llm_usage"]["calls"] == 0


@pytest.mark.parametrize("executor", EXECUTORS)
def test_in_batches_with_a_ledger_and_resumed(server, executor, tmp_path):
    def some_fail(body):
        return (500, {}, {}) if "ccc" in body["input"] else answer(body)

    server.answers = [some_fail]
    journal = tmp_path / "runs.sqlite"
    asked = document(server, executor, max_retries=1, error_handling="continue")
    run = batchmill.run(asked, journal=journal)
    assert run.status == "degraded"
    server.answers = [answer]
    run = batchmill.resume(run.run, journal=journal, failed_only=True)
    assert run.status == "success"
    assert run.outputs["vectors"] == [vector("x" * n) for n in range(1, 6)]
    assert sorted(len(body["input"]) for body in server.asked) == [1, 2, 2, 2]  # what was done is kept
    paid = sorted((call["input_tokens"], call["output_tokens"], call["cost"]) for call in run.llm_calls)
    assert paid == [(10, 0, pytest.approx(2e-5))] + [(20, 0, pytest.approx(4e-5))] * 2


@pytest.mark.parametrize(
    ("told", "words"),
    [
        (b"no json", "not JSON"),
        ({"data": []}, "0 vectors for 1 texts"),
        ({"data": [{"embedding": "AAAA"}]}, "no `embedding` of numbers"),
        ({"data": [{"embedding": [1, None]}]}, "no `embedding` of numbers"),
        ({"data": [{"embedding": [1.0], "index": 7}]}, "the `index` of its 1 vectors is not"),
        ([], "no `data`"),
    ],
)
def test_answers_of_no_use_fail_and_are_counted(embed, server, told, words):
    server.answers = [(200, told, {})]
    with pytest.raises(NodeError, match=words) as caught:
        embed("x")
    assert (caught.value.type_name, caught.value.retryable) == ("BadAnswer", True)
    assert set(caught.value.outputs) == {"llm_usage", "error"}
    assert caught.value.outputs["llm_usage"]["calls"] == 1


def test_errors_of_the_server_are_those_of_llm(embed, server):
    server.answers = [(429, {}, {"Retry-After": "3"})]
    with pytest.raises(NodeError) as caught:
        embed("x")
    assert (caught.value.type_name, caught.value.refused, caught.value.retry_after) == ("HTTP429", True, 3.0)


def test_budgets_hold_where_no_usage_is_told(server):
    server.answers = [lambda body: {**answer(body), "usage": None}]
    texts = ["w" * 396 for _ in range(10)]  # of about a hundred tokens
    asked = document(server, "sequential", texts, batch_size=1, error_handling="continue")
    run = batchmill.run({**asked, "budget": {"tokens": 250}})
    assert (run.status, len(server.asked)) == ("failed", 2)
    assert all(call["estimated"] for call in run.llm_calls)


def test_a_budget_of_dollars_needs_a_price(server):
    asked = document(server)
    asked["nodes"][0]["params"]["model"] = "unknown"
    with pytest.raises(InvalidDocument, match="has no price"):
        batchmill.run({**asked, "budget": {"usd": 1}})


@pytest.mark.parametrize("executor", EXECUTORS)
def test_echo_needs_no_network(executor):
    params = {"provider": "echo", "input": "${item}", "dimensions": 3}
    batch = {"items": ["a", "b", "a"], "executor": executor}
    run = batchmill.run({"nodes": [{"id": "e", "type": "embeddings", "params": params, "batch": batch}]})
    first, second, third = (one["embedding"] for one in run.outputs["results"])
    assert first == third != second
    assert math.hypot(*first) == pytest.approx(1, abs=1e-5)
    assert len(run.llm_calls) == 3


def test_too_many_texts_and_no_model(run):
    many = ["x"] * (MOST_TEXTS + 1)
    for params, words in (
        ({"provider": "echo", "input": many}, "batch_size"),
        ({"input": "x"}, "which model"),
    ):
        node = {"id": "e", "type": "embeddings", "params": params}
        with pytest.raises(InvalidDocument, match=words):
            batchmill.run({"nodes": [node]})
    with pytest.raises(InvalidParams, match="batch_size"):
        run("embeddings", provider="echo", input=many)
    assert EmbeddingsNode().expected_tokens({"input": ["x" * 8, "y" * 4], "model": "long-name"}) == 3
