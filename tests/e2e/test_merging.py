"""Merging what branches gave, those that were not taken or failed left out."""

from __future__ import annotations

import json
from typing import Any

import pytest

import batchmill
from batchmill.template import Scope, compile_value


def code(name: str, text: str) -> dict[str, Any]:
    return {"id": name, "type": "code", "params": {"code": text}}


def merged(inputs: Any, **params: Any) -> batchmill.RunResult:
    """A choice of two branches, of which ``low`` is taken, a failure that is handled, then the merge."""
    nodes = [
        code("choose", "result = 0\nnext = 'low'"),
        code("low", "result = {'from': 'low'}"),
        code("high", "result = {'from': 'high'}"),
        code("broken", "raise ValueError('why')"),
        {"id": "join", "type": "merge", "params": {"inputs": inputs, **params}},
    ]
    edges = [
        {"from": "choose", "to": "low", "action": "low"},
        {"from": "choose", "to": "high", "action": "high"},
        {"from": "low", "to": "broken"},
        {"from": "high", "to": "broken"},
        {"from": "broken", "to": "join", "action": "error"},
    ]
    return batchmill.run({"nodes": nodes, "edges": edges})


@pytest.mark.parametrize(
    ("inputs", "params", "result"),
    [
        (["${low.result}", "${high.result}", "${broken.result}"], {}, [{"from": "low"}]),
        ({"low": "${low.result}", "high": "${high.result}"}, {"mode": "dict"}, {"low": {"from": "low"}}),
        (["${high.result}", "${low.result}"], {"mode": "first"}, {"from": "low"}),
        (["${high.result}", "${low.result}"], {"mode": "dict"}, {"from": "low"}),
        (["${high.result.from}", "${low.result.from}"], {"mode": "concat"}, "low"),
        (['${high.result ?? "none"}', "${low.result.from}"], {}, ["none", "low"]),
        (["${broken.error}"], {}, ["why"]),
        (["${high}", "${broken}"], {}, []),
        (["${high.result | json}"], {}, []),
    ],
)
def test_absent_branches_are_left_out(inputs: Any, params: dict[str, Any], result: Any) -> None:
    outputs = merged(inputs, **params).outputs
    assert (outputs["result"], outputs["count"]) == (result, len(result) if isinstance(result, list) else 1)


def test_a_key_that_a_branch_did_not_give_is_still_an_error() -> None:
    result = merged(["${low.result.nothing}"])
    assert result.status == "failed"
    assert "'low.result' has no key 'nothing'" in result.errors[-1]["message"]


def test_text_around_it_needs_the_value() -> None:
    assert merged(["is ${high.result}"]).status == "failed"


def test_a_compiled_structure_keeps_its_way_when_it_travels() -> None:
    import pickle

    compiled = pickle.loads(pickle.dumps(compile_value(["${a.x}"], branches=True)))
    assert compiled.resolve(Scope({})) == [None]
    assert json.dumps(compiled.source) == '["${a.x}"]'
