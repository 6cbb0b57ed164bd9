"""``files`` of a node: their content belongs to the result, for ``resume`` and for ``cache``."""

import json

import pytest

import batchmill
from batchmill.errors import InvalidDocument
from batchmill.graph.compile.check import check
from batchmill.ir.loading import load
from batchmill.nodes.registry import default_registry
from batchmill.runs.rehearse import rehearse
from batchmill.runs.run import run

READS = (
    "import pathlib\nwith open('log', 'a') as log: print(name, file=log)\n"
    "result = pathlib.Path(name).read_text()"
)


def reading(name, path, files, **more):
    return {
        "id": name,
        "type": "code",
        "params": {"code": READS, "inputs": {"name": path}},
        "files": files,
        **more,
    }


@pytest.fixture
def log(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("a", "b", "c"):
        (tmp_path / name).write_text(name)
    return lambda: (tmp_path / "log").read_text().split()


def begun(document):
    """A run that failed in its last node, so that it can be resumed."""
    fails = {"id": "fails", "type": "code", "params": {"code": "raise OSError('no')"}}
    with open("d.json", "w") as file:
        json.dump({**document, "nodes": [*document["nodes"], fails]}, file)
    return run("d.json", journal="j.sqlite").run


def again(name):
    result = batchmill.resume(name, journal="j.sqlite")
    return {key: result.resumed[key] for key in ("kept", "changed") if result.resumed[key]}


@pytest.mark.parametrize("path", ["a", "${path}", "./a", "folder"])
def test_a_node_is_run_again_once_a_file_has_changed(log, tmp_path, path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "x").write_text("1")
    name = begun({"inputs": {"path": {"default": "a"}}, "nodes": [reading("one", "${path}", [path])]})
    assert again(name) == {"kept": 1}
    (tmp_path / "a").write_text("new")
    (tmp_path / "folder" / "x").write_text("2")
    result = batchmill.resume(name, journal="j.sqlite")
    assert (result.resumed["changed"], result.changed_by["one"]) == (
        1,
        [f"the file {'a' if path == '${path}' else path}"],
    )
    assert log() == ["a", "a"]


@pytest.mark.parametrize("executor", ["sequential", "thread", "process"])
def test_of_a_batch_only_the_items_whose_file_has_changed(log, tmp_path, executor):
    batch = {"items": ["a", "b", "c"], "executor": executor}
    name = begun({"nodes": [reading("each", "${item}", ["${item}"], batch=batch)]})
    assert sorted(log()) == ["a", "b", "c"]
    (tmp_path / "b").write_text("new")
    assert again(name)["kept"] == 2
    assert sorted(log()) == ["a", "b", "b", "c"]


def test_a_file_of_all_items(log, tmp_path):
    batch = {"items": ["a", "b"]}
    name = begun({"nodes": [reading("each", "${item}", ["c"], batch=batch)]})
    (tmp_path / "c").write_text("new")
    again(name)
    assert log() == ["a", "b", "a", "b"]


def test_a_list_of_paths_and_files_that_come_and_go(log, tmp_path):
    name = begun(
        {"inputs": {"paths": {"default": ["b", "later"]}}, "nodes": [reading("one", "a", ["${paths}"])]}
    )
    assert again(name) == {"kept": 1}
    (tmp_path / "later").write_text("x")
    assert again(name) == {"changed": 1}
    (tmp_path / "later").unlink()
    assert again(name) == {"kept": 1}, "the outcome that was known of the same content"


def test_cache_knows_them(log, tmp_path):
    document = {"nodes": [reading("one", "a", ["b"], cache=True)]}
    for _ in range(2):
        assert run(document, journal="j.sqlite").status == "success"
    assert log() == ["a"]
    (tmp_path / "b").write_text("new")
    run(document, journal="j.sqlite")
    assert log() == ["a", "a"]


@pytest.mark.parametrize(
    ("node", "path", "words"),
    [
        (reading("one", "a", "a"), "$.nodes[0].files", "must be a list"),
        (reading("one", "a", [""]), "$.nodes[0].files[0]", "text that is not empty"),
        (reading("one", "a", ["${nothing}"]), "$.nodes[0].files[0]", "neither a node nor an input"),
        (reading("one", "a", ["${item}"]), "$.nodes[0].files[0]", "neither a node nor an input"),
        ({"id": "one", "type": "workflow", "params": {"workflow": {"nodes": [{"id": "x", "type": "echo"}]}},
          "files": ["a"]}, "$.nodes[0].files", "has no effect here"),
        (reading("one", "a", ["rows"], batch={"items": [1], "collect": {"jsonl": "rows"}}),
         "$.nodes[0].batch.collect.jsonl", "is also"),
    ],
)  # fmt: skip
def test_what_a_document_cannot_say(node, path, words):
    with pytest.raises(InvalidDocument) as caught:
        check(load({"nodes": [node]}), default_registry())
    assert [problem.path for problem in caught.value.problems] == [path]
    assert words in caught.value.problems[0].message


def writing(name, **more):
    return {"id": name, "type": "write-file", "params": {"file_path": name, "content": "x"}, **more}


def test_a_node_is_run_again_where_the_file_is_gone_that_it_wrote(log, tmp_path):
    copies = {"id": "copies", "type": "copy-file", "params": {"source_path": "a", "dest_path": "copy"}}
    batch = {"items": ["p", "q"]}
    each = {
        "id": "each",
        "type": "write-file",
        "params": {"file_path": "${item}", "content": ""},
        "batch": batch,
    }
    name = begun({"nodes": [writing("one"), copies, each]})
    assert again(name) == {"kept": 4}
    for path in ("one", "copy", "q"):
        (tmp_path / path).unlink()
    told = rehearse(name, journal="j.sqlite")
    assert {one.node: one.changed for one in told.nodes if one.changed} == {
        node: [f"the file {gone} that it wrote, which is gone"]
        for node, gone in {"one": "one", "copies": "copy", "each": "q"}.items()
    }
    result = batchmill.resume(name, journal="j.sqlite")
    assert (result.resumed["kept"], result.resumed["redone"]) == (1, 4)
    assert (tmp_path / "q").exists()
    assert (tmp_path / "copy").read_text() == "a"


@pytest.mark.parametrize(
    "after",
    [
        {"id": "after", "type": "move-file", "params": {"source_path": "one", "dest_path": "two"}},
        {"id": "after", "type": "delete-file", "params": {"file_path": "one"}},
    ],
)
def test_a_file_that_the_document_itself_takes_away_is_not_missed(log, after):
    name = begun({"nodes": [writing("one"), after]})
    assert again(name) == {"kept": 2}


def test_a_file_that_is_added_to_is_not_missed(log, tmp_path):
    node = writing("one")
    node["params"]["append"] = True
    name = begun({"nodes": [node]})
    (tmp_path / "one").unlink()
    assert again(name) == {"kept": 1}


def test_what_another_run_wrote_is_taken_from_it_only_where_it_is_there(log, tmp_path):
    document = {"nodes": [writing("one", cache=True)]}
    begun(document)
    (tmp_path / "one").unlink()
    begun(document)
    assert (tmp_path / "one").exists()
