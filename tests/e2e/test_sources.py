"""Sources through whole documents: many files, where rows come from, and what a resumed run keeps."""

from __future__ import annotations

import json
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import batchmill
from batchmill.errors import InvalidDocument

EXECUTORS = ("sequential", "thread", "process")


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def echoing(items: Any, params: dict[str, Any] | None = None, **batch: Any) -> dict[str, Any]:
    """A document that gives its params back for each item."""
    node = {
        "id": "e",
        "type": "echo",
        "params": params or {"data": "${item}"},
        "batch": {"items": items, **batch},
    }
    return {"nodes": [node]}


def alone(executor: str) -> dict[str, Any]:
    """Keys of a batch whose items run one after another on an executor."""
    return {"executor": executor, **({} if executor == "sequential" else {"max_concurrent": 1})}


def told(document: dict[str, Any], key: str = "data", **given: Any) -> list[Any]:
    run = batchmill.run(document, **given)
    assert run.status == "success", run.errors
    return [entry[key] for entry in run.outputs["results"]]


def problems(document: dict[str, Any]) -> list[str]:
    with pytest.raises(InvalidDocument) as caught:
        batchmill.run(document)
    return [f"{one}" for one in caught.value.problems]


def two_files() -> None:
    Path("a.csv").write_text("n\n1\n2\n")
    Path("b.csv").write_text("n\n3\n")


AT = "${item.n}@${__source__.path}:${__source__.line}"


@pytest.mark.parametrize("executor", EXECUTORS)
def test_rows_tell_where_they_were_read(executor: str) -> None:
    two_files()
    document = echoing(
        {"csv": "*.csv"}, {"data": AT}, executor=executor, where="${__source__.line < 4 and item.n != '2'}"
    )
    assert told(document) == ["1@a.csv:2", "3@b.csv:2"]
    run = batchmill.run(document)
    assert [entry["item"] for entry in run.outputs["results"]] == [{"n": "1"}, {"n": "3"}]


@pytest.mark.parametrize("executor", EXECUTORS)
def test_a_failed_row_is_told_as_it_is(executor: str) -> None:
    two_files()
    params = {"code": "result = 1 // (line - 2)", "inputs": {"line": "${__source__.line}"}}
    node = {
        "id": "e",
        "type": "code",
        "params": params,
        "batch": {"items": {"csv": ["a.csv", "b.csv"]}, "executor": executor, "error_handling": "continue"},
    }
    run = batchmill.run({"nodes": [node]})
    assert [(one["index"], one["item"]) for one in run.outputs["errors"]] == [
        (0, {"n": "1"}),
        (2, {"n": "3"}),
    ]
    json.dumps(run.outputs["errors"])


def test_groups_columns_and_kept_parts() -> None:
    two_files()
    items = {"csv": "?.csv"}
    groups = told(
        echoing(items, {"data": {"at": "${__source__[*].line}", "n": "${item[*].n}"}}, batch_size=2)
    )
    assert groups == [{"at": [2, 3], "n": ["1", "2"]}, {"at": [2], "n": ["3"]}]
    collect = {"jsonl": "out.jsonl", "select": {"from": "${__source__.path}", "n": "${item.n}"}}
    batchmill.run(echoing(items, collect=collect, executor="thread"))
    rows = [json.loads(line) for line in Path("out.jsonl").read_text().splitlines()]
    assert rows == [{"from": "a.csv", "n": "1"}, {"from": "a.csv", "n": "2"}, {"from": "b.csv", "n": "3"}]
    entries = batchmill.run(echoing(items, {"data": AT}, item=["n"])).outputs["results"]
    assert (entries[2]["data"], entries[2]["item"]) == ("3@b.csv:2", {"n": "3"})


@pytest.mark.parametrize("executor", EXECUTORS)
def test_a_resumed_run_keeps_rows_unless_what_it_takes_of_their_place_changed(executor: str) -> None:
    two_files()
    code = "assert n != '3' or os.path.exists('good')\nresult = n + at"
    inputs = {"n": "${item.n}", "at": "${__source__.path}"}
    batch = {"items": {"csv": "*.csv"}, **alone(executor)}
    node = {
        "id": "e",
        "type": "code",
        "params": {"code": f"import os\n{code}", "inputs": inputs},
        "batch": batch,
    }
    assert batchmill.run({"nodes": [node]}, journal="runs.sqlite").status == "failed"
    Path("good").touch()
    Path("a.csv").write_text("n\n0\n9\n2\n")  # another line, the same file
    Path("b.csv").write_text("n\n1\n3\n")
    again = batchmill.resume(journal="runs.sqlite")
    assert again.status == "success", again.errors
    assert [one["result"] for one in again.outputs["results"]] == [
        "0a.csv",
        "9a.csv",
        "2a.csv",
        "1b.csv",
        "3b.csv",
    ]
    assert (again.resumed["kept"], again.resumed["redone"]) == (1, 1)


def test_a_pattern_passes_over_what_the_run_writes() -> None:
    two_files()
    collect = {"csv": "out.csv", "select": {"n": "${item.n}"}}
    for _ in range(2):
        assert batchmill.run(echoing({"csv": "*.csv"}, collect=collect)).outputs["count"] == 3
    assert (
        "`a.csv` is also read by `e`"
        in problems(echoing({"csv": ["b.csv", "a.csv"]}, collect={"jsonl": "a.csv"}))[0]
    )


def test_a_list_of_files_may_come_from_a_node() -> None:
    two_files()
    document = echoing({"csv": "${names.files}"}, {"data": AT})
    document["nodes"].insert(0, {"id": "names", "type": "list-files", "params": {"pattern": "*.csv"}})
    assert [one["data"] for one in batchmill.run(document).outputs["results"]][-1] == "3@b.csv:2"


@pytest.mark.parametrize(
    ("document", "words"),
    [
        (echoing({"range": [2]}, {"data": AT}), "items of this batch are not rows of files"),
        (echoing("${x}", {"data": AT}), "items of this batch are not rows of files"),
        (echoing({"csv": "a"}, {"data": "${__source__.lines}"}), "there are `path` and `line`"),
        (echoing({"csv": "a"}, {"data": "${__source__.line}"}, batch_size=2), "__source__[*].path"),
        (echoing({"csv": "${__source__.path}"}), "there is no item yet"),
        (echoing({"csv": []}), "a pattern of file names, or a list of them"),
        (echoing({"csv": ["a", ""]}), "a pattern of file names, or a list of them"),
    ],
)  # fmt: skip
def test_what_validation_says(document: dict[str, Any], words: str) -> None:
    document["inputs"] = {"x": {"default": [1]}}
    assert words in "\n".join(problems(document))


def database(rows: int) -> None:
    with closing(sqlite3.connect("x.db")) as connection:
        connection.execute("CREATE TABLE t (n)")
        connection.executemany("INSERT INTO t VALUES (?)", [(n,) for n in range(rows)])
        connection.commit()


def write_parquet(columns: dict[str, list[int]]) -> None:
    pa = pytest.importorskip("pyarrow", reason="has no build here")
    pytest.importorskip("pyarrow.parquet", reason="has no build here").write_table(
        pa.table(columns), "a.parquet"
    )


SOURCES: dict[str, tuple[dict[str, Any], list[Any]]] = {
    "sqlite": (
        {"sqlite": "x.db", "query": "SELECT n FROM t WHERE n < :most", "parameters": {"most": "${most}"}},
        [{"n": 0}, {"n": 1}],
    ),
    "parquet": ({"parquet": ["*.parquet"], "columns": ["n"]}, [{"n": 0}, {"n": 1}]),
    "product": (
        {"product": {"a": "${ab}", "f": {"lines": "l.txt"}}, "exclude": [{"a": "x", "f": "${line}"}]},
        [{"a": "x", "f": "one"}, {"a": "y", "f": "one"}, {"a": "y", "f": "two"}],
    ),
    "zip": ({"zip": {"a": "${ab}", "b": [1, "${most}"]}}, [{"a": "x", "b": 1}, {"a": "y", "b": 2}]),
    "python": ({"python": "made_here:made", "args": ["${most}"]}, [{"n": 0}, {"n": 1}]),
}


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize("kind", SOURCES)
def test_a_source_on_every_executor_and_resumed(
    kind: str, executor: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, wanted = SOURCES[kind]
    if kind == "sqlite":
        database(5)
    elif kind == "parquet":
        write_parquet({"n": [0, 1], "m": [0, 0]})
    elif kind == "python":
        Path("made_here.py").write_text("def made(count):\n    yield from ({'n': n} for n in range(count))\n")
        monkeypatch.delitem(sys.modules, "made_here", raising=False)
    Path("l.txt").write_text("one\ntwo\n")
    code = (
        "import os\n"
        "with open('ran', 'a') as file: file.write('.')\n"
        f"assert item != {wanted[-1]!r} or os.path.exists('good')\n"
        "result = item"
    )
    node = {
        "id": "e",
        "type": "code",
        "params": {"code": code, "inputs": {"item": "${item}"}},
        "batch": {"items": source, **alone(executor)},
    }
    inputs = {"most": {"default": 2}, "ab": {"default": ["x", "y"]}, "line": {"default": "two"}}
    Path("flow.json").write_text(json.dumps({"inputs": inputs, "nodes": [node]}))
    first = batchmill.run("flow.json", journal="runs.sqlite")
    assert (first.status, first.outputs["success_count"]) == ("failed", len(wanted) - 1), first.errors
    Path("good").touch()
    again = batchmill.resume(journal="runs.sqlite")
    assert again.status == "success", again.errors
    assert [one["result"] for one in again.outputs["results"]] == wanted
    assert [one["item"] for one in again.outputs["results"]] == wanted
    assert Path("ran").read_text() == "." * (len(wanted) + 1), "what was finished is kept"


@pytest.mark.parametrize(
    ("items", "words"),
    [
        ({"sqlite": "x.db"}, "`query` is missing"),
        ({"sqlite": "x.db", "query": "SELECT ${most}"}, "write `:name` and put the value into `parameters`"),
        ({"sqlite": "x.db", "query": "SELECT ?", "parameters": ["${none}"]}, "parameters[0]: `${none}`"),
        ({"product": {"a": {"csv": "x", "delimeter": ";"}}}, "did you mean `delimiter`?"),
        ({"product": {"a": {"stdin": "lines"}}}, "items.product.a: must be a template"),
        ({"product": {}}, "items.product"),
        ({"zip": {"a": [1]}, "exclude": []}, "`exclude` is an option of `product`"),
        ({"product": {"a": [1]}, "exclude": [{"b": 1}]}, "`exclude` names 'b'"),
        ({"zip": {"a": ["${none}"]}}, "`${none}`"),
        ({"python": "x:y", "arg": []}, "did you mean `args`?"),
        ({"product": {"a": {"lines": "out.jsonl"}}}, "is also read by `e` for its items"),
        ({"sqlite": "out.jsonl", "query": "SELECT 1"}, "is also read by `e` for its items"),
    ],
)
def test_what_validation_says_of_other_sources(items: dict[str, Any], words: str) -> None:
    document = echoing(items, collect={"jsonl": "out.jsonl"})
    assert words in "\n".join(problems(document))


@pytest.mark.parametrize(
    ("items", "words"),
    [
        ({"zip": {"a": [1, 2], "b": "${ab}"}}, "not equally long: 'a' has 2 items, 'b' has 3 items"),
        ({"product": {"a": "${source}"}}, "must be a list"),
    ],
)
def test_what_is_wrong_with_values_fails_the_node(items: dict[str, Any], words: str) -> None:
    document = echoing(items)
    document["inputs"] = {"ab": {"default": [1, 2, 3]}, "source": {"default": {"lines": "/etc/passwd"}}}
    run = batchmill.run(document)
    assert run.status == "failed"
    assert words in run.errors[0]["message"]


def test_a_glob_within_a_product_passes_over_what_the_run_writes() -> None:
    Path("a.txt").touch()
    Path("out.txt").touch()
    items = {"product": {"f": {"glob": "*.txt"}, "n": [1, 2]}}
    run = batchmill.run(echoing(items, collect={"jsonl": "out.txt"}))
    assert run.outputs["count"] == 2


def test_groups_of_rows_of_parquet_tell_where_they_were_read() -> None:
    write_parquet({"n": [5, 6, 7]})
    params = {"data": {"n": "${item[*].n}", "at": "${__source__[*].line}"}}
    assert told(echoing({"parquet": "a.parquet"}, params, batch_size=2)) == [
        {"n": [5, 6], "at": [1, 2]},
        {"n": [7], "at": [3]},
    ]
