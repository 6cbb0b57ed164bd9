"""A budget in dollars and a model without a price: said before anything runs, or before anything is paid."""

from __future__ import annotations

import json

import pytest

import batchmill
from batchmill.errors import InvalidDocument

PRICES = {"good": {"input": 1, "output": 1}}
DOLLARS = {"usd": 1}


def ask(model="bad", **params):
    return {
        "id": "ask",
        "type": "llm",
        "params": {"provider": "echo", "model": model, "prompt": "x", **params},
    }


def problems(document):
    with pytest.raises(InvalidDocument) as caught:
        batchmill.run(document)
    return [(problem.path, problem.message, problem.hint) for problem in caught.value.problems]


def inside(*nodes, **more):
    return {"id": "sub", "type": "workflow", "params": {"workflow": {"nodes": list(nodes), **more}}}


UNPRICED = {
    "of the document": ({"budget": DOLLARS, "nodes": [ask()]}, "$.nodes[0].params.model"),
    "of the node": ({"nodes": [{**ask(), "budget": DOLLARS}]}, "$.nodes[0].params.model"),
    "around the workflow": (
        {"budget": DOLLARS, "nodes": [inside(ask())]},
        "$.nodes[0].params.workflow.nodes[0].params.model",
    ),
    "of the node that runs the workflow": (
        {"nodes": [{**inside(ask()), "budget": DOLLARS}]},
        "$.nodes[0].params.workflow.nodes[0].params.model",
    ),
    "of the workflow inside": (
        {"nodes": [inside(ask(), budget=DOLLARS)]},
        "$.nodes[0].params.workflow.nodes[0].params.model",
    ),
    "a name that is not given": (
        {
            "budget": DOLLARS,
            "nodes": [{"id": "a", "type": "llm", "params": {"provider": "echo", "prompt": "x"}}],
        },
        "$.nodes[0]",
    ),
    "another provider": ({"budget": DOLLARS, "nodes": [ask(provider="openai")]}, "$.nodes[0].params.model"),
    "a recording that asks": (
        {"budget": DOLLARS, "nodes": [ask(provider="replay", replay_file="r.jsonl")]},
        "$.nodes[0].params.model",
    ),
}


@pytest.mark.parametrize("name", UNPRICED)
def test_it_is_a_problem_of_the_document(name):
    document, path = UNPRICED[name]
    ((where, message, hint),) = problems({**document, "prices": PRICES})
    assert where == path
    assert "has no price, and a budget in USD holds here" in message
    assert hint == "give it one in `prices`"


def test_a_slip_in_the_name_is_pointed_out():
    document = {"budget": DOLLARS, "prices": {"gpt-4o-mini": PRICES["good"]}, "nodes": [ask("gpt-4o-mimi")]}
    assert problems(document)[0][2] == "did you mean `gpt-4o-mini`?"


@pytest.mark.parametrize(
    "document",
    [
        {"budget": DOLLARS, "nodes": [ask("good")]},
        {"budget": {"tokens": 1000}, "nodes": [ask()]},
        {"nodes": [ask()]},
        {"nodes": [inside(ask("good"), budget=DOLLARS), ask()]},
        {"budget": DOLLARS, "nodes": [inside(ask("own"), prices={"own": PRICES["good"]})]},
        {"budget": DOLLARS, "nodes": [{"id": "say", "type": "echo", "params": {"message": "x"}}]},
    ],
)
def test_what_has_a_price_or_no_bound_in_dollars_runs(document):
    assert batchmill.run({**document, "prices": PRICES}).status == "success"


def test_a_recording_that_asks_nobody_needs_no_price(tmp_path):
    node = ask(provider="replay", replay_file=str(tmp_path / "r"), on_missing="fail")
    assert batchmill.run({"budget": DOLLARS, "nodes": [node]}).errors[0]["type"] == "NotRecorded"


@pytest.mark.parametrize("executor", ["sequential", "thread", "process"])
def test_a_model_that_a_template_names_is_refused_before_it_is_asked(executor, tmp_path):
    node = {
        **ask("${item}", prompt="four words to say"),
        "batch": {"items": ["good", "bad", "good"], "executor": executor, "error_handling": "continue"},
    }
    run = batchmill.run({"budget": DOLLARS, "prices": PRICES, "nodes": [node]}, journal=tmp_path / "j")
    assert [error["type"] for error in run.errors] == ["NoPrice"]
    assert "'bad' has no price" in run.errors[0]["message"]
    assert [call["model"] for call in run.llm_calls] == ["good", "good"]
    assert run.limit is None


@pytest.mark.parametrize("executor", ["thread", "process"])
def test_it_is_refused_inside_the_items_of_a_batch_too(executor):
    inner = {"inputs": {"m": {"type": "string"}}, "nodes": [ask("${m}")]}
    node = {
        "id": "each",
        "type": "workflow",
        "params": {"workflow": inner, "inputs": {"m": "${item}"}},
        "batch": {"items": ["good", "bad"], "executor": executor, "error_handling": "continue"},
    }
    run = batchmill.run({"budget": DOLLARS, "prices": PRICES, "nodes": [node]})
    assert [error["type"] for error in run.errors] == ["NoPrice"]
    assert [call["model"] for call in run.llm_calls] == ["good"]


RECORDING = (
    "import batchmill\n\nclass Ask:\n    def prep(self, shared):\n        shared['__llm_calls__'].append(\
{'model': 'own', 'input_tokens': 1, 'output_tokens': 1, 'cost': shared['cost']})\n    def exec(self, x):\n\
        pass\n    def post(self, shared, x, y):\n        pass\n"
)


def test_a_call_of_somebodys_own_without_a_price_is_the_last_one(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "own_calls_without_price.py").write_text(RECORDING)
    node = {
        "id": "own",
        "type": "own_calls_without_price:Ask",
        "params": {"cost": "${item}"},
        "batch": {"items": [0.1, None, 0.1, 0.1]},
    }
    run = batchmill.run({"budget": DOLLARS, "nodes": [node]})
    assert run.limit == "the budget of 1 USD of the run cannot be held: the model 'own' has no price"
    assert len(run.llm_calls) == 2
    assert run.errors[0]["type"] == "BudgetUsedUp"


def test_validate_says_so(batchmill_command, tmp_path):
    (tmp_path / "flow.json").write_text(json.dumps({"budget": DOLLARS, "nodes": [ask()]}))
    code, _, err = batchmill_command("validate", "flow.json")
    assert code == 2
    assert "the model `bad` has no price" in err
