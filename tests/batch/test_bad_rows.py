"""Rows that cannot be read, as failed items of a run: the same on all executors, kept, and read again."""

from __future__ import annotations

import gc
import json
import os
from pathlib import Path
from typing import Any

import pytest

import batchmill

EXECUTORS = ["sequential", "thread", "process", "auto"]


def document(path: Path, kind: str, **more: Any) -> dict[str, Any]:
    params = {"code": "result = item", "inputs": {"item": "${item}"}}
    batch = {"items": {kind: str(path)}, "bad_rows": "error", "error_handling": "continue", **more}
    outputs = {name: {"source": f"${{a.{name}}}"} for name in ("results", "errors", "count")}
    return {"nodes": [{"id": "a", "type": "code", "params": params, "batch": batch}], "outputs": outputs}


def values(done: Any) -> list[Any]:
    return [None if one is None else one["result"] for one in done.outputs["results"]]


@pytest.fixture
def jsonl(tmp_path: Path) -> Path:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b'1\n{"a":\n3\n"\xff"\n5\n')
    return path


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.first_quick
def test_a_bad_row_is_a_failed_item(executor: str, jsonl: Path) -> None:
    done = batchmill.run(document(jsonl, "jsonl", executor=executor, max_retries=3))
    assert done.status == "degraded"
    assert values(done) == [1, None, 3, None, 5]
    first, second = done.outputs["errors"]
    assert (first["index"], first["item"], first["kind"], first["attempts"]) == (1, '{"a":', "exception", 1)
    assert first["type"] == "UnreadableRow"
    assert first["message"].startswith(f"{jsonl}, line 2: not JSON: ")
    assert (second["index"], second["item"]) == (3, r'"\xff"')
    assert f"{jsonl}, line 4: byte 0xff" in second["message"]
    assert {type(one["item"]) for one in done.outputs["errors"]} == {str}


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.slow
def test_groups_go_on_without_bad_rows(executor: str, jsonl: Path) -> None:
    done = batchmill.run(document(jsonl, "jsonl", executor=executor, batch_size=2))
    assert values(done) == [None, [1, 3], None, [5]]
    assert [one["index"] for one in done.outputs["errors"]] == [0, 2]


@pytest.mark.parametrize("executor", EXECUTORS)
def test_a_mended_row_is_run_and_the_others_are_kept(executor: str, jsonl: Path, tmp_path: Path) -> None:
    journal = tmp_path / "runs.sqlite"
    given = document(jsonl, "jsonl", executor=executor, tolerate={"percent": 10})
    failed = batchmill.run(given, journal=journal)
    assert failed.status == "failed"
    jsonl.write_bytes(b"1\n2\n3\n4\n5\n")
    done = batchmill.resume(failed.run, journal=journal)
    assert (done.status, values(done)) == ("success", [1, 2, 3, 4, 5])
    assert done.resumed["kept"] == 3


def test_a_bad_row_is_not_taken_for_an_item_of_the_same_text(tmp_path: Path) -> None:
    journal, path = tmp_path / "runs.sqlite", tmp_path / "lines"
    path.write_bytes(b"a\\xff\nb\n")
    given = document(path, "lines")
    given["nodes"][0]["cache"] = True
    assert values(batchmill.run(given, journal=journal)) == [r"a\xff", "b"]
    path.write_bytes(b"a\xff\nb\n")
    assert values(batchmill.run(given, journal=journal)) == [None, "b"]


@pytest.mark.parametrize("executor", ["sequential", "thread", "process"])
@pytest.mark.first_quick
def test_without_continue_the_first_bad_row_ends_the_batch(executor: str, jsonl: Path) -> None:
    given = document(jsonl, "jsonl", executor=executor, max_concurrent=1, error_handling="fail_fast")
    if executor == "sequential":
        del given["nodes"][0]["batch"]["max_concurrent"]
    done = batchmill.run(given)
    assert done.status == "failed"
    assert done.errors[0]["index"] == 1


def test_files_are_closed_with_the_batch(jsonl: Path) -> None:
    """Also of rows that were never read, and before any garbage is collected."""
    folder = Path("/proc/self/fd")
    if not folder.is_dir():
        pytest.skip("only Linux tells which files are open")
    gc.disable()
    try:
        batchmill.run(document(jsonl, "jsonl", error_handling="fail_fast"))
        assert str(jsonl) not in {os.path.realpath(one) for one in folder.iterdir()}
    finally:
        gc.enable()


def test_a_rate_limit_that_looks_at_items_is_not_upset_by_bad_rows(jsonl: Path) -> None:
    given = document(jsonl, "jsonl", executor="thread", rate_limit={"per_second": 1000, "key": "k"})
    assert values(batchmill.run(given)) == [1, None, 3, None, 5]


def test_bad_rows_count_among_the_items_that_are_chosen(jsonl: Path) -> None:
    assert values(batchmill.run(document(jsonl, "jsonl", skip=1, limit=2))) == [None, 3]
    assert values(batchmill.run(document(jsonl, "jsonl", sample=99, min_items=5))) == [1, None, 3, None, 5]


def test_errors_are_written_as_text(jsonl: Path, tmp_path: Path) -> None:
    collect = {"jsonl": str(tmp_path / "good"), "errors": str(tmp_path / "bad")}
    given = document(jsonl, "jsonl", collect=collect)
    del given["outputs"]["results"]
    assert batchmill.run(given).outputs["count"] == 5
    assert len((tmp_path / "good").read_text().splitlines()) == 3
    bad = [json.loads(line)["item"] for line in (tmp_path / "bad").read_text().splitlines()]
    assert bad == ['{"a":', r'"\xff"']
