"""Results in files: chosen columns, other forms than lines of JSON, the whole file after a run is resumed."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import batchmill
from batchmill.errors import InvalidDocument

CLUSTER = pytest.param("dask", marks=pytest.mark.on_cluster)
EXECUTORS = ("sequential", "thread", "process", CLUSTER)
SELECT = {"n": "${n}", "double": "${result}", "at": "${__index__}", "said": "${greeting} ${item}"}


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def document(collect: Any, *, code: str = "result = n * 2", count: int = 6, **batch: Any) -> dict[str, Any]:
    node = {
        "id": "double",
        "type": "code",
        "params": {"code": code, "inputs": {"n": "${n}"}},
        "batch": {"items": {"range": [count]}, "as": "n", "collect": collect, **batch},
    }
    return {"inputs": {"greeting": {"default": "hi"}}, "nodes": [node]}


def table(path: str) -> list[list[str]]:
    with open(path, newline="") as file:
        return list(csv.reader(file))


RAN = "import os\nos.write(os.open('ran', os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)"
FAILS = "result = n * 2 if n != 3 else 1 // 0"


@pytest.mark.parametrize("executor", EXECUTORS)
def test_columns_are_chosen(executor: str) -> None:
    collect = {"csv": "out.csv", "select": SELECT, "errors": "errors.jsonl"}
    run = batchmill.run(document(collect, code=FAILS, executor=executor, error_handling="continue"))
    assert run.status == "degraded"
    assert Path("out.csv").read_bytes() == (
        b"n,double,at,said\r\n0,0,0,hi 0\r\n1,2,1,hi 1\r\n2,4,2,hi 2\r\n4,8,4,hi 4\r\n5,10,5,hi 5\r\n"
    )
    assert [json.loads(line)["index"] for line in Path("errors.jsonl").read_text().splitlines()] == [3]
    assert run.outputs["results_path"] == "out.csv"


@pytest.mark.parametrize("executor", ["sequential", "process"])
@pytest.mark.parametrize("size", [None, 2])
def test_columns_have_the_key_of_the_item_and_variables(
    executor: str, size: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLACE", "here")
    monkeypatch.setenv("PLACE_TOKEN", "zq8Kd9fj2kd0sl")
    Path("rows.txt").write_text("a\nb\nc\n")
    select = {"key": "${__item__.key}", "got": "${result}", "env": "${env.PLACE} ${env.PLACE_TOKEN}"}
    collect = {"jsonl": "out.jsonl", "select": {**select, "from": "${__source__}"}}
    made = document(collect, code="result = key", executor=executor, items={"lines": "rows.txt"})
    made["nodes"][0]["batch"]["batch_size"] = size
    made["nodes"][0]["params"]["inputs"]["key"] = "${__item__.key}"
    run = batchmill.run(made)
    assert run.status == "success", run.errors
    rows = [json.loads(line) for line in Path("out.jsonl").read_text().splitlines()]
    assert [row["key"] for row in rows] == [row["got"] for row in rows]
    assert {row["env"] for row in rows} == {"here ***"}
    places = [row["from"] for row in rows]
    assert [one["line"] for part in places for one in (part if size else [part])] == [1, 2, 3]


@pytest.mark.parametrize("executor", EXECUTORS)
def test_an_item_without_a_column_is_an_error_of_that_item(executor: str) -> None:
    collect = {"jsonl": "out.jsonl", "select": {"x": "${result.x}"}, "errors": "errors.jsonl"}
    code = "result = {'x': n} if n != 2 else {}"
    run = batchmill.run(document(collect, code=code, executor=executor, error_handling="continue"))
    assert (run.status, run.outputs["error_count"], run.outputs["success_count"]) == ("degraded", 1, 5)
    (error,) = run.outputs["errors"]
    assert (error["index"], error["type"], error["attempts"]) == (2, "UnresolvedReference", 1)
    assert "batch.collect.select: ${result.x}" in error["message"]
    assert [json.loads(line) for line in Path("out.jsonl").read_text().splitlines()] == [
        {"x": n} for n in (0, 1, 3, 4, 5)
    ]
    assert json.loads(Path("errors.jsonl").read_text())["index"] == 2
    failed = batchmill.run(document(collect, code=code, executor=executor))
    assert failed.status == "failed"
    assert len(Path("out.jsonl").read_text().splitlines()) == 5, "what was there stays"


def test_names_that_a_column_cannot_have_are_problems() -> None:
    select = {"a": "${reslt}", "b": ["${other.x}"], "c": "${n}", "d": "${greeting ?? 1}", "e": "${"}
    with pytest.raises(InvalidDocument) as caught:
        batchmill.run(document({"csv": "out.csv", "select": select}))
    places = [problem.path.rpartition("select")[2] for problem in caught.value.problems]
    assert sorted(places) == [".a", ".b[0]", ".e"]
    hints = {problem.path[-1]: problem.hint for problem in caught.value.problems}
    assert hints["a"] == "did you mean `result`?"


@pytest.mark.parametrize("executor", EXECUTORS)
def test_parquet(executor: str) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    run = batchmill.run(document({"parquet": "out.parquet", "select": SELECT}, executor=executor))
    assert run.status == "success"
    rows = parquet.read_table("out.parquet").to_pylist()
    assert rows == [{"n": n, "double": 2 * n, "at": n, "said": f"hi {n}"} for n in range(6)]


def test_a_column_of_mixed_types_fails_the_batch_and_keeps_what_was_there() -> None:
    pytest.importorskip("pyarrow")
    Path("out.parquet").write_text("as it was")
    run = batchmill.run(document({"parquet": "out.parquet"}, code="result = n if n < 3 else 'x'"))
    assert run.status == "failed"
    assert "the column 'result' has a number and text" in run.errors[0]["message"]
    assert Path("out.parquet").read_text() == "as it was"


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("kept", "expected"),
    [
        (True, [{"item": {"id": 7, "text": "x"}}]),
        (False, [{}]),
        (["id", "absent"], [{"item": {"id": 7}}]),
    ],
)
def test_entries_carry_as_much_of_the_item_as_is_kept(stream: bool, kept: Any, expected: Any) -> None:
    first = {
        "id": "a",
        "type": "echo",
        "params": {"message": "m"},
        "batch": {"items": [{"id": 7, "text": "x"}], "item": kept},
    }
    second = {
        "id": "b",
        "type": "code",
        "params": {"code": "result = sorted(x)", "inputs": {"x": "${item}"}},
        "batch": {"items": "${a.results}", "stream": stream},
    }
    outputs = {"made": {"source": "${b.results}"}, "keys": {"source": "${b.results[*].result}"}}
    run = batchmill.run({"nodes": [first, second], "edges": [{"from": "a", "to": "b"}], "outputs": outputs})
    (entry,) = run.outputs["made"]
    assert [{key: value for key, value in entry["item"].items() if key == "item"}] == expected
    assert ("item" in run.outputs["keys"][0]) is (kept is not False)


def test_keys_of_an_item_that_is_no_object_are_an_error_of_that_item() -> None:
    batch = {"items": [{"id": 1}, "x"], "item": ["id"], "error_handling": "continue"}
    node = {"id": "a", "type": "echo", "params": {"message": "m"}, "batch": batch}
    run = batchmill.run({"nodes": [node]})
    assert [error["type"] for error in run.outputs["errors"]] == ["InvalidItem"]
    assert run.outputs["results"][1] is None
    assert run.outputs["results"][0]["item"] == {"id": 1}


def command(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "batchmill", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def ended(*arguments: str) -> tuple[int, str]:
    process = command(*arguments)
    _, err = process.communicate(timeout=60)
    return process.returncode, err


@pytest.mark.parametrize(
    ("executor", "collect"),
    [
        pytest.param("sequential", {"csv": "out.csv", "select": SELECT}, marks=pytest.mark.slow),
        ("thread", {"csv": "out.csv"}),
        pytest.param("process", {"csv": "out.csv", "select": SELECT}, marks=pytest.mark.slow),
        pytest.param("thread", {"parquet": "out.parquet", "select": SELECT}, marks=pytest.mark.slow),
    ],
)
@pytest.mark.slow
def test_a_killed_run_is_resumed_to_the_whole_file(executor: str, collect: dict[str, Any]) -> None:
    path = next(iter(value for key, value in collect.items() if key != "select"))
    if path.endswith("parquet"):
        pytest.importorskip("pyarrow")
    code = (
        "import os, time\nos.write(os.open('ran', 1 | 64 | 1024), b'%d\\n' % n)\ntime.sleep(0.02)\nresult = n"
    )
    made = document(collect, code=code, count=60, executor=executor)
    Path("flow.json").write_text(json.dumps(made))
    Path(path).write_text("as it was")
    process = command("run", "flow.json", "-q")
    while not Path("ran").exists() or Path("ran").read_text().count("\n") < 20:
        assert process.poll() is None
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert Path(path).read_text() == "as it was"
    code_of_end, err = ended("resume", "-q")
    assert code_of_end == 0, err
    if path.endswith("parquet"):
        import pyarrow.parquet

        found = [row["n"] for row in pyarrow.parquet.read_table(path).to_pylist()]
    else:
        rows = table(path)
        place = rows[0].index("n" if "select" in collect else "item")
        found = [int(row[place]) for row in rows[1:]]
    assert found == list(range(60))
    ran = [int(line) for line in Path("ran").read_text().split()]
    assert len(ran) < 60 + 25, "what was finished is not run again"


@pytest.mark.slow
def test_a_column_that_is_mended_runs_no_item_again() -> None:
    code = f"{RAN}, b'x')\nresult = {{'n': n}} if n != 2 else {{}}"
    collect = {"csv": "out.csv", "select": {"n": "${result.n}"}}
    made = document(collect, code=code, error_handling="continue")
    Path("flow.json").write_text(json.dumps(made))
    assert ended("run", "flow.json", "-q")[0] == 3
    collect["select"] = {"n": "${result.n ?? -1}"}
    Path("flow.json").write_text(json.dumps(made))
    code_of_end, err = ended("resume", "--failed", "-q")
    assert code_of_end == 0, err
    assert table("out.csv") == [["n"], ["0"], ["1"], ["-1"], ["3"], ["4"], ["5"]]
    assert Path("ran").read_text() == "x" * 6
