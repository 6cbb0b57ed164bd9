"""Settings that are templates of inputs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

import batchmill
from batchmill.errors import InvalidDocument
from batchmill.graph.compile.check import check
from batchmill.graph.compile.plan import Plan
from batchmill.ir.loading import load
from batchmill.ir.models import read_workflow
from batchmill.ir.schema import json_schema
from batchmill.nodes.registry import default_registry

INPUTS = {
    "n": {"type": "integer", "default": 3},
    "word": {"type": "string", "default": "thread"},
    "open": {"type": "number"},
    "none": {"type": "object", "required": False},
    "secret": {"type": "integer", "default": 3, "secret": True},
}


def document(*, batch: dict[str, Any] | None = None, **node: Any) -> dict[str, Any]:
    """One node with these keys; every input is used."""
    params = {"message": "".join(f"${{{name}}}" for name in INPUTS)}
    block = {} if batch is None else {"batch": {"items": [1, 2], **batch}}
    return {"inputs": INPUTS, "nodes": [{"id": "a", "type": "echo", "params": params, **block, **node}]}


def planned(raw: dict[str, Any], **inputs: Any) -> Plan:
    return check(load(raw), default_registry(), inputs or None)


def problems(raw: dict[str, Any], **inputs: Any) -> dict[str, str]:
    with pytest.raises(InvalidDocument) as caught:
        planned(raw, **inputs)
    return {one.path: f"{one.message}; {one.hint}" for one in caught.value.problems}


def test_defaults_of_inputs_are_the_values_until_there_are_others() -> None:
    raw = document(
        batch={
            "max_concurrent": "${n}",
            "executor": "${word}",
            "tolerate": {"count": "${n}"},
            "error_handling": "continue",
            "max_retries": "${n ?? 2}",
        },
        timeout="${open}",
    )
    spec = planned(raw).nodes["a"].spec
    assert spec.batch is not None
    assert spec.batch.tolerate is not None
    assert (spec.batch.max_concurrent, spec.batch.executor, spec.timeout) == (3, "thread", None)
    assert (spec.batch.tolerate.count, spec.batch.max_retries) == (3, 3)
    spec = planned(raw, n=5, word="process", open=2.5).nodes["a"].spec
    assert spec.batch is not None
    assert (spec.batch.max_concurrent, spec.batch.executor, spec.timeout) == (5, "process", 2.5)


def test_whole_objects_and_texts_with_templates_in_them() -> None:
    raw = document(batch={"max_concurrent": "${n}-4-5"}, retry="${none}", budget={"requests": "${n}"})
    spec = planned(raw).nodes["a"].spec
    assert spec.batch is not None
    assert spec.budget is not None
    assert (spec.batch.max_concurrent, spec.retry, spec.budget.requests) == ("3-4-5", None, 3)
    spec = planned(raw, n=1, none={"max": 2}).nodes["a"].spec
    assert spec.retry is not None
    assert spec.retry.max == 2


def test_in_defaults_pipelines_loops_and_for_the_document() -> None:
    node = {"id": "a", "type": "echo", "params": {"message": "${open}"}}
    loop = {"id": "b", "type": "echo", "loop": {"until": "${b.echo}", "max_iterations": "${n}"}}
    raw = {
        "inputs": {"n": INPUTS["n"], "open": INPUTS["open"]},
        "defaults": {"timeout": "${n}", "echo": {"retry": {"wait": "${n}"}}},
        "pipeline": [{"parallel": [[node], [{**loop, "params": {"message": "x"}}]]}],
        "finally": [{"id": "z", "type": "echo", "params": {"message": "x"}, "timeout": "${open}"}],
        "budget": {"requests": "${n}"},
    }
    plan = planned(raw, n=4, open=9)
    specs = {name: one.spec for name, one in plan.nodes.items()}
    assert [specs[name].timeout for name in "abz"] == [4, 4, 9]
    assert specs["a"].retry is not None
    assert specs["b"].loop is not None
    assert plan.workflow.budget is not None
    assert (specs["a"].retry.wait, specs["b"].loop.max_iterations) == (4, 4)
    assert plan.workflow.budget.requests == 4


def test_a_wrong_value_is_told_at_its_place_with_its_template() -> None:
    raw = document(
        batch={"max_concurrent": "${n}", "executor": "${word}", "tolerate": "${none}"}, timeout="${open}"
    )
    assert problems(raw, n=0, word="thred", open=-1, none={"cont": 2}) == {
        "$.nodes[0].batch.max_concurrent": "must be a whole number from 1 to 1,000, `auto`, or least, first "
        "and most such as `4-20-100`, not 0; this is the value of `${n}`",
        "$.nodes[0].batch.executor": "must be `sequential`, `thread`, `process`, `auto` or `dask`, not "
        '"thred"; this is the value of `${word}`; did you mean `thread`?',
        "$.nodes[0].batch.tolerate.cont": 'unknown key "cont"; this is the value of `${none}`; did you mean '
        "`count`?",
        "$.nodes[0].timeout": "must be a number of seconds above 0 and up to 31,536,000, not -1; this is "
        "the value of `${open}`",
    }


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("${wort}", "`wort` is no input; did you mean `word`?"),
        ("${item}", "`item` is no input"),
        ("${a.echo}", "`a` is no input"),
        ("${secret}", "the input `secret` is secret"),
        ("${n", "template cannot be read"),
        ("${n.x}", "`${n.x}` has no value"),
        ("${word | number}", "`${word | number}` has no value"),
    ],
)
def test_templates_that_make_no_setting(text: str, words: str) -> None:
    (told,) = problems(document(batch={"max_concurrent": text})).items()
    assert told[0] == "$.nodes[0].batch.max_concurrent"
    assert words in told[1]


def test_what_belongs_to_the_structure_takes_no_input() -> None:
    told = problems(document(batch={"as": "${word}", "stream": "${n}"}))
    assert set(told) == {"$.nodes[0].batch.as", "$.nodes[0].batch.stream"}
    assert list(problems({**document(), "start_node": "${word}"})) == ["$.start_node"]


def test_an_object_that_is_not_complete_yet_is_no_problem() -> None:
    raw = document(batch={"error_handling": "continue", "tolerate": {"count": "${open}"}})
    assert planned(raw).nodes["a"].spec.batch is not None
    raw = document(batch={"rate_limit": {"per_second": "${open}"}})
    assert planned(raw).settings is not None


def test_an_input_may_be_used_in_settings_alone() -> None:
    raw = {
        "inputs": {"n": {"type": "integer"}},
        "nodes": [{"id": "a", "type": "echo", "params": {"message": "x"}, "timeout": "${n}"}],
    }
    assert planned(raw).nodes["a"].spec.timeout is None


def test_the_schema_takes_templates_where_the_models_do() -> None:
    validator = jsonschema.Draft202012Validator(json_schema())
    raw = document(
        batch={"max_concurrent": "${n}", "tolerate": "${none}"}, retry={"max": "${n}"}, cache="${n}"
    )
    assert validator.is_valid(raw)
    assert read_workflow(raw)[1] == []
    wrong = document(batch={"stream": "${n}"})
    assert not validator.is_valid(wrong)
    assert read_workflow(wrong)[1] != []


def test_keyword_arguments_are_values() -> None:
    with pytest.raises(Exception, match="max_retries"):
        batchmill.map(str, [1], max_retries="${n}")  # type: ignore[arg-type]


def test_a_run_and_its_resumption_have_the_settings_of_its_inputs(tmp_path: Path) -> None:
    fail = "import os\nif item == 2 and not os.path.exists(flag): raise OSError\nresult = item"
    raw = {
        "inputs": {"how": {"type": "string"}, "tries": {"type": "integer"}, "flag": {"type": "string"}},
        "nodes": [
            {
                "id": "a",
                "type": "code",
                "params": {"code": fail, "inputs": {"item": "${item}", "flag": "${flag}"}},
                "batch": {"items": [1, 2], "executor": "${how}", "max_retries": "${tries}"},
            }
        ],
        "outputs": {"all": {"source": "${a.results[*].result}"}},
    }
    values = {"how": "sequential", "tries": 2, "flag": str(tmp_path / "flag")}
    first = batchmill.run(raw, values, journal=tmp_path / "j.sqlite")
    assert first.errors[0]["attempts"] == 2
    (tmp_path / "flag").touch()
    second = batchmill.resume(first.run, {"how": "thread"}, journal=tmp_path / "j.sqlite")
    assert second.outputs == {"all": [1, 2]}
    assert (second.resumed or {})["kept"] == 1


@pytest.mark.parametrize("executor", ["sequential", "thread", "process"])
@pytest.mark.slow
def test_a_workflow_inside_has_the_settings_of_its_own_inputs(executor: str, tmp_path: Path) -> None:
    inner = {
        "inputs": {"most": {"type": "integer"}},
        "nodes": [
            {
                "id": "b",
                "type": "echo",
                "params": {"message": "${item}"},
                "batch": {"items": [1, 2, 3], "limit": "${most}"},
            }
        ],
        "outputs": {"found": {"source": "${b.results[*].echo}"}},
    }
    (tmp_path / "inner.json").write_text(json.dumps(inner))
    raw = {
        "nodes": [
            {
                "id": "a",
                "type": "workflow",
                "params": {"workflow": str(tmp_path / "inner.json"), "inputs": {"most": "${item}"}},
                "batch": {"items": [1, 2, -1], "executor": executor, "error_handling": "continue"},
            }
        ],
    }
    done = batchmill.run({**raw, "outputs": {"all": {"source": "${a.succeeded[*].found}"}}})
    assert done.outputs == {"all": [["1"], ["1", "2"]]}
    (error,) = done.errors
    assert "$.nodes[0].batch.limit must be a whole number" in error["message"]
    assert "this is the value of `${most}`" in error["message"]
