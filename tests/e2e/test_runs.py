"""Runs of whole documents: statuses, branches, loops, retries, templates, outputs."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

import batchmill
from batchmill import InvalidDocument, InvalidSetting, RunResult
from batchmill.events import Event, RunFinished, RunStarted
from batchmill.journal.journal import Journal
from batchmill.journal.reading import Reader


def code(name: str, text: str, **rest: Any) -> dict[str, Any]:
    params = {"code": text, **({"inputs": rest.pop("inputs")} if "inputs" in rest else {})}
    return {"id": name, "type": "code", "params": params, **rest}


def echo(name: str, message: Any, **rest: Any) -> dict[str, Any]:
    return {"id": name, "type": "echo", "params": {"message": message}, **rest}


def ran(*nodes: dict[str, Any], given: dict[str, Any] | None = None, **document: Any) -> RunResult:
    return batchmill.run({"nodes": list(nodes), **document}, given)


def test_a_result_has_the_keys_of_its_schema_in_order() -> None:
    result = ran(echo("a", "x"))
    shown = result.as_json()
    assert list(shown) == [
        "schema",
        "run",
        "status",
        "outputs",
        "nodes",
        "errors",
        "warnings",
        "llm_calls",
        "timing",
    ]
    assert (shown["schema"], shown["status"], result.ok) == ("batchmill.run/1", "success", True)
    assert (shown["nodes"]["a"]["type"], shown["nodes"]["a"]["visits"]) == ("echo", 1)
    assert shown["timing"]["wall"] >= 0
    assert shown["errors"] == shown["llm_calls"] == []
    assert json.loads(json.dumps(shown)) == shown


def test_every_run_has_a_name_of_its_own() -> None:
    assert ran(echo("a", "x")).run != ran(echo("a", "x")).run


def test_without_declared_outputs_those_of_the_last_node_are_given() -> None:
    result = ran(code("a", "result = 1"), code("b", "result = (2, {3})"))
    assert result.outputs == {"result": [2, [3]], "stdout": "", "stderr": "", "error": ""}


def test_a_last_batch_is_given_without_its_second_list() -> None:
    outputs = ran(echo("a", "x", batch={"items": [1]})).outputs
    assert set(outputs) == {"results", "count", "success_count", "error_count", "errors", "batch_metadata"}


def test_what_a_failed_last_node_has_to_say_is_given() -> None:
    result = ran(code("a", "result = 1"), code("b", "raise ValueError('why')"))
    assert (result.status, result.ok, result.outputs["error"]) == ("failed", False, "why")


def test_a_code_nodes_exception_is_an_error_of_the_run() -> None:
    entry = {"index": None, "item": None, "type": "ValueError", "message": "why", "attempts": 1}
    result = ran(code("a", "raise ValueError('why')"))
    assert result.errors[0].pop("traceback").splitlines()[1:] == [
        '  File "<code>", line 1, in <module>',
        "    raise ValueError('why')",
        "ValueError: why",
    ]
    assert result.errors == [{"node": "a", **entry, "kind": "exception"}]


def test_an_output_that_cannot_be_resolved_fails_the_run_and_leaves_the_others() -> None:
    outputs = {"bad": {"source": "${a.result.y}"}, "good": {"source": "n=${a.result.x}"}}
    result = ran(code("a", "result = {'x': 1}"), outputs=outputs)
    assert (result.status, result.outputs) == ("failed", {"good": "n=1"})
    assert (result.errors[0]["node"], result.errors[0]["type"]) == (None, "UnresolvedReference")
    assert "output 'bad'" in result.errors[0]["message"]


def test_of_a_failed_run_the_outputs_that_resolve_are_given_without_more_errors() -> None:
    outputs = {"a": {"source": "${a.result}"}, "b": {"source": "${b.result}"}}
    result = ran(code("a", "result = 1"), code("b", "raise ValueError('why')"), outputs=outputs)
    assert (result.status, result.outputs) == ("failed", {"a": 1})
    assert [error["type"] for error in result.errors] == ["ValueError"]


def test_an_output_that_json_cannot_show_fails_the_run() -> None:
    result = ran(code("a", "result = []\nresult.append(result)"), outputs={"x": {"source": "${a.result}"}})
    assert (result.status, result.errors[0]["type"]) == ("failed", "NotPlain")


def test_an_output_without_a_source_is_the_node_or_input_of_its_name() -> None:
    result = ran(
        echo("a", "${name}"),
        given={"name": "zoe"},
        inputs={"name": {"type": "string"}},
        outputs={"name": {}, "a": {}},
    )
    assert (result.outputs["name"], result.outputs["a"]["echo"]) == ("zoe", "zoe")


COUNT_ON_DISK = """
with open(path, 'a') as file:
    file.write('x')
with open(path) as file:
    n = len(file.read())
if n < 3:
    raise RuntimeError(n)
result = n
"""


def test_a_node_is_tried_again_as_its_retry_says(tmp_path: Path) -> None:
    node = code("a", COUNT_ON_DISK, inputs={"path": str(tmp_path / "n")}, retry={"max": 3})
    assert ran(node).outputs["result"] == 3
    node["params"]["inputs"]["path"] = str(tmp_path / "m")
    node["retry"]["max"] = 2
    result = ran(node)
    assert (result.status, result.errors[0]["attempts"]) == ("failed", 2)


@pytest.mark.slow
def test_an_attempt_past_its_timeout_is_a_timeout() -> None:
    result = ran(code("a", "import time\ntime.sleep(0.4)", timeout=0.05))
    assert (result.status, result.errors[0]["kind"], result.errors[0]["attempts"]) == ("failed", "timeout", 1)
    assert ran(code("a", "result = 1", timeout=60)).outputs["result"] == 1


@pytest.mark.parametrize("condition", [{"until": "${up.result.done}"}, {"while": "${up.result.go}"}])
def test_a_loop_runs_until_its_condition(condition: dict[str, str]) -> None:
    text = "result = {'n': n + 1, 'done': n + 1 >= 3, 'go': n + 1 < 3}"
    loop = {"carry": {"n": "${up.result.n}"}, "max_iterations": 10, **condition}
    result = ran(code("up", text, inputs={"n": 0}, loop=loop))
    assert result.outputs["result"]["n"] == 3
    assert (result.outputs["loop_stopped"], result.outputs["loop_iterations"]) == ("condition", 3)
    assert result.nodes["up"]["visits"] == 1


def test_a_loop_ends_at_its_most_iterations_without_failing() -> None:
    loop = {"carry": {"n": "${up.result}"}, "until": "${up.result.never ?? false}", "max_iterations": 4}
    result = ran(code("up", "result = n + 1", inputs={"n": 0}, loop=loop))
    assert (result.status, result.outputs["result"]) == ("success", 4)
    assert result.outputs["loop_stopped"] == "max_iterations"


def test_a_loop_carries_into_params_where_there_are_no_inputs() -> None:
    loop = {"carry": {"message": "${a.echo}!"}, "until": "${a.nothing ?? 0}", "max_iterations": 3}
    assert ran(echo("a", "hi", loop=loop)).outputs["echo"] == "hi!!"


FALSE = ("False", "''", "0", "0.0", "None", "[]", "{}")
TRUE = ("'no'", "'true'", "'false'", "' FALSE '", "'0'", "'[]'", "'null'", "1", "[0]", "True")


@pytest.mark.parametrize(("value", "iterations"), [(v, 2) for v in FALSE] + [(v, 1) for v in TRUE])
def test_what_counts_as_true_for_a_loop(value: str, iterations: int) -> None:
    loop = {"until": "${a.result}", "max_iterations": 2}
    assert ran(code("a", f"result = {value}", loop=loop)).outputs["loop_iterations"] == iterations


def test_a_failing_iteration_fails_the_loop() -> None:
    text = "result = n + 1\nif n == 2:\n    raise ValueError('two')"
    loop = {"carry": {"n": "${up.result}"}, "until": "${up.result.never ?? 0}", "max_iterations": 9}
    result = ran(code("up", text, inputs={"n": 0}, loop=loop))
    assert (result.status, result.errors[0]["message"]) == ("failed", "two")
    assert (result.outputs["loop_stopped"], result.outputs["loop_iterations"]) == ("failed", 3)


def test_a_condition_that_does_not_resolve_fails_the_node() -> None:
    result = ran(code("up", "result = {}", loop={"until": "${up.result.done}"}))
    assert (result.status, result.errors[0]["type"]) == ("failed", "UnresolvedReference")


@pytest.mark.parametrize(("n", "said", "nodes"), [(3, "l3", "left"), (7, "r7", "right")])
def test_a_branch_that_did_not_run_is_passed_over(n: int, said: str, nodes: str) -> None:
    result = ran(
        code("pick", "next = 'left' if n < 5 else 'right'\nresult = n", inputs={"n": "${n}"}),
        echo("left", "l${pick.result}"),
        echo("right", "r${pick.result}"),
        echo("join", "${right.echo ?? left.echo}"),
        edges=[
            {"from": "pick", "to": "left", "action": "left"},
            {"from": "pick", "to": "right", "action": "right"},
            {"from": "left", "to": "join"},
            {"from": "right", "to": "join"},
        ],
        inputs={"n": {"type": "integer"}},
        given={"n": n},
    )
    assert (result.outputs["echo"], list(result.nodes)) == (said, ["pick", nodes, "join"])


def test_nested_references_resolve() -> None:
    result = ran(
        code("a", "result = {'rows': [{'k': 'x'}, {'k': 'y'}], 'at': 1, 'by': {'y': 'found'}}"),
        echo("b", "${a.result.by[${a.result.rows[${a.result.at}].k}]} ${a.result.rows[-1].k}"),
    )
    assert result.outputs["echo"] == "found y"


def test_a_value_is_never_scanned_for_templates() -> None:
    result = ran(code("a", "result = '$' + '{b.secret}'"), echo("b", "${a.result}"), echo("c", "<${b.echo}>"))
    assert result.outputs["echo"] == "<${b.secret}>"


def test_a_reference_that_does_not_resolve_fails_the_node_without_a_retry() -> None:
    result = ran(code("a", "result = {}"), echo("b", "${a.result.x}", retry={"max": 5}))
    assert (result.status, result.errors[0]["node"], result.errors[0]["attempts"]) == ("failed", "b", 1)


def test_permissive_mode_leaves_it_and_degrades() -> None:
    result = ran(
        code("a", "result = {}"),
        echo("b", "<${a.result.x}>"),
        template_resolution_mode="permissive",
        outputs={"said": {"source": "${b.echo}"}, "gone": {"source": "${a.result.x}"}},
    )
    assert (result.status, result.nodes["b"]["status"]) == ("degraded", "degraded")
    assert result.outputs == {"said": "<${a.result.x}>", "gone": "${a.result.x}"}
    told = [(one["code"], one["node"], one["path"]) for one in result.warnings]
    assert told == [("unresolved", "", "$.outputs.gone"), ("unresolved", "b", "$.nodes[1]")]
    assert all("${a.result.x} could not be resolved" in one["message"] for one in result.warnings)


@pytest.mark.parametrize("executor", ["sequential", "thread", "process"])
def test_permissive_mode_reports_from_items_too(executor: str) -> None:
    node = echo("b", "${item.x}", batch={"items": [{}, {"x": 1}], "executor": executor})
    result = ran(node, template_resolution_mode="permissive")
    assert result.status == "degraded"
    assert [entry["echo"] for entry in result.outputs["results"]] == ["${item.x}", "1"]
    assert result.llm_calls == []


@pytest.mark.parametrize(
    "node",
    [
        {"when": "${s.result.no}"},
        {"when": "${s.result.no == 1}"},
        {"loop": {"while": "${s.result.no}", "max_iterations": 2}},
        {"loop": {"while": "${q.echo}", "max_iterations": 2, "carry": {"message": "${s.result.no}"}}},
        {"batch": {"items": ["${s.result.no}"]}},
        {"batch": {"items": [{}], "where": "${item.no}"}},
        {"batch": {"items": [{}], "executor": "thread", "where": "${item.no > 1}"}},
        {"batch": {"items": [1], "collect": {"jsonl": "${s.result.no ?? s.result.neither}"}}},
        {"batch": {"items": "${t.results}", "stream": True, "executor": "thread", "where": "${item.no}"}},
        {"batch": {"items": [1], "collect": {"jsonl": "o", "select": {"x": "${item.no ?? item.neither}"}}}},
        {"files": ["${s.result.no}"]},
        {"files": ["${item.no}"], "batch": {"items": [{}], "executor": "thread"}},
    ],
)
def test_permissive_mode_degrades_wherever_a_template_stands(
    node: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    before = [
        {"id": "s", "type": "code", "params": {"code": "result = {}"}},
        echo("t", "x", batch={"items": [1, 2]}),
    ]
    result = ran(*before, echo("q", "x", **node), template_resolution_mode="permissive")
    assert (result.status, result.nodes["q"]["status"]) == ("degraded", "degraded")
    assert result.nodes["t"]["status"] == "success"
    assert {(one["code"], one["node"]) for one in result.warnings} == {("unresolved", "q")}


@pytest.mark.parametrize("batch", [None, {"items": [1], "executor": "thread"}])
def test_files_that_cannot_be_named_fail_their_node(batch: dict[str, Any] | None) -> None:
    node = echo("b", "x", files=["${a.result.no}"], **({} if batch is None else {"batch": batch}))
    result = ran(code("a", "result = {}"), node)
    assert (result.status, result.errors[0]["node"]) == ("failed", "b")
    assert "${a.result.no} cannot be resolved" in result.errors[0]["message"]
    named = echo("b", "x", files=["${a.result.no ?? null}", "${a.result.list}"])
    assert ran(code("a", "result = {'list': []}"), named).status == "success"


def test_permissive_without_anything_unresolved_is_a_success() -> None:
    assert ran(echo("a", "x"), template_resolution_mode="permissive").status == "success"


def test_inputs_are_checked_before_anything_runs(tmp_path: Path) -> None:
    node = code("a", f"open({str(tmp_path / 'ran')!r}, 'w').close()", inputs={"n": "${n}"})
    inputs = {"n": {"type": "integer"}}
    with pytest.raises(InvalidDocument, match="`n` must be a"):
        ran(node, inputs=inputs, given={"n": "three"})
    with pytest.raises(InvalidDocument, match="`n` is missing"):
        ran(node, inputs=inputs)
    with pytest.raises(InvalidDocument, match="no input `m`"):
        ran(node, inputs=inputs, given={"n": 1, "m": 2})
    assert not (tmp_path / "ran").exists()


def test_inputs_given_as_text_are_read_as_their_type() -> None:
    document: dict[str, Any] = {"nodes": [echo("a", "${n}")], "inputs": {"n": {"type": "integer"}}}
    document["outputs"] = {"n": {"source": "${n}"}}
    assert batchmill.run(document, text_params={"n": "3"}).outputs == {"n": 3}
    with pytest.raises(InvalidDocument):
        batchmill.run(document, text_params={"n": "x"})


def test_settings_out_of_range_are_refused() -> None:
    document = {"nodes": [echo("a", "x")]}
    with pytest.raises(InvalidSetting, match="did you mean 'process'"):
        batchmill.run(document, executor="proces")
    with pytest.raises(InvalidSetting, match="1 to 1000"):
        batchmill.run(document, jobs=0)


def test_a_document_may_be_a_file_in_json_or_yaml(tmp_path: Path) -> None:
    (tmp_path / "flow.json").write_text(json.dumps({"nodes": [echo("a", "json")]}))
    (tmp_path / "flow.yaml").write_text("nodes:\n  - id: a\n    type: echo\n    params: {message: yaml}\n")
    assert batchmill.run(tmp_path / "flow.json").outputs["echo"] == "json"
    assert batchmill.run(str(tmp_path / "flow.yaml")).outputs["echo"] == "yaml"


@pytest.mark.parametrize("executor", ["sequential", "thread", "process"])
def test_modules_beside_the_document_can_be_used(tmp_path: Path, executor: str) -> None:
    module = f"module_beside_a_document_{executor}"
    (tmp_path / f"{module}.py").write_text("def double(x):\n    return x * 2\n")
    node = {
        "id": "a",
        "type": "python",
        "params": {"function": f"{module}:double", "inputs": {"x": "${item}"}},
        "batch": {"items": [1, 2], "executor": executor},
    }
    (tmp_path / "flow.json").write_text(json.dumps({"nodes": [node]}))
    before = list(sys.path)
    try:
        result = batchmill.run(tmp_path / "flow.json")
    finally:
        sys.modules.pop(module, None)
    assert [entry["result"] for entry in result.outputs["results"]] == [2, 4], result.errors
    assert sys.path == before


def test_listeners_hear_the_run_from_start_to_end() -> None:
    heard: list[Event] = []
    result = batchmill.run({"nodes": [echo("a", "x")]}, listeners=[heard.append])
    assert isinstance(heard[0], RunStarted)
    assert isinstance(heard[-1], RunFinished)
    assert (heard[0].run, heard[0].nodes, heard[-1].status) == (result.run, 1, "success")


def test_a_shell_node_takes_values_as_they_are() -> None:
    result = ran(
        {"id": "a", "type": "shell", "params": {"command": "printf '%s|' ${x} \"${x}\""}},
        given={"x": "$(id); 'a' \"b\""},
        inputs={"x": {"type": "string"}},
    )
    assert result.outputs["stdout"] == "$(id); 'a' \"b\"|" * 2


def test_a_shell_that_fails_says_so_to_its_error_edge() -> None:
    result = ran(
        {"id": "a", "type": "shell", "params": {"command": "echo half; echo gone >&2; exit 3"}},
        echo("b", '${a.exit_code} ${a.stderr | lines | first} ${a.stdout ?? "nothing"}'),
        edges=[{"from": "a", "to": "b", "action": "error"}],
    )
    assert (result.status, result.outputs["echo"]) == ("degraded", "3 gone nothing")


@pytest.mark.parametrize("end", ["import sys; sys.exit(3)", "1/0", "raise ValueError('why')"])
def test_what_failed_code_printed_is_there_behind_its_error_edge(end: str) -> None:
    a = code("a", f"import sys\nprint('looking')\nprint('hm', file=sys.stderr)\n{end}")
    b = echo("b", '${a.stdout}, ${a.stderr}, ${a.result ?? "nothing"}')
    edges = [{"from": "a", "to": "b", "action": "error"}]
    result = batchmill.run({"nodes": [a, b], "edges": edges})
    assert result.outputs["echo"] == "looking\n, hm\n, nothing"


def test_what_a_failed_item_printed_is_told_with_its_error(tmp_path: Path) -> None:
    a = code("a", "print('looking at', n)\nresult = 1 // n", inputs={"n": "${item}"})
    a["batch"] = {"items": [1, 0], "error_handling": "continue"}
    batchmill.run({"nodes": [a]}, journal=tmp_path / "j.sqlite")
    with Reader(Journal(tmp_path / "j.sqlite")) as reader:
        (visit,) = reader.visits(reader.run("last"))
        item = reader.item(visit, 1)
    assert item is not None
    assert item.error is not None
    assert item.error["outputs"] == {"stdout": "looking at 0\n", "stderr": ""}
