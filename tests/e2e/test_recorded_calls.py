"""Recorded calls, held or not: the same calls in the same order, whoever asks for them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import batchmill
from batchmill.cli.json_text import as_json, pieces
from batchmill.lists import LazyList, rows

CLUSTER = pytest.param("dask", marks=pytest.mark.on_cluster)
EXECUTORS = ("sequential", "thread", "process", CLUSTER)
NODE = (
    "class Records:\n"
    "    def prep(self, shared): return shared['n']\n"
    "    def exec(self, n): return n\n"
    "    def post(self, shared, n, result):\n"
    "        for turn in range(n % 3):\n"
    "            shared['__llm_calls__'].append({'n': n, 'turn': turn, 'of': shared.get('of')})\n"
    "        if n == 7: raise ValueError('seven')\n"
)


@pytest.fixture(autouse=True)
def _recording(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "recording", raising=False)
    (tmp_path / "recording.py").write_text(NODE)
    yield
    sys.modules.pop("recording", None)


def asking(count: int, **batch: Any) -> dict[str, Any]:
    """A node that records two calls for every third item, one for the next, none for the third."""
    block = {"items": {"range": [count]}, "error_handling": "continue", **batch}
    return {"id": "ask", "type": "recording:Records", "params": {"n": "${item}"}, "batch": block}


def inside(*nodes: Any, **more: Any) -> dict[str, Any]:
    return {"id": "sub", "type": "workflow", "params": {"workflow": {"nodes": list(nodes)}}, **more}


def documents(executor: str) -> dict[str, list[dict[str, Any]]]:
    return {
        "batch": [asking(200, executor=executor), {**asking(5), "id": "again"}],
        "sub-workflow": [inside(asking(100, executor=executor))],
        "items": [inside(asking(9), batch={"items": {"range": [30]}, "executor": executor})],
        "loop": [inside(asking(20, executor=executor), loop={"while": "${sub.count}", "max_iterations": 3})],
    }


def not_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows.Rows.__init__, "__defaults__", (0, 0))


def told(run: batchmill.RunResult) -> dict[str, Any]:
    whole = run.as_json()
    return {name: whole[name] for name in ("status", "llm_calls", "errors")}


@pytest.mark.slow
@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize("kind", ["batch", "sub-workflow", "items", "loop"])
def test_calls_that_are_not_held_are_the_same(
    kind: str, executor: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = {"nodes": documents(executor)[kind]}
    held = batchmill.run(document)
    assert isinstance(held.llm_calls, list)
    not_held(monkeypatch)
    lazy = batchmill.run(document)
    assert isinstance(lazy.llm_calls, LazyList)
    assert told(lazy) == told(held)
    assert lazy.llm_calls == held.llm_calls
    assert lazy.llm_calls[3] == held.llm_calls[3]
    assert "".join(pieces(lazy.llm_calls)) == as_json(held.llm_calls)


def test_each_call_says_who_made_it(monkeypatch: pytest.MonkeyPatch) -> None:
    not_held(monkeypatch)
    calls = batchmill.run({"nodes": [asking(1000, executor="thread")]}).llm_calls
    expected = [(n, turn) for n in range(1000) for turn in range(n % 3)]
    assert [(call["node"], call["index"], call["n"], call["turn"]) for call in calls] == [
        ("ask", n, n, turn) for n, turn in expected
    ]


def test_secrets_are_masked_in_them(monkeypatch: pytest.MonkeyPatch) -> None:
    not_held(monkeypatch)
    node = asking(5)
    node["params"]["of"] = "the ${token}"
    run = batchmill.run({"nodes": [node], "inputs": {"token": {"secret": True}}}, {"token": "hunter2hunter2"})
    assert {call["of"] for call in run.llm_calls} == {"the ***"}


def test_they_come_back_with_a_resumed_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    not_held(monkeypatch)
    document = {"nodes": [asking(50, executor="thread")]}
    first = batchmill.run(document, journal=tmp_path / "runs.sqlite")
    again = batchmill.resume(journal=tmp_path / "runs.sqlite", failed_only=True)
    assert again.resumed is not None
    assert again.resumed["kept"] == 49
    failed = [call for call in first.llm_calls if call["n"] == 7]
    assert list(again.llm_calls) == [
        *first.llm_calls,
        *failed,
    ]  # what the seventh recorded twice is there twice


@pytest.mark.slow
@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize("is_held", [True, False])
def test_templates_may_refer_to_them(executor: str, is_held: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not is_held:
        not_held(monkeypatch)
    ask = {"id": "llm", "type": "llm", "params": {"prompt": "${item}", "provider": "echo", "model": "m"}}
    batch = {"items": ["a", "b c", "d"], "executor": executor}
    show = {"id": "show", "type": "echo", "params": {"message": "${__llm_calls__ | count} for ${item}"}}
    outputs = {
        "said": {"source": "${show.results[*].echo}"},
        "prompts": {"source": "${__llm_calls__[*].prompt}"},
        "last": {"source": "${__llm_calls__[-1].index}"},
    }
    shown = {**show, "batch": {"items": [1, 2], "executor": executor}}
    run = batchmill.run({"nodes": [{**ask, "batch": batch}, shown], "outputs": outputs})
    assert run.outputs == {"said": ["3 for 1", "3 for 2"], "prompts": ["a", "b c", "d"], "last": 2}
