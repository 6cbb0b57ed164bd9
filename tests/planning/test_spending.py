"""What calls are likely to cost is said before any is made, with what is assumed."""

from __future__ import annotations

import json

import pytest

import batchmill
from batchmill.cli.main import outcome
from batchmill.values.words import plain_number

PRICES = {"m": {"input": 10, "output": 20}}


@pytest.fixture
def plan(tmp_path, monkeypatch, capfd):
    """``plan(node, ...)``: the plan's nodes of a document, as JSON; ``form`` "tree" for its text."""
    monkeypatch.chdir(tmp_path)

    def of(*nodes, form="json"):
        (tmp_path / "doc.json").write_text(json.dumps({"prices": PRICES, "nodes": list(nodes)}))
        assert outcome(["plan", "doc.json", "--format", form]) == 0
        told = capfd.readouterr().out
        return told if form == "tree" else json.loads(told)["nodes"]

    return of


def asking(prompt, batch=None, **params):
    node = {"id": "a", "type": "llm", "params": {"model": "m", "prompt": prompt, **params}}
    return node if batch is None else {**node, "batch": batch}


def test_items_are_counted_and_prompts_are_measured(plan):
    (node,) = plan(asking("${item}", {"items": ["x" * 40, "x" * 80]}, max_tokens=100))
    estimate = node["estimate"]
    assert (estimate["calls"], estimate["input_tokens"], estimate["output_tokens"]) == (2, 30, 200)
    assert estimate["usd"] == pytest.approx((30 * 10 + 200 * 20) / 1e6)
    assert "answers as long as `max_tokens` allows" in estimate["assumes"]


def test_of_many_items_the_first_are_measured(plan):
    (node,) = plan(asking("x" * 40, {"items": {"range": [5000]}}))
    estimate = node["estimate"]
    assert (estimate["calls"], estimate["each"]["input_tokens"]) == (5000, 10)
    assert estimate["input_tokens"] == 50000
    assert any("first 100 items" in one for one in estimate["assumes"])
    assert any("256 tokens" in one for one in estimate["assumes"])


def test_the_batch_api_halves_it(plan):
    (once,), (later,) = plan(asking("x", max_tokens=9)), plan(asking("x", max_tokens=9, batch_api=True))
    assert later["estimate"]["usd"] == pytest.approx(once["estimate"]["usd"] / 2)
    assert "0.5 times the price, by the batch API" in later["estimate"]["assumes"]


def test_what_is_not_known_is_said(plan):
    first, second = plan(asking("hi", max_tokens=2), {**asking("${a.response}", model="other"), "id": "b"})
    assert first["estimate"]["usd"] is not None
    assert (second["estimate"]["usd"], second["estimate"]["calls"]) == (None, 1)
    assert second["estimate"]["assumes"] == ["the prompt is known when it runs"]
    (unpriced,) = plan(asking("hi", model="other"))
    assert unpriced["estimate"]["usd"] is None
    (echo,) = plan(asking("hi", provider="echo"))
    assert "estimate" not in echo


def test_what_an_earlier_run_took_is_told(plan, tmp_path):
    plan(asking("seven words are in this prompt here", provider="echo"))
    run = batchmill.run("doc.json", journal=tmp_path / ".batchmill" / "runs.sqlite")
    assert len(run.llm_calls) == 1, run.errors
    cost = run.llm_calls[0]["cost"]
    said = plan(asking("${item}", {"items": ["x", "y"]}), form="tree")
    told = f"run {run.run} took 7 tokens sent and 7 answered for each call"
    assert f"{told}, which would be {plain_number(2 * cost)} USD" in said
