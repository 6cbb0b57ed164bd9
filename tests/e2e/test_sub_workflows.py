"""Workflows inside workflows: their store, outputs, errors with addresses, depth, records, batches, stops."""

from __future__ import annotations

import json
import math
import sys
import threading
import time
import warnings
from pathlib import Path
from typing import Any

import pytest

import batchmill
from batchmill import RunResult
from batchmill.concurrency.cancel import CancelToken
from batchmill.events import Event, NodeFinished, NodeStarted

CLUSTER = pytest.param("dask", marks=pytest.mark.on_cluster)
EXECUTORS = ("sequential", "thread", "process", CLUSTER)


def code(name: str, text: str, inputs: dict[str, Any] | None = None, **rest: Any) -> dict[str, Any]:
    return {"id": name, "type": "code", "params": {"code": text, "inputs": inputs or {}}, **rest}


def sub(name: str, workflow: Any, inputs: Any = None, max_depth: int = 10, **rest: Any) -> dict[str, Any]:
    params = {"workflow": workflow, "max_depth": max_depth, "inputs": {} if inputs is None else inputs}
    return {"id": name, "type": "workflow", "params": params, **rest}


def ran(*nodes: dict[str, Any], **rest: Any) -> RunResult:
    options = {
        key: rest.pop(key) for key in ("executor", "listeners", "stop", "cancel", "jobs") if key in rest
    }
    return batchmill.run({"nodes": list(nodes), **rest}, **options)


SQUARE = {
    "inputs": {"n": {"type": "integer"}},
    "nodes": [code("sq", "result = n * n", {"n": "${n}"})],
    "outputs": {"square": {"source": "${sq.result}"}, "n": {}},
}
ROWS = {  # squares of the numbers below n, none of which may be 3
    "inputs": {"n": {"type": "integer"}},
    "nodes": [
        code("rows", "result = list(range(n))", {"n": "${n}"}),
        code(
            "each",
            "assert x != 3, 'three'\nresult = x * x",
            {"x": "${item}"},
            batch={"items": "${rows.result}", "executor": "process"},
        ),
    ],
    "outputs": {"total": {"source": "${each.results[*].result | sum}"}},
}


def test_its_outputs_are_the_nodes() -> None:
    result = ran(sub("a", SQUARE, {"n": 3}), code("b", "result = x", {"x": "${a}"}))
    assert (result.status, result.outputs["result"]) == ("success", {"square": 9, "n": 3})
    assert result.nodes["a"]["type"] == "workflow"


def test_the_nodes_inside_are_reported_by_their_addresses_but_not_those_of_items() -> None:
    document = sub("mid", SQUARE, {"n": 2}), sub("rows", SQUARE, {"n": "${item}"}, batch={"items": [1, 2]})
    result = ran(sub("top", {"nodes": list(document)}), code("end", "result = 1"))
    assert list(result.nodes) == ["top", "top.mid", "top.mid.sq", "top.rows", "end"]
    assert (result.nodes["top.mid.sq"]["type"], result.nodes["top.rows"]["count"]) == ("code", 2)


def test_without_declared_outputs_those_of_its_last_node_are() -> None:
    inner = {"nodes": [code("x", "result = 5")]}
    assert ran(sub("a", inner), code("b", "result = n", {"n": "${a.result}"})).outputs["result"] == 5


def test_it_has_a_store_of_its_own() -> None:
    inner = {"nodes": [code("same", "result = 'inner'")], "outputs": {"o": {"source": "${same.result}"}}}
    last = code("b", "result = s", {"s": "${same.result}"})
    result = ran(code("same", "result = 'outer'"), sub("a", inner), last)
    assert result.outputs["result"] == "outer"


def test_values_go_in_and_come_out_as_they_are() -> None:
    inner = {"inputs": {"v": {}}, "nodes": [code("x", "result = v", {"v": "${v}"})]}
    texts = {"v": {"a": ["${not.a.template}", 1.5, None]}}
    result = ran(code("text", "result = '$' + '{item}'"), sub("a", inner, {"v": "${text.result}"}))
    assert result.outputs["result"] == "${item}"
    document = {"inputs": {"given": {}}, "nodes": [sub("a", inner, {"v": "${given}"})]}
    assert batchmill.run(document, {"given": texts}).outputs["result"] == texts


def test_defaults_are_filled_in_and_wrong_inputs_fail_the_node() -> None:
    inner = {
        "inputs": {"n": {"type": "integer", "default": 7}},
        "nodes": [code("x", "result = n", {"n": "${n}"})],
    }
    assert ran(sub("a", inner)).outputs["result"] == 7
    result = ran(code("t", "result = 'x'"), sub("a", inner, {"n": "${t.result}"}, retry={"max": 3}))
    (error,) = result.errors
    assert (error["type"], error["attempts"]) == ("InvalidParams", 1)
    assert 'the input `n` must be a whole number, not "x"' in error["message"]
    result = ran(code("t", "result = {'m': 1}"), sub("a", SQUARE, "${t.result}"))
    assert "has no input `m`" in result.errors[0]["message"]
    assert "give it as `inputs.n`" in result.errors[0]["message"]


def test_what_failed_inside_fails_the_node_with_its_address() -> None:
    inner = {"nodes": [sub("mid", {"nodes": [code("low", "raise KeyError('why')")]})]}
    result = ran(sub("top", inner))
    (error,) = result.errors
    assert (result.status, error["node"], error["type"]) == ("failed", "top", "KeyError")
    assert error["message"] == "top.mid.low: 'why'"
    assert result.outputs == {"error": "top.mid.low: 'why'"}


@pytest.mark.parametrize("executor", EXECUTORS)
def test_every_item_runs_the_whole_of_it(executor: str) -> None:
    batch = {"items": [3, 1, 2], "executor": executor}
    result = ran(sub("a", SQUARE, {"n": "${item}"}, batch=batch))
    assert result.status == "success"
    assert [(one["square"], one["item"]) for one in result.outputs["results"]] == [(9, 3), (1, 1), (4, 2)]


@pytest.mark.parametrize("executor", EXECUTORS)
def test_a_batch_in_a_batch_names_both_items(executor: str) -> None:
    batch = {"items": [3, 5, 1], "executor": executor, "error_handling": "continue"}
    result = ran(sub("flow", ROWS, {"n": "${item}"}, batch=batch))
    assert (result.status, [one and one["total"] for one in result.outputs["results"]]) == (
        "degraded",
        [5, None, 0],
    )
    (error,) = result.errors
    assert (error["index"], error["item"], error["type"]) == (1, 5, "AssertionError")
    assert error["message"] == "flow[1].each[3]: three"


def test_in_a_worker_process_an_inner_process_batch_runs_there() -> None:
    pids = code("who", "import os\nresult = os.getpid()", batch={"items": [1, 2, 3], "executor": "process"})
    sources = {"pids": "${who.results[*].result}", "how": "${who.batch_metadata}"}
    inner = {"nodes": [pids], "outputs": {name: {"source": source} for name, source in sources.items()}}
    batch = {"items": [1, 2], "executor": "process", "max_concurrent": 2}
    for one in ran(sub("a", inner, batch=batch)).outputs["results"]:
        assert len(set(one["pids"])) == 1
        assert one["how"]["executor"] == "sequential"
        assert one["how"]["reason"] == "process was asked for, and a worker process has no workers of its own"


def test_outside_of_a_worker_it_has_worker_processes() -> None:
    inner = {"nodes": [code("who", "result = 1", batch={"items": [1], "executor": "process"})]}
    for batch in (None, {"items": [1], "executor": "thread"}):
        result = ran(sub("a", inner, **({} if batch is None else {"batch": batch})))
        outputs = result.outputs if batch is None else result.outputs["results"][0]
        assert outputs["batch_metadata"]["executor"] == "process"


@pytest.mark.parametrize("executor", EXECUTORS)
def test_the_executor_of_the_run_is_that_of_inner_batches_too(executor: str) -> None:
    result = ran(sub("a", ROWS, {"n": 3}), executor=executor)
    assert (result.status, result.outputs) == ("success", {"total": 5})


def test_an_error_that_it_got_over_degrades_the_run_and_is_told_with_its_address() -> None:
    inner = {
        "nodes": [code("bad", "raise ValueError('why')"), code("handler", "result = 'saved'")],
        "edges": [{"from": "bad", "to": "handler", "action": "error"}],
    }
    result = ran(sub("a", inner))
    assert (result.status, result.outputs["result"], result.nodes["a"]["status"]) == (
        "degraded",
        "saved",
        "degraded",
    )
    assert [(error["node"], error["message"]) for error in result.errors] == [("a.bad", "why")]


@pytest.mark.parametrize("executor", EXECUTORS)
def test_tolerated_errors_of_inner_items_come_up_in_item_order(executor: str) -> None:
    tolerant = {**ROWS, "nodes": [ROWS["nodes"][0], {**ROWS["nodes"][1]}]}
    tolerant["nodes"][1]["batch"] = {**ROWS["nodes"][1]["batch"], "error_handling": "continue"}
    tolerant["outputs"] = {"count": {"source": "${each.success_count}"}}
    batch = {"items": [5, 2, 4], "executor": executor}
    result = ran(sub("flow", tolerant, {"n": "${item}"}, batch=batch))
    assert (result.status, [one["count"] for one in result.outputs["results"]]) == ("degraded", [4, 2, 3])
    assert [(e["node"], e["index"]) for e in result.errors] == [("flow[0].each", 3), ("flow[2].each", 3)]
    assert result.outputs["errors"] == []


def test_a_reference_left_open_inside_degrades_it() -> None:
    open_end = {"id": "b", "type": "echo", "params": {"message": "${a.result.x}"}}
    inner = {"nodes": [code("a", "result = {}"), open_end], "template_resolution_mode": "permissive"}
    assert ran(sub("s", inner)).status == "degraded"
    assert ran(sub("s", {**inner, "template_resolution_mode": "strict"})).status == "failed"


def test_an_output_that_cannot_be_resolved_fails_it() -> None:
    inner = {"nodes": [code("a", "result = {}")], "outputs": {"o": {"source": "${a.result.x}"}}}
    (error,) = ran(sub("s", inner)).errors
    assert (error["node"], error["type"]) == ("s", "UnresolvedReference")
    assert error["message"].startswith("s: output 'o': ")


def test_an_attempt_that_failed_is_tried_again_as_a_whole(tmp_path: Path) -> None:
    log = str(tmp_path / "log")
    text = f"from pathlib import Path\nlog = Path({log!r})\nseen = log.read_text() if log.exists() else ''\n"
    text += "log.write_text(seen + 'x')\nassert seen == 'xx', 'not yet'"
    result = ran(sub("s", {"nodes": [code("a", text)]}, retry={"max": 3}))
    assert (result.status, result.errors) == ("success", [])
    assert (tmp_path / "log").read_text() == "xxx"


def test_what_is_pointless_inside_is_not_tried_again() -> None:
    inner = {"nodes": [{"id": "a", "type": "read-file", "params": {"file_path": "/", "max_bytes": 1}}]}
    plain = batchmill.run({"nodes": [{**inner["nodes"][0], "retry": {"max": 2}}]})
    result = ran(sub("s", inner, retry={"max": 2}))
    assert result.errors[0]["attempts"] == plain.errors[0]["attempts"]


def test_a_loop_carries_values_into_its_inputs() -> None:
    loop = {"carry": {"n": "${s.square}"}, "until": "${s.square}", "max_iterations": 3}
    assert (
        ran(sub("s", SQUARE, {"n": 2}, loop={**loop, "while": "${s.n}", "until": None})).outputs["square"]
        == 256
    )


def test_errors_of_every_iteration_of_a_loop_are_told() -> None:
    inner = {
        "inputs": {"n": {"type": "integer"}},
        "nodes": [
            code("bad", "raise ValueError(n)", {"n": "${n}"}),
            code("next", "result = n + 1", {"n": "${n}"}),
        ],
        "edges": [{"from": "bad", "to": "next", "action": "error"}],
    }
    loop = {"carry": {"n": "${s.result}"}, "while": "${s.result}", "max_iterations": 3}
    result = ran(sub("s", inner, {"n": 1}, loop=loop))
    assert (result.status, result.outputs["result"]) == ("degraded", 4)
    assert [(error["node"], error["message"]) for error in result.errors] == [
        ("s.bad", str(n)) for n in (1, 2, 3)
    ]
    visits = {name: report["visits"] for name, report in result.nodes.items()}
    assert visits == {"s": 1, "s.bad": 3, "s.next": 3}


# Documents that name themselves.

FACTORIAL = {
    "inputs": {"n": {"type": "integer"}},
    "nodes": [
        code("look", "result = n - 1\nnext = 'deeper' if n > 1 else 'default'", {"n": "${n}"}),
        sub("below", "fact.json", {"n": "${look.result}"}),
        code("times", "result = n * below", {"n": "${n}", "below": "${below.value ?? 1}"}),
    ],
    "edges": [
        {"from": "look", "to": "below", "action": "deeper"},
        {"from": "look", "to": "times"},
        {"from": "below", "to": "times"},
    ],
    "outputs": {"value": {"source": "${times.result}"}},
}


@pytest.fixture
def factorial(tmp_path: Path) -> str:
    (tmp_path / "fact.json").write_text(json.dumps(FACTORIAL))
    return str(tmp_path / "fact.json")


def test_a_document_may_run_itself(factorial: str) -> None:
    assert batchmill.run(factorial, {"n": 11}).outputs == {"value": 39916800}


@pytest.mark.parametrize("executor", EXECUTORS)
def test_as_a_batch_too(factorial: str, executor: str) -> None:
    batch = {"items": [1, 4, 5], "executor": executor}
    result = ran(sub("f", factorial, {"n": "${item}"}, batch=batch))
    assert [one["value"] for one in result.outputs["results"]] == [1, 24, 120]


def test_too_deep_a_recursion_says_so(factorial: str) -> None:
    result = batchmill.run(factorial, {"n": 12})
    (error,) = result.errors
    assert (error["type"], error["attempts"]) == ("MaxDepth", 1)
    assert error["message"].startswith(".".join(["below"] * 11) + ": ")
    assert "would run 11 workflows deep, and max_depth is 10" in error["message"]


def test_python_can_nest_as_deep_as_max_depth_allows(tmp_path: Path) -> None:
    nodes = [
        node if node["type"] == "code" else sub("below", "deep.json", {"n": "${look.result}"}, 40)
        for node in FACTORIAL["nodes"]
    ]
    (tmp_path / "deep.json").write_text(json.dumps({**FACTORIAL, "nodes": nodes}))
    result = batchmill.run(tmp_path / "deep.json", {"n": 41})
    assert (result.status, result.outputs["value"]) == ("success", math.factorial(41))


# What others hear of it.


@pytest.mark.parametrize("executor", EXECUTORS)
def test_calls_recorded_inside_come_up_in_item_order_with_addresses(
    executor: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "recording_within", raising=False)
    (tmp_path / "recording_within.py").write_text(
        "class Records:\n"
        "    def prep(self, shared): return shared['n']\n"
        "    def exec(self, n): return n\n"
        "    def post(self, shared, n, result): shared['__llm_calls__'].append({'prompt': n})\n"
    )
    node = {"id": "ask", "type": "recording_within:Records", "params": {"n": "${n}"}}
    each = {
        "id": "each",
        "type": "recording_within:Records",
        "params": {"n": "${item}"},
        "batch": {"items": ["${n}", 7]},
    }
    inner = {"inputs": {"n": {}}, "nodes": [node, each]}
    batch = {"items": [3, 1, 2], "executor": executor}
    (tmp_path / "main.json").write_text(
        json.dumps({"nodes": [sub("flow", inner, {"n": "${item}"}, batch=batch)]})
    )
    calls = batchmill.run(tmp_path / "main.json").llm_calls
    assert [(call["node"], call.get("index"), call["prompt"]) for call in calls[:3]] == [
        ("flow[0].ask", None, 3),
        ("flow[0].each", 0, 3),
        ("flow[0].each", 1, 7),
    ]
    assert [call["prompt"] for call in calls] == [3, 3, 7, 1, 1, 7, 2, 2, 7]


def test_events_carry_addresses() -> None:
    heard: list[Event] = []
    inner = {**ROWS, "nodes": [ROWS["nodes"][0], {**ROWS["nodes"][1], "batch": {"items": "${rows.result}"}}]}
    flow = sub("flow", inner, {"n": "${item}"}, batch={"items": [2]})
    ran(flow, sub("one", SQUARE, {"n": 1}), listeners=[heard.append])
    started = [event.node for event in heard if isinstance(event, NodeStarted)]
    assert started == ["flow", "flow[0].rows", "flow[0].each", "one", "one.sq"]
    finished = [event.node for event in heard if isinstance(event, NodeFinished)]
    assert finished == ["flow[0].rows", "flow[0].each", "flow", "one.sq", "one"]


# Ends from outside.

SLEEPS = {"nodes": [code("a", "import time\ntime.sleep(0.2)"), code("b", "import time\ntime.sleep(60)")]}


@pytest.mark.parametrize("batch", [None, {"items": [1]}, {"items": [1, 2], "executor": "thread"}])
def test_stop_lets_nothing_new_start_inside(batch: Any) -> None:
    stop = CancelToken()

    def at_start(event: Event) -> None:
        if isinstance(event, NodeStarted) and event.node.endswith(".a"):
            stop.cancel()

    result = ran(
        sub("s", SLEEPS, **({} if batch is None else {"batch": batch})), stop=stop, listeners=[at_start]
    )
    assert (result.status, result.interrupted) == ("failed", True)
    assert {error["kind"] for error in result.errors} <= {"cancelled"}


def test_cancel_ends_what_runs_inside() -> None:
    cancel = CancelToken()
    inner = {"nodes": [{"id": "a", "type": "shell", "params": {"command": "sleep 60"}}]}
    timer = threading.Timer(0.3, cancel.cancel)
    timer.start()
    began = time.monotonic()
    result = ran(sub("s", inner), cancel=cancel)
    timer.join()
    assert (result.interrupted, time.monotonic() - began < 30) == (True, True)


@pytest.mark.parametrize(
    "executor",
    [pytest.param(name, marks=pytest.mark.slow) for name in ("sequential", "thread")] + ["process"],
)
def test_a_timeout_ends_it_and_what_runs_inside(executor: str, tmp_path: Path) -> None:
    mark, over = tmp_path / "mark", tmp_path / "over"
    wait = f"until test -e {over}; do sleep 0.02; done"
    inner = {
        "nodes": [
            {"id": "a", "type": "shell", "params": {"command": ["sh", "-c", wait]}},
            {"id": "b", "type": "shell", "params": {"command": ["touch", str(mark)]}},
        ]
    }
    batch = {"items": [1], "executor": executor, "timeout": 0.3}
    result = ran(sub("s", inner, batch=batch))
    assert [error["kind"] for error in result.outputs["errors"]] == ["timeout"]
    over.touch()
    time.sleep(0.5)  # for what goes on all the same to go on
    assert not mark.exists()


def test_a_module_beside_the_sub_document_is_found(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "beside_sub.py").write_text("def double(n):\n    return 2 * n\n")
    node = {"id": "d", "type": "python", "params": {"function": "beside_sub:double", "inputs": {"n": "${n}"}}}
    (tmp_path / "deep" / "sub.json").write_text(json.dumps({"inputs": {"n": {}}, "nodes": [node]}))
    for executor in EXECUTORS[:3]:
        batch = {"items": [4, 5], "executor": executor}
        document = {"nodes": [sub("s", "deep/sub.json", {"n": "${item}"}, batch=batch)]}
        (tmp_path / "main.json").write_text(json.dumps(document))
        result = batchmill.run(tmp_path / "main.json")
        assert [one["result"] for one in result.outputs["results"]] == [8, 10], result.errors


@pytest.mark.parametrize("executor", EXECUTORS)
def test_secret_inputs_are_masked_wherever_the_run_shows_something(executor: str) -> None:
    heard: list[Event] = []
    deep = {"inputs": {"k": {"secret": True}}, "nodes": [code("a", "result = k", {"k": "${k}"})]}
    inner = {
        "inputs": {"key": {"secret": True}},
        "nodes": [
            sub("deep", deep, {"k": "${key}-and-more"}),
            code("say", "raise ValueError('with ' + key)", {"key": "${key}"}),
        ],
    }
    keys = code("keys", "result = ['hush-' + str(n) * 9 for n in range(3)]")
    batch = {"items": "${keys.result}", "executor": executor, "error_handling": "continue"}
    document = {"nodes": [keys, sub("flow", inner, {"key": "${item}"}, batch=batch)]}
    result = batchmill.run(document, listeners=[heard.append])
    assert [error["message"] for error in result.errors] == [f"flow[{n}].say: with ***" for n in range(3)]
    assert "hush-" not in json.dumps(result.as_json())
    if executor == "sequential":
        told = [event for event in heard if isinstance(event, NodeFinished) and event.node.endswith(".say")]
        assert [event.error for event in told] == ["ValueError: with ***"] * 3


@pytest.mark.parametrize(
    "items",
    [
        {"range": [2]},
        {"lines": "in.txt"},
        {"glob": "*.txt"},
        {"csv": "in.csv"},
        {"jsonl": "in.jsonl"},
        [1],
        "${k}",
    ],
    ids=str,
)
@pytest.mark.parametrize("form", ["nodes", "pipeline"])
def test_with_a_journal_its_content_is_told_apart_without_a_warning(
    items: Any, form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("in.txt").write_text("a\nb\n")
    Path("in.csv").write_text("a\n1\n")
    Path("in.jsonl").write_text("{}\n")
    inner = {"id": "i", "type": "echo", "batch": {"items": items}}
    steps = [inner] if form == "nodes" else [{"parallel": [inner, [{"id": "j", "type": "echo"}]]}]
    sub = {"inputs": {"k": {"type": "array", "default": [1]}}, form: steps}
    node = {"id": "w", "type": "workflow", "params": {"workflow": sub}, "batch": {"items": [1, 2]}}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run = batchmill.run({"nodes": [node]}, journal=tmp_path / "j.sqlite")
        assert run.status == "success"
        resumed = batchmill.resume(journal=tmp_path / "j.sqlite")
    assert resumed.resumed["kept"] == 2
