"""No run destroys a file that it reads, that it has written elsewhere, or that it needs itself."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import batchmill
from batchmill.errors import InvalidDocument
from batchmill.events import Noticed

ROWS = '{"a": 1}\n{"a": 2}\n{"a": 3}\n'


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("in.jsonl").write_text(ROWS)
    os.link("in.jsonl", "hard.jsonl")
    Path("soft.jsonl").symlink_to("in.jsonl")
    return tmp_path


def batch(name: str, items: Any, **collect: str) -> dict[str, Any]:
    more = {"collect": collect} if collect else {}
    return {"id": name, "type": "echo", "params": {"message": "${item}"}, "batch": {"items": items, **more}}


def inside(document: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"id": "w", "type": "workflow", "params": {"workflow": document}, **more}


def write(name: str, path: str, **more: Any) -> dict[str, Any]:
    return {"id": name, "type": "write-file", "params": {"file_path": path, "content": "x"}, **more}


IN = {"jsonl": "in.jsonl"}
N = {"range": [3]}
REFUSED: dict[str, tuple[list[dict[str, Any]], str, str]] = {
    "its own source": (
        [batch("a", IN, jsonl="in.jsonl")],
        "[0].batch.collect.jsonl",
        "read by `a` for its items",
    ),
    "by another way": (
        [batch("a", IN, jsonl="./x/../in.jsonl")],
        "[0].batch.collect.jsonl",
        "read by `a`",
    ),
    "a hard link": ([batch("a", IN, jsonl="hard.jsonl")], "[0].batch.collect.jsonl", "read by `a`"),
    "a symbolic link": ([batch("a", IN, jsonl="soft.jsonl")], "[0].batch.collect.jsonl", "read by `a`"),
    "errors into the source": (
        [batch("a", IN, jsonl="out", errors="in.jsonl")],
        "[0].batch.collect.errors",
        "read by `a`",
    ),
    "errors and results": (
        [batch("a", IN, jsonl="out", errors="out")],
        "[0].batch.collect.errors",
        "where `a` writes its results",
    ),
    "two nodes": (
        [batch("a", N, jsonl="out"), batch("b", N, jsonl="out")],
        "[1].batch.collect.jsonl",
        "where `a` writes its results",
    ),
    "an earlier source": (
        [batch("a", IN), batch("b", N, jsonl="in.jsonl")],
        "[1].batch.collect.jsonl",
        "read by `a`",
    ),
    "a file read before": (
        [
            {"id": "a", "type": "read-file", "params": {"file_path": "in.jsonl"}},
            batch("b", N, jsonl="in.jsonl"),
        ],
        "[1].batch.collect.jsonl",
        "read by `a`",
    ),
    "a node that writes": (
        [write("a", "out"), batch("b", N, jsonl="out")],
        "[1].batch.collect.jsonl",
        "written by `a`",
    ),
    "a node that writes later": (
        [batch("a", N, jsonl="out"), write("b", "out")],
        "[0].batch.collect.jsonl",
        "written by `b`",
    ),
    "a source that feeds itself": (
        [write("a", "in.jsonl", batch={"items": {"lines": "in.jsonl"}})],
        "[0].params.file_path",
        "read by `a` for its items",
    ),
    "a copy onto the source": (
        [
            {
                "id": "a",
                "type": "copy-file",
                "params": {"source_path": "other", "dest_path": "in.jsonl"},
                "batch": {"items": IN},
            }
        ],
        "[0].params.dest_path",
        "read by `a` for its items",
    ),
    "a sub-workflow": (
        [batch("a", N, jsonl="out"), inside({"nodes": [batch("b", N, jsonl="out")]})],
        "[1].params.workflow",
        "where `a` writes its results",
    ),
    "items of a sub-workflow": (
        [inside({"nodes": [batch("b", N, jsonl="out")]}, batch={"items": [1, 2]})],
        "[0].params.workflow",
        "where `w.b` writes, every item of `w` anew",
    ),
    "rounds of a sub-workflow": (
        [
            inside(
                {"nodes": [batch("b", N, jsonl="out")], "outputs": {"n": {"source": "${b.count}"}}},
                loop={"until": "${w.n}", "max_iterations": 2},
            )
        ],
        "[0].params.workflow",
        "every round of `w` anew",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_known_before_is_refused_before(name: str, folder: Path) -> None:
    nodes, path, words = REFUSED[name]
    before = sorted(os.listdir())
    with pytest.raises(InvalidDocument) as caught:
        batchmill.run({"nodes": nodes})
    assert [problem.path for problem in caught.value.problems] == [f"$.nodes{path}"]
    assert words in caught.value.problems[0].message
    assert (sorted(os.listdir()), Path("in.jsonl").read_text()) == (before, ROWS)


def test_a_cycle_that_writes_one_file_again_and_again() -> None:
    nodes = [batch("a", N, jsonl="out"), {"id": "b", "type": "code", "params": {"code": "next = 'again'"}}]
    edges = [{"from": "a", "to": "b"}, {"from": "b", "to": "a", "action": "again"}]
    with pytest.raises(InvalidDocument, match="`out` is where `a` writes, every round of `a` anew"):
        batchmill.run({"nodes": nodes, "edges": edges})


@pytest.mark.parametrize(
    "nodes",
    [
        [batch("a", N, jsonl="out"), batch("b", {"jsonl": "out"})],
        [batch("a", IN), write("b", "in.jsonl")],
        [write("a", "x"), write("b", "x")],
        [write("a", "x", batch={"items": [1, 2]}), {**write("b", "x"), "type": "write-file"}],
        [batch("a", N, jsonl=os.devnull), batch("b", N, jsonl=os.devnull)],
        [batch("a", IN, jsonl="out.jsonl"), batch("b", IN, jsonl="other.jsonl", errors="errors.jsonl")],
    ],
)
def test_what_destroys_nothing_runs(nodes: list[dict[str, Any]]) -> None:
    assert batchmill.run({"nodes": nodes}).status == "success"


def test_paths_made_of_inputs_are_compared_before_the_run() -> None:
    document = {
        "inputs": {"from": {}, "to": {"default": "out"}},
        "nodes": [batch("a", {"jsonl": "${from}"}, jsonl="${to}")],
    }
    with pytest.raises(InvalidDocument, match=r"`hard.jsonl` is also read by `a`"):
        batchmill.run(document, {"from": "in.jsonl", "to": "hard.jsonl"})
    assert batchmill.run(document, {"from": "in.jsonl"}).status == "success"
    assert batchmill.run(document, {"from": "out", "to": "out2"}).status == "success"


def says(name: str, text: str) -> dict[str, Any]:
    return {"id": name, "type": "echo", "params": {"message": text}}


def test_paths_that_nodes_find_out_are_compared_when_they_are_known() -> None:
    nodes = [says("p", "hard.jsonl"), batch("a", IN, jsonl="${p.echo}")]
    run = batchmill.run({"nodes": nodes})
    assert (run.status, run.errors[0]["type"]) == ("failed", "FileInUse")
    assert "hard.jsonl cannot be written by `a`: it is also read by `a`" in run.errors[0]["message"]
    nodes = [says("p", "out"), batch("a", N, jsonl="out"), batch("b", N, jsonl="${p.echo}")]
    run = batchmill.run({"nodes": nodes})
    assert "`a` has written its results there" in run.errors[0]["message"]
    assert len(Path("out").read_text().splitlines()) == 3
    assert Path("in.jsonl").read_text() == ROWS


@pytest.mark.parametrize("executor", ["sequential", "thread", "process"])
@pytest.mark.first_quick
def test_a_node_that_feeds_its_own_source_is_refused_on_every_executor(executor: str) -> None:
    node = write("a", "${item}", batch={"items": {"lines": "names"}, "executor": executor})
    node["params"]["append"] = True
    Path("names").write_text("one\nnames\n")
    run = batchmill.run({"nodes": [node]})
    assert "names cannot be written by `a`: it is also read by `a`" in run.errors[0]["message"]
    assert Path("names").read_text() == "one\nnames\n"


@pytest.mark.parametrize("executor", ["sequential", "thread", "process"])
def test_items_of_a_sub_workflow_do_not_write_over_each_other(executor: str) -> None:
    inner = {
        "inputs": {"k": {}},
        "nodes": [batch("b", N, jsonl="out-${k}.jsonl")],
        "outputs": {"p": {"source": "${b.results_path}"}},
    }
    node = inside(
        inner,
        batch={
            "items": ["x", "y", "x"],
            "executor": executor,
            "error_handling": "continue",
            "max_concurrent": 2,
        },
    )
    node["params"]["inputs"] = {"k": "${item}"}
    run = batchmill.run({"nodes": [node]})
    assert (run.status, run.outputs["success_count"]) == ("degraded", 2)
    assert "out-x.jsonl cannot be written by `w[" in run.errors[0]["message"]
    assert [len(Path(f"out-{k}.jsonl").read_text().splitlines()) for k in "xy"] == [3, 3]
    assert not list(Path().glob("*.partial"))


@pytest.mark.parametrize("executor", ["thread", "process"])
def test_another_attempt_writes_its_file_again(executor: str) -> None:
    code = (
        "import os, pathlib\nflag = pathlib.Path('tried')\ntried = flag.exists()\nflag.touch()\nassert tried"
    )
    inner = {
        "inputs": {"k": {}},
        "nodes": [
            batch("b", N, jsonl="out-${k}.jsonl"),
            batch("c", {"jsonl": "${b.results_path}"}),
            {"id": "d", "type": "code", "params": {"code": code}},
        ],
    }
    node = inside(inner, batch={"items": ["x"], "executor": executor, "max_retries": 2})
    node["params"]["inputs"] = {"k": "${item}"}
    assert batchmill.run({"nodes": [node]}).status == "success"
    assert len(Path("out-x.jsonl").read_text().splitlines()) == 3


def test_a_round_that_would_write_over_the_one_before_fails() -> None:
    nodes = [
        says("p", "out"),
        batch("a", N, jsonl="${p.echo}"),
        {"id": "b", "type": "code", "params": {"code": "next = 'again'"}},
    ]
    edges = [
        {"from": "p", "to": "a"},
        {"from": "a", "to": "b"},
        {"from": "b", "to": "a", "action": "again"},
    ]
    run = batchmill.run({"nodes": nodes, "edges": edges})
    assert "an earlier round of it has written it" in run.errors[0]["message"]
    assert len(Path("out").read_text().splitlines()) == 3


def test_a_glob_never_finds_what_its_run_writes(batchmill_command: Any) -> None:
    for name in ("hard.jsonl", "soft.jsonl"):
        os.unlink(name)
    Path("two.jsonl").touch()
    nodes = [
        batch("a", {"glob": "*.jsonl"}, jsonl="out.jsonl", errors="no.jsonl"),
        batch("b", {"glob": "out.*"}),
        batch("c", N, jsonl="later.jsonl"),
        batch("d", {"glob": "*"}),
    ]
    outputs = {name: {"source": f"${{{name}.count}}"} for name in "abd"}
    for _ in range(2):
        assert batchmill.run({"nodes": nodes, "outputs": outputs}).outputs == {"a": 2, "b": 1, "d": 5}
    Path("flow.json").write_text(json.dumps({"nodes": nodes}))
    code, out, _ = batchmill_command("plan", "flow.json", "--json")
    assert (code, json.loads(out)["nodes"][0]["batch"]["items"]["first"]) == (0, ["in.jsonl", "two.jsonl"])


def test_the_journal_and_the_document_are_not_written(batchmill_command: Any) -> None:
    nodes = [batch("a", N, jsonl="j.sqlite")]
    with pytest.raises(InvalidDocument, match=r"`j.sqlite` is also the journal of the run"):
        batchmill.run({"nodes": nodes}, journal="j.sqlite")
    Path("flow.json").write_text(json.dumps({"nodes": [write("a", "flow.json")]}))
    with pytest.raises(InvalidDocument, match=r"`flow.json` is also the document itself"):
        batchmill.run("flow.json")
    Path("inner.json").write_text(json.dumps({"nodes": [says("e", "x")]}))
    Path("outer.json").write_text(json.dumps({"nodes": [write("a", "inner.json"), inside("inner.json")]}))  # type: ignore[arg-type]
    with pytest.raises(InvalidDocument, match=r"`inner.json` is also a document of the run"):
        batchmill.run("outer.json")
    Path("p.json").write_text('{"to": "p.json"}')
    Path("to.json").write_text(json.dumps({"inputs": {"to": {}}, "nodes": [write("a", "${to}")]}))
    code, _, said = batchmill_command("run", "to.json", "--params", "p.json", "--no-journal")
    assert (code, "`p.json` is also the file of params" in said) == (2, True)
    nodes = [says("p", "j.sqlite"), write("w", "${p.echo}")]
    run = batchmill.run({"nodes": nodes}, journal="j.sqlite")
    assert "it is the journal of the run" in run.errors[0]["message"]
    assert batchmill.run({"nodes": [batch("a", {"glob": "j.*"})]}, journal="j.sqlite").outputs["count"] == 0


@pytest.mark.parametrize("source", [{"items": {"stdin": "jsonl"}}, {"items": {"lines": "/dev/stdin"}}])
@pytest.mark.first_quick
def test_what_standard_input_comes_from_is_not_written(source: dict[str, Any]) -> None:
    node = {**batch("a", N), "batch": {**source, "collect": {"jsonl": "in.jsonl"}}}
    Path("flow.json").write_text(json.dumps({"nodes": [node]}))
    command = [sys.executable, "-m", "batchmill", "run", "flow.json", "--no-journal"]
    with open("hard.jsonl") as rows:
        done = subprocess.run(command, stdin=rows, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    words = "read by `a` for its items" if "lines" in source["items"] else "where standard input comes from"
    assert f"`in.jsonl` is also {words}" in done.stderr
    assert Path("in.jsonl").read_text() == ROWS


@pytest.mark.slow
def test_where_standard_output_goes_is_not_written() -> None:
    Path("flow.json").write_text(json.dumps({"nodes": [write("a", "out.json")]}))
    command = [sys.executable, "-m", "batchmill", "run", "flow.json", "--no-journal"]
    with open("out.json", "w") as out:
        done = subprocess.run(command, stdout=out, stderr=subprocess.PIPE, text=True, timeout=60)
    assert (done.returncode, "also where standard output goes" in done.stderr) == (2, True)


@pytest.mark.parametrize("executor", ["thread", "process"])
@pytest.mark.first_quick
def test_a_node_inside_does_not_write_the_source_around_it(executor: str) -> None:
    inner = {"inputs": {"to": {}}, "nodes": [write("a", "${to}")]}
    node = inside(inner, batch={"items": {"lines": "names"}, "executor": executor})
    node["params"]["inputs"] = {"to": "${item}"}
    Path("names").write_text("one\nnames\n")
    run = batchmill.run({"nodes": [node]})
    assert "names cannot be written by `w[1].a`: it is also read by `w`" in run.errors[0]["message"]
    assert Path("names").read_text() == "one\nnames\n"


def test_the_command_map_says_it_without_a_document(batchmill_command: Any) -> None:
    for collect in ("in.jsonl", "hard.jsonl"):
        code, _, said = batchmill_command(
            "map", "--items", "@in.jsonl", "--collect", collect, "--no-journal", "--", "echo"
        )
        assert (code, Path("in.jsonl").read_text()) == (2, ROWS)
        assert f"error: {collect} cannot be the file of --collect: it is also @in.jsonl" in said


def fails_at(n: int, **more: Any) -> dict[str, Any]:
    code = f"assert n != {n}\nresult = n"
    node = {"id": "a", "type": "code", "params": {"code": code, "inputs": {"n": "${item}"}}}
    return {"nodes": [{**node, "batch": {"items": {"range": [6]}, "collect": {"jsonl": "out"}, **more}}]}


def numbers(path: str) -> list[int]:
    return [json.loads(line)["item"] for line in Path(path).read_text().splitlines()]


def test_a_failed_batch_leaves_what_was_there_and_what_it_did_beside(tmp_path: Path) -> None:
    Path("out").write_text("old\n")
    heard: list[Any] = []
    run = batchmill.run(fails_at(3), journal="j.sqlite", listeners=[heard.append])
    assert run.status == "failed"
    assert run.outputs["results_path"] == "out.partial"
    noticed = [event.message for event in heard if isinstance(event, Noticed)]
    assert noticed == ["its results so far are in out.partial"]
    assert (Path("out").read_text(), numbers("out.partial")) == ("old\n", [0, 1, 2])
    run = batchmill.run(fails_at(3, error_handling="continue", tolerate={"count": 0}))
    assert (run.status, Path("out").read_text()) == ("failed", "old\n")
    run = batchmill.run(fails_at(3, error_handling="continue"))
    assert (run.status, run.outputs["results_path"], numbers("out")) == ("degraded", "out", [0, 1, 2, 4, 5])
    assert not Path("out.partial").exists()


def test_a_resumed_batch_writes_all_of_it(tmp_path: Path) -> None:
    document = fails_at(3)
    Path("flow.json").write_text(json.dumps(document))
    run = batchmill.run("flow.json", journal="j.sqlite")
    assert numbers("out.partial") == [0, 1, 2]
    document["nodes"][0]["params"]["code"] = "import os\nassert n != 3 or os.path.exists('ok')\nresult = n"
    Path("flow.json").write_text(json.dumps(document))
    run = batchmill.run("flow.json", journal="j.sqlite")
    Path("ok").touch()
    again = batchmill.resume(run.run, journal="j.sqlite")
    assert again.resumed is not None
    assert (again.status, again.resumed["kept"]) == ("success", 3)
    assert numbers("out") == [0, 1, 2, 3, 4, 5]
    assert not Path("out.partial").exists()


def test_failed_rows_do_not_go_on_as_good_ones() -> None:
    code = {"code": "result = 1 / x['v']", "inputs": {"x": "${item}"}}
    items = [{"id": "p", "v": 1}, {"id": "q", "v": 0}]
    nodes = [
        {
            "id": "a",
            "type": "code",
            "params": code,
            "batch": {
                "items": items,
                "error_handling": "continue",
                "collect": {"jsonl": "good", "errors": "bad"},
            },
        },
        {**batch("b", {"jsonl": "${a.results_path}"}), "params": {"message": "billed ${item.item.id}"}},
        {**batch("c", {"jsonl": "${a.errors_path}"}), "params": {"message": "${item.item.id} ${item.type}"}},
    ]
    outputs = {"b": {"source": "${b.results[*].echo}"}, "c": {"source": "${c.results[*].echo}"}}
    assert batchmill.run({"nodes": nodes, "outputs": outputs}).outputs == {
        "b": ["billed p"],
        "c": ["q ZeroDivisionError"],
    }


@pytest.mark.parametrize("executor", ["sequential", "thread", "process"])
def test_a_result_without_a_form_is_that_item_s_error(executor: str) -> None:
    code = (
        "v = 1\nfor _ in range(n): v = [v]\nresult = {1: 10 ** 5000, 2: v, 3: {1, 2}, 4: {'a': object()}}[k]"
    )
    items = [[1, 0], [2, 500], [3, 0], [4, 0]]
    node = {
        "id": "a",
        "type": "code",
        "params": {"code": code, "inputs": {"k": "${item[0]}", "n": "${item[1]}"}},
        "batch": {
            "items": items,
            "executor": executor,
            "error_handling": "continue",
            "collect": {"jsonl": "out", "errors": "no"},
        },
    }
    run = batchmill.run({"nodes": [node]}, journal="j.sqlite")
    assert run.status == "degraded"
    lines = [json.loads(line) for line in Path("no").read_text().splitlines()]
    assert [(one["index"], one["type"]) for one in lines] == [
        (0, "NotPlain"),
        (1, "NotPlain"),
        (3, "NotPlain"),
    ]
    assert "`result` is an integer of more than 4,300 digits" in lines[0]["message"]
    assert "`result`.a is an object, which has no form in JSON" in lines[2]["message"]
    assert [json.loads(line)["result"] for line in Path("out").read_text().splitlines()] == [[1, 2]]


def test_packed_results_are_read_back() -> None:
    nodes = [batch("a", N, jsonl="out.jsonl.gz"), batch("b", {"jsonl": "${a.results_path}"})]
    assert batchmill.run({"nodes": nodes}).outputs["count"] == 3
    assert Path("out.jsonl.gz").read_bytes()[:2] == b"\x1f\x8b"
