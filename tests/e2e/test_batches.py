"""Batch nodes through whole documents: the same results on every executor, entry by entry."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import batchmill
from batchmill import RunResult

CLUSTER = pytest.param("dask", marks=pytest.mark.on_cluster)
EXECUTORS = ("sequential", "thread", "process", CLUSTER)
MANY = 1_000

SCORE = """
row: dict
n: int
if row['n'] % 97 == 13:
    raise ValueError(f"unlucky {row['n']}")
row['seen'] = row.get('seen', 0) + 1   # the item is this attempt's own
result = {'row': row, 'score': row['n'] ** 2 % 1009, 'at': n}
"""


FAILED = """\
Traceback (most recent call last):
  File "<code>", line 5, in <module>
    raise ValueError(f"unlucky {row['n']}")
ValueError: unlucky 13
"""


def scoring(executor: str, **batch: Any) -> dict[str, Any]:
    return {
        "nodes": [
            {
                "id": "rows",
                "type": "code",
                "params": {"code": f"result = [{{'n': n}} for n in range({MANY})]"},
            },
            {
                "id": "score",
                "type": "code",
                "params": {"code": SCORE, "inputs": {"row": "${item}", "n": "${__index__}"}},
                "batch": {
                    "items": "${rows.result}",
                    "executor": executor,
                    "error_handling": "continue",
                    "max_retries": 2,
                    **({} if executor == "sequential" else {"max_concurrent": 2}),
                    **batch,
                },
            },
        ],
        "outputs": {
            name: {"source": f"${{score.{name}}}"}
            for name in ("results", "count", "success_count", "error_count", "errors", "succeeded")
        },
    }


@pytest.fixture(scope="module")
def reference() -> RunResult:
    return batchmill.run(scoring("sequential"))


def test_the_reference_is_what_the_document_says(reference: RunResult) -> None:
    unlucky = [n for n in range(MANY) if n % 97 == 13]
    outputs = reference.outputs
    assert reference.status == "degraded"
    assert (outputs["count"], outputs["error_count"]) == (MANY, len(unlucky))
    assert outputs["success_count"] == MANY - len(unlucky)
    assert [index for index, entry in enumerate(outputs["results"]) if entry is None] == unlucky
    entry = outputs["results"][5]
    assert entry["item"] == {"n": 5}
    assert entry["result"] == {"row": {"n": 5, "seen": 1}, "score": 25, "at": 5}
    assert [error["index"] for error in outputs["errors"]] == unlucky
    assert outputs["errors"][0] == {
        "index": 13,
        "item": {"n": 13},
        "type": "ValueError",
        "message": "unlucky 13",
        "attempts": 2,
        "kind": "exception",
        "traceback": FAILED,
    }
    assert outputs["succeeded"] == [entry for entry in outputs["results"] if entry is not None]


@pytest.mark.parametrize("executor", EXECUTORS[1:])
def test_results_are_the_same_entry_by_entry(executor: str, reference: RunResult) -> None:
    result = batchmill.run(scoring(executor))
    assert result.status == reference.status
    assert result.outputs == reference.outputs
    assert result.errors == reference.errors
    assert result.nodes["score"]["executor"] == executor


def test_an_executor_named_by_the_run_takes_the_place_of_the_documents(reference: RunResult) -> None:
    result = batchmill.run(scoring("process"), executor="thread", jobs=3)
    assert (result.nodes["score"]["executor"], result.nodes["score"]["max_concurrent"]) == ("thread", 3)
    assert result.outputs == reference.outputs


def test_the_whole_result_is_plain_json(reference: RunResult) -> None:
    assert json.loads(json.dumps(reference.as_json(), allow_nan=False)) == reference.as_json()


def echoing(items: Any, **batch: Any) -> dict[str, Any]:
    node = {"id": "each", "type": "echo", "params": {"message": "${item}", "at": "${__index__}"}}
    return {"nodes": [{**node, "batch": {"items": items, **batch}}]}


def echoed(document: dict[str, Any], **given: Any) -> list[Any]:
    result = batchmill.run(document, given)
    assert result.status == "success", result.errors
    assert [entry["at"] for entry in result.outputs["results"]] == list(range(result.outputs["count"]))
    return [entry["item"] for entry in result.outputs["results"]]


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize(
    "items", [[], [0], [None, "", 0, False, [], {}], ["same", "same"], [{"a": {"b": [1]}}, "é\n"]]
)
def test_items_of_every_kind_come_back(executor: str, items: list[Any]) -> None:
    assert echoed(echoing(items, executor=executor)) == items


def test_templates_in_an_inline_list_are_resolved() -> None:
    document = {**echoing(["${a}", {"b": "x${a}"}, "$${a}"]), "inputs": {"a": {"type": "integer"}}}
    assert echoed(document, a=1) == [1, {"b": "x1"}, "${a}"]


@pytest.mark.parametrize("given", [[1, 2], "[1, 2]", " [1, 2] "])
def test_a_reference_may_lead_to_a_list_or_to_its_json(given: Any) -> None:
    assert echoed({**echoing("${rows}"), "inputs": {"rows": {}}}, rows=given) == [1, 2]


@pytest.mark.parametrize(
    ("given", "words"),
    [("a,b", "text ('a,b')"), ({"a": 1}, "is an object"), (None, "is null"), ('{"a":1}', "is an object")],
)
def test_a_reference_to_no_list_fails_the_node(given: Any, words: str) -> None:
    result = batchmill.run({**echoing("${rows}"), "inputs": {"rows": {}}}, {"rows": given})
    assert result.status == "failed"
    assert result.errors[0]["type"] == "InvalidItems"
    assert "batch.items must be a list, but ${rows} is" in result.errors[0]["message"]
    assert words in result.errors[0]["message"]


def test_sources_are_read_from_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("names.txt").write_text("ann\nbob\n")
    Path("rows.jsonl").write_text('{"n": 1}\n\n[2]\n')
    Path("table.csv").write_text("a,b\n1,x\n")
    assert echoed(echoing({"lines": "names.txt"})) == ["ann", "bob"]
    assert echoed(echoing({"jsonl": "rows.jsonl"}, parallel=True)) == [{"n": 1}, [2]]
    assert echoed(echoing({"csv": "table.csv"})) == [{"a": "1", "b": "x"}]
    assert echoed(echoing({"glob": "*.txt"})) == ["names.txt"]
    assert echoed(echoing({"range": [1, 8, 3]}, executor="process", max_concurrent=1)) == [1, 4, 7]


OTHER_CSV = {
    "delimiter": ";",
    "quote": None,
    "encoding": "latin-1",
    "columns": ["b"],
    "skip": 1,
    "comment": "#",
}


@pytest.mark.parametrize("executor", EXECUTORS)
def test_a_resumed_run_keeps_the_rows_of_a_csv_file_of_another_form(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, executor: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("table.csv").write_bytes('Liste\na;b\n#x\n1;é\n2;"\n3;ö\n'.encode("latin-1"))
    code = (
        "text: str\n"
        "with open('seen', 'a') as file: file.write(text)\n"
        "if text == '\"' and not os.path.exists('good'): raise ValueError(text)\n"
        "result = text\n"
    )
    document = {
        "nodes": [
            {
                "id": "each",
                "type": "code",
                "params": {"code": f"import os\n{code}", "inputs": {"text": "${item.b}"}},
                "batch": {
                    "items": {**OTHER_CSV, "csv": "table.csv"},
                    "executor": executor,
                    "error_handling": "continue",
                },
            }
        ]
    }
    first = batchmill.run(document, journal="runs.sqlite")
    assert (first.status, first.outputs["error_count"]) == ("degraded", 1)
    Path("good").touch()
    again = batchmill.resume(journal="runs.sqlite", failed_only=True)
    assert again.status == "success", again.errors
    assert [entry["result"] for entry in again.outputs["results"]] == ["é", '"', "ö"]
    assert sorted(Path("seen").read_text()) == ['"', '"', "é", "ö"]


def test_a_source_may_be_named_by_a_template(tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_text("ann\n")
    document = {**echoing({"lines": "${folder}/names.txt"}), "inputs": {"folder": {"type": "string"}}}
    assert echoed(document, folder=str(tmp_path)) == ["ann"]


def test_a_source_that_is_not_there_fails_the_run_by_its_environment(tmp_path: Path) -> None:
    result = batchmill.run(echoing({"lines": str(tmp_path / "none.txt")}))
    assert (result.status, result.environment) == ("failed", True)
    assert result.errors[0]["type"] == "StorageError"
    assert "none.txt" in result.errors[0]["message"]


def test_an_error_edge_catches_a_source_that_is_not_there(tmp_path: Path) -> None:
    document = echoing({"lines": str(tmp_path / "none.txt")})
    document["nodes"].append({"id": "instead", "type": "echo", "params": {"message": "${each.error}"}})
    document["edges"] = [{"from": "each", "to": "instead", "action": "error"}]
    result = batchmill.run(document)
    assert (result.status, result.environment) == ("degraded", False)
    assert "none.txt" in result.outputs["echo"]


FAILING = "if item in bad:\n    raise RuntimeError('bad')\nresult = item"


def failing(bad: list[int], **batch: Any) -> dict[str, Any]:
    params = {"code": FAILING, "inputs": {"item": "${item}", "bad": bad}}
    return {
        "nodes": [
            {"id": "each", "type": "code", "params": params, "batch": {"items": [0, 1, 2, 3], **batch}},
            {"id": "after", "type": "echo", "params": {"message": "${each.error_count}"}},
        ],
        "outputs": {"after": {"source": "${after.echo}"}, "errors": {"source": "${each.errors}"}},
    }


@pytest.mark.parametrize("executor", EXECUTORS)
def test_fail_fast_ends_at_the_first_failure_and_keeps_what_is_done(executor: str) -> None:
    document = failing([1], executor=executor, **({} if executor == "sequential" else {"max_concurrent": 1}))
    result = batchmill.run(document)
    assert result.status == "failed"
    assert "after" not in result.outputs
    kinds = {error["index"]: error["kind"] for error in result.outputs["errors"]}
    assert kinds == {1: "exception", 2: "cancelled", 3: "cancelled"}
    assert [error["index"] for error in result.errors] == [1]
    assert (result.nodes["each"]["error_count"], result.nodes["each"]["success_count"]) == (1, 1)
    assert "fail_fast" in result.nodes["each"]["failure"]


def test_no_success_at_all_fails_even_under_continue() -> None:
    result = batchmill.run(failing([0, 1, 2, 3], error_handling="continue"))
    assert (result.status, result.nodes["each"]["failure"]) == ("failed", "all 4 items failed")


@pytest.mark.parametrize(
    ("tolerate", "status"),
    [
        ({"count": 2}, "degraded"),
        ({"count": 1}, "failed"),
        ({"percent": 50}, "degraded"),
        ({"percent": 49}, "failed"),
    ],
)
def test_more_failures_than_tolerated_fail_the_node(tolerate: dict[str, Any], status: str) -> None:
    assert batchmill.run(failing([0, 1], error_handling="continue", tolerate=tolerate)).status == status


def test_a_failed_batch_takes_its_error_edge_and_keeps_its_outputs() -> None:
    document = failing([2])
    document["nodes"].append(
        {"id": "rescue", "type": "echo", "params": {"message": "${each.success_count} ${each.error}"}}
    )
    document["edges"] = [{"from": "each", "to": "after"}, {"from": "each", "to": "rescue", "action": "error"}]
    document["outputs"] = {
        "said": {"source": "${rescue.echo}"},
        "first": {"source": "${each.results[0].result}"},
    }
    result = batchmill.run(document)
    assert result.status == "degraded"
    assert result.outputs == {"said": "2 1 item failed and error_handling is fail_fast", "first": 0}


def test_the_retry_block_of_a_node_serves_a_batch_that_says_nothing_of_retries(tmp_path: Path) -> None:
    code = "with open(path, 'a') as file:\n    file.write('x')\nraise OSError('again')"
    node = {
        "id": "each",
        "type": "code",
        "params": {"code": code, "inputs": {"path": str(tmp_path / "tries")}},
        "retry": {"max": 3},
        "batch": {"items": [1], "error_handling": "continue"},
    }
    assert batchmill.run({"nodes": [node]}).errors[0]["attempts"] == 3
    node["batch"]["max_retries"] = 2
    assert batchmill.run({"nodes": [node]}).errors[0]["attempts"] == 2
    assert (tmp_path / "tries").read_text() == "x" * 5


@pytest.mark.parametrize("executor", EXECUTORS)
def test_a_template_that_does_not_resolve_is_one_attempt(executor: str) -> None:
    document = echoing([{"a": 1}, {}], executor=executor, max_retries=5, error_handling="continue")
    document["nodes"][0]["params"] = {"message": "${item.a}"}
    result = batchmill.run(document)
    assert result.status == "degraded"
    assert [(error["index"], error["attempts"], error["type"]) for error in result.errors] == [
        (1, 1, "UnresolvedReference")
    ]


def test_items_with_values_json_does_not_have_leave_errors_plain() -> None:
    document = {
        "nodes": [
            {"id": "rows", "type": "code", "params": {"code": "result = [{1, 2}, b'x', float('nan')]"}},
            {
                "id": "each",
                "type": "code",
                "params": {"code": "raise ValueError('no')", "inputs": {"it": "${item}"}},
                "batch": {"items": "${rows.result}", "error_handling": "continue"},
            },
        ]
    }
    result = batchmill.run(document)
    assert [error["item"] for error in result.errors] == [[1, 2], "eA==", None]
    assert json.dumps(result.as_json(), allow_nan=False)


def test_a_batch_reads_another_batchs_results() -> None:
    document = {
        "nodes": [
            {
                "id": "first",
                "type": "code",
                "params": {"code": "result = x * 10", "inputs": {"x": "${item}"}},
                "batch": {"items": [1, 2, 3], "parallel": True},
            },
            {
                "id": "second",
                "type": "echo",
                "params": {
                    "message": "${row.result}",
                    "same": "${first.results[${__index__}].result}",
                    "all": "${first.results[*].result | sum}",
                    "suffix": " of ${first.count}",
                },
                "batch": {
                    "items": "${first.results}",
                    "as": "row",
                    "executor": "process",
                    "max_concurrent": 1,
                },
            },
        ],
        "outputs": {
            "said": {"source": "${second.results[*].echo}"},
            "second": {"source": "${second.results}"},
        },
    }
    result = batchmill.run(document)
    assert result.outputs["said"] == ["10 of 3", "20 of 3", "30 of 3"]
    assert [entry["same"] for entry in result.outputs["second"]] == [10, 20, 30]
    assert {entry["all"] for entry in result.outputs["second"]} == {60}


def test_items_do_not_change_the_list_they_came_from() -> None:
    document = {
        "nodes": [
            {"id": "rows", "type": "code", "params": {"code": "result = [{'n': 1}, {'n': 2}]"}},
            {
                "id": "each",
                "type": "code",
                "params": {"code": "row['n'] = 0\nresult = row", "inputs": {"row": "${item}"}},
                "batch": {"items": "${rows.result}", "parallel": True},
            },
        ],
        "outputs": {"before": {"source": "${rows.result}"}, "items": {"source": "${each.results[*].item}"}},
    }
    assert batchmill.run(document).outputs == {"before": [{"n": 1}, {"n": 2}], "items": [{"n": 1}, {"n": 2}]}
