"""Sub-workflows while a document is checked: found, read once, and all that is wrong told with its place."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from batchmill.errors import InvalidDocument, Problem
from batchmill.graph.compile.check import check
from batchmill.graph.compile.plan import Plan
from batchmill.ir.loading import load
from batchmill.nodes import default_registry

ONE = {
    "inputs": {"n": {"type": "integer"}, "word": {"default": "x", "schema": {"maxLength": 3}}},
    "nodes": [{"id": "say", "type": "echo", "params": {"message": "${n} ${word}"}}],
    "outputs": {"said": {"source": "${say.echo}"}},
}


def sub(name: str, workflow: Any, inputs: Any = None, **rest: Any) -> dict[str, Any]:
    params = {"workflow": workflow, **({} if inputs is None else {"inputs": inputs})}
    return {"id": name, "type": "workflow", "params": params, **rest}


def echo(name: str, message: str) -> dict[str, Any]:
    return {"id": name, "type": "echo", "params": {"message": message}}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "one.json").write_text(json.dumps(ONE))
    return tmp_path


def planned(*nodes: dict[str, Any], **document: Any) -> Plan:
    Path("main.json").write_text(json.dumps({"nodes": list(nodes), **document}, indent=1))
    return check(load("main.json"), default_registry())


def problems(*nodes: dict[str, Any], **document: Any) -> tuple[Problem, ...]:
    with pytest.raises(InvalidDocument) as caught:
        planned(*nodes, **document)
    return caught.value.problems


def problem(*nodes: dict[str, Any], **document: Any) -> Problem:
    (only,) = problems(*nodes, **document)
    return only


def test_a_sound_one_is_compiled_with_the_document(folder: Path) -> None:
    node = planned(sub("flow", "one.json", {"n": 1})).nodes["flow"]
    assert node.sub is not None
    assert (node.sub.source, list(node.sub.plan.nodes)) == ("one.json", ["say"])


def test_a_file_named_twice_is_compiled_once(folder: Path) -> None:
    nodes = planned(sub("a", "one.json", {"n": 1}), sub("b", "./one.json", {"n": 2})).nodes
    assert nodes["a"].sub is nodes["b"].sub


def test_paths_begin_at_the_folder_of_the_document_that_names_them(folder: Path) -> None:
    (folder / "deep").mkdir()
    (folder / "deep" / "two.yaml").write_text(
        "nodes: [{id: x, type: workflow, params: {workflow: ../b.json}}]"
    )
    (folder / "b.json").write_text(json.dumps({"nodes": [echo("b", "hi")]}))
    plan = planned(sub("flow", "deep/two.yaml"))
    assert plan.nodes["flow"].sub is not None
    inner = plan.nodes["flow"].sub.plan.nodes["x"].sub
    assert inner is not None
    assert list(inner.plan.nodes) == ["b"]
    assert plan.import_folders() == [str(folder.resolve()), str((folder / "deep").resolve())]


def test_a_document_may_name_itself_and_one_that_names_it_back(folder: Path) -> None:
    (folder / "back.json").write_text(json.dumps({"nodes": [sub("x", "main.json")]}))
    plan = planned(sub("again", "main.json"), sub("other", "back.json"))
    assert plan.nodes["again"].sub is not None
    assert plan.nodes["again"].sub.plan is plan
    assert plan.nodes["other"].sub is not None
    assert plan.nodes["other"].sub.plan.nodes["x"].sub is plan.nodes["again"].sub


def test_a_file_that_is_not_there_is_told_with_the_near_one(folder: Path) -> None:
    found = problem(sub("flow", "on.json", {"n": 1}))
    assert (found.path, found.source) == ("$.nodes[0].params.workflow", "")
    assert (found.message, found.hint) == ("there is no file on.json", "did you mean `one.json`?")
    assert "paths begin at the folder" in problem(sub("flow", "no/where.json")).hint
    assert problem(sub("flow", ".")).message.startswith("there is a folder, not a file")


@pytest.mark.parametrize(
    "written", ["a\0b", "~nobody-of-that-name/x.json", "x" * 5000, "loop", "", "pipe", "~", "/dev/null"]
)
def test_odd_paths_are_faults_of_the_document(folder: Path, written: str) -> None:
    (folder / "loop").symlink_to("loop")
    os.mkfifo(folder / "pipe")
    found = problems(sub("flow", written))
    assert [one.path for one in found] == ["$.nodes[0].params.workflow"]


@pytest.mark.parametrize(
    "written", [{}, {"nodes": 5}, {"nodes": []}, {"nodes": [{}]}, {"nodes": [7], "x": 1}]
)
def test_odd_inline_documents_are_faults_at_their_place(folder: Path, written: Any) -> None:
    found = problems(sub("flow", written))
    assert all(one.path.startswith("$.nodes[0].params.workflow") for one in found)


@pytest.mark.parametrize("written", [None, 7, ["a.json"], "${x}.json"])
def test_what_is_no_document_at_all(folder: Path, written: Any) -> None:
    assert problem(sub("flow", written)).path == "$.nodes[0].params.workflow"


def test_problems_of_a_file_have_their_place_in_it(folder: Path) -> None:
    bad = '{"nodes": [\n {"id": "a", "type": "ehco"},\n {"id": "b", "type": "echo", "typ": 1}]}'
    (folder / "bad.json").write_text(bad)
    own, first, second = problems(sub("flow", "bad.json"), sub("again", "bad.json"), echo("c", "${nope}"))
    assert (own.source, own.path) == ("", "$.nodes[2].params.message")
    assert (first.source, first.path, first.line, first.column) == ("bad.json", "$.nodes[0].type", 2, 22)
    assert (second.source, second.path, second.line) == ("bad.json", "$.nodes[1].typ", 3)
    assert str(first).startswith("bad.json: $.nodes[0].type (line 2, column 22): there is no node type")


def test_a_file_that_cannot_be_read_as_a_document(folder: Path) -> None:
    (folder / "torn.json").write_text('{"nodes": [')
    found = problem(sub("a", "torn.json"), sub("b", "torn.json"))
    assert (found.source, found.line) == ("torn.json", 1)
    assert "is not JSON" in found.message


def test_problems_of_an_inline_document_have_their_place_in_the_document(folder: Path) -> None:
    found = problem(sub("flow", {"nodes": [{"id": "a", "type": "ehco"}]}))
    assert (found.path, found.source) == ("$.nodes[0].params.workflow.nodes[0].type", "")
    assert found.line > 1
    inner = {"nodes": [sub("inner", {"nodes": [echo("a", "${b.echo}")]})]}
    found = problem(sub("flow", inner))
    path = "$.nodes[0].params.workflow.nodes[0].params.workflow.nodes[0].params.message"
    assert found.path == path


@pytest.mark.parametrize(
    ("inputs", "path", "words"),
    [
        (None, "$.nodes[1].params", "the input `n` is missing"),
        ({}, "$.nodes[1].params.inputs", "give it as `inputs.n`"),
        ({"n": "x"}, "$.nodes[1].params.inputs.n", "must be a whole number"),
        ({"n": 1, "word": "long"}, "$.nodes[1].params.inputs.word", "does not meet its schema"),
        ({"n": 1, "wrod": "a"}, "$.nodes[1].params.inputs.wrod", "did you mean `word`?"),
        ({"n": 1, "wrod": "${e.echo}"}, "$.nodes[1].params.inputs.wrod", "did you mean `word`?"),
    ],
)
def test_literal_inputs_are_checked(folder: Path, inputs: Any, path: str, words: str) -> None:
    found = problem(echo("e", "x"), sub("flow", "one.json", inputs))
    assert found.path == path
    assert words in f"{found.message}; {found.hint}"


def test_inputs_from_templates_are_left_to_the_run(folder: Path) -> None:
    assert planned(echo("e", "x"), sub("flow", "one.json", {"n": "${e.echo}"}))
    assert planned(echo("e", "x"), sub("flow", "one.json", "${e.metadata}"))


def test_a_carried_name_is_an_input(folder: Path) -> None:
    loop = {"until": "${flow.said}", "carry": {"m": 2}}
    found = problem(sub("flow", "one.json", {"n": 1}, loop=loop))
    assert found.path == "$.nodes[0].loop.carry.m"
    assert "is not an input of the sub-workflow" in found.message


def test_references_are_held_against_its_declared_outputs(folder: Path) -> None:
    nodes = [sub("flow", "one.json", {"n": 1}), echo("good", "${flow.said} ${flow.error ?? 1}")]
    assert planned(*nodes)
    found = problem(*nodes, echo("bad", "${flow.sad}"))
    assert found.hint == "did you mean `said`?"


def test_of_a_batch_the_hint_leads_to_the_items(folder: Path) -> None:
    found = problem(sub("flow", "one.json", {"n": 1}, batch={"items": [1]}), echo("bad", "${flow.said}"))
    assert found.hint == "that of each item is in `${flow.results[*].said}`"


def test_without_declared_outputs_any_may_be_there(folder: Path) -> None:
    assert planned(sub("flow", {"nodes": [echo("a", "x")]}), echo("b", "${flow.echo} ${flow.whatever}"))


def test_of_a_document_that_names_itself_the_outputs_are_known(folder: Path) -> None:
    outputs = {"said": {"source": "${b.echo}"}}
    found = problem(sub("a", "main.json"), echo("b", "${a.sad}"), outputs=outputs)
    assert found.hint == "did you mean `said`?"
