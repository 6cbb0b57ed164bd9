"""Faults of structure, in plain words and at the right path."""

from __future__ import annotations

import copy

import pytest

from batchmill.ir.models import read_workflow

GOOD = {
    "ir_version": "0.1.0",
    "nodes": [
        {
            "id": "a",
            "type": "shell",
            "purpose": "try",
            "params": {"command": "true"},
            "batch": {"items": [1], "tolerate": {"count": 1}, "rate_limit": {"burst": 1}},
            "retry": {"max": 2},
            "loop": {"until": "${a.x}"},
        }
    ],
    "edges": [{"from": "a", "to": "a", "action": "again"}],
    "inputs": {"n": {"type": "integer"}},
    "outputs": {"o": {"source": "${a.x}"}},
}


def changed(path, value):
    document = copy.deepcopy(GOOD)
    place = document
    for step in path[:-1]:
        place = place[step] if isinstance(place, list) else place.setdefault(step, {})
    place[path[-1]] = value
    return document


def only_fault(document):
    workflow, faults = read_workflow(document)
    assert workflow is None
    (fault,) = faults
    return fault


def test_a_sound_document_gives_a_workflow():
    workflow, faults = read_workflow(GOOD)
    assert faults == []
    assert workflow.nodes[0].batch.items == [1]


@pytest.mark.parametrize(
    ("path", "near"),
    [
        (("node",), "nodes"),
        (("start",), "start_node"),
        (("nodes", 0, "parms"), "params"),
        (("nodes", 0, "batch", "exector"), "executor"),
        (("nodes", 0, "batch", "workers"), "max_concurrent"),
        (("nodes", 0, "batch", "max_concurent"), "max_concurrent"),
        (("nodes", 0, "batch", "tolerate", "percentage"), "percent"),
        (("nodes", 0, "batch", "rate_limit", "per_sec"), "per_second"),
        (("nodes", 0, "retry", "maximum"), "max"),
        (("nodes", 0, "loop", "untill"), "until"),
        (("nodes", 0, "cahce"), "cache"),
        (("edges", 0, "target"), "to"),
        (("edges", 0, "actoin"), "action"),
        (("inputs", "n", "defualt"), "default"),
        (("outputs", "o", "sorce"), "source"),
        (("nodes", 0, "batch_size"), "stands in `batch`"),
        (("nodes", 0, "limit"), "stands in `batch`"),
        (("nodes", 0, "rate_limit", "max"), "known keys are `per_second`"),
        (("nodes", 0, "budget", "max"), "known keys are `requests`"),
        (("budget", "max"), "known keys are `requests`"),
        (("cluster", "adress"), "did you mean `address`?"),
        (("defaults", "rate_limit", "max"), "known keys are `per_second`"),
        (("defaults", "shell", "budget", "max"), "known keys are `requests`"),
        (("defaults", "batch", "items"), "in the `batch` of each node"),
        (("defaults", "shell", "batch", "items"), "in the `batch` of each node"),
    ],
)
def test_an_unknown_key_is_refused_with_the_near_one(path, near):
    fault = only_fault(changed(path, 1))
    assert fault.path == path
    assert fault.on_key
    assert f'unknown key "{path[-1]}"' in fault.message
    assert near in fault.hint


@pytest.mark.parametrize(
    ("path", "value", "near"),
    [
        (("nodes", 0, "batch", "executor"), "proces", "process"),
        (("nodes", 0, "batch", "executor"), "threads", "thread"),
        (("nodes", 0, "batch", "error_handling"), "fail-fast", "fail_fast"),
        (("nodes", 0, "batch", "items"), {"stdin": "line"}, "lines"),
        (("inputs", "n", "type"), "strng", "string"),
        (("template_resolution_mode",), "stric", "strict"),
    ],
)
def test_an_unknown_word_is_refused_with_the_near_one(path, value, near):
    fault = only_fault(changed(path, value))
    assert fault.path[: len(path)] == path
    assert fault.hint == f"did you mean `{near}`?"
    assert f"`{near}`" in fault.message


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        (("nodes",), {}, "must be a list, not an object"),
        (("nodes",), [], "at least one node"),
        (("nodes", 0), "a", "must be an object, not text"),
        (("nodes", 0, "params"), [], "must be an object, not a list"),
        (("nodes", 0, "batch"), True, "must be an object, not true"),
        (("nodes", 0, "batch", "parallel"), "yes", "must be true or false, not text"),
        (("nodes", 0, "batch", "parallel"), 1, "must be true or false, not 1"),
        (("nodes", 0, "batch", "items"), 5, "must be a template such as"),
        (("nodes", 0, "batch", "items"), "all", "must be a template such as"),
        (("nodes", 0, "purpose"), 5, "must be text, not 5"),
        (("nodes", 0, "id"), "two words", "must be a name"),
        (("ir_version",), "0.2.0", "0.1.x"),
        (("ir_version",), 0.1, "0.1.x"),
        (("edges",), "a", "must be a list, not text"),
        (("inputs", "n", "schema"), 5, "must be a JSON Schema"),
        (("outputs", "o", "source"), "a.x", "template"),
    ],
)
def test_a_wrong_type_is_said_in_words(path, value, words):
    fault = only_fault(changed(path, value))
    assert fault.path == path
    assert words in fault.message


NUMBERS = [
    ("max_concurrent", 1, 1000),
    ("max_retries", 1, 10),
    ("retry_wait", 0, 31_536_000),
    ("retry_backoff", 1, 100),
    ("retry_max_wait", 0, 31_536_000),
    ("timeout", 0, 31_536_000),
    ("chunk_size", 1, 1_000_000),
]


@pytest.mark.parametrize(("key", "low", "high"), NUMBERS)
@pytest.mark.parametrize("value", [-1, 10**9, float("nan"), "10", True, [], {"a": 1}])
def test_a_wrong_batch_value_is_refused_with_its_range(key, low, high, value):
    fault = only_fault(changed(("nodes", 0, "batch", key), value))
    assert fault.path == ("nodes", 0, "batch", key)
    assert f"{low:,}" in fault.message
    assert f"{high:,}" in fault.message


@pytest.mark.parametrize(
    ("path", "key"),
    [((), "nodes"), (("nodes", 0), "id"), (("nodes", 0, "batch"), "items"), (("edges", 0), "to")],
)
def test_a_missing_key_is_told_of_the_object_it_is_missing_in(path, key):
    document = copy.deepcopy(GOOD)
    place = document
    for step in path:
        place = place[step]
    del place[key]
    fault = only_fault(document)
    assert fault.path == path
    assert fault.message == f"`{key}` is missing"


def test_a_source_with_two_keys_is_told_so():
    fault = only_fault(changed(("nodes", 0, "batch", "items"), {"glob": "*", "lines": "x"}))
    assert fault.hint == "an object names one source"
    assert fault.path == ("nodes", 0, "batch", "items", "lines")


@pytest.mark.parametrize(
    ("items", "hint"),
    [
        ({"csv": "a", "delimeter": ";"}, "did you mean `delimiter`?"),
        (
            {"jsonl": "a", "delimiter": ";"},
            "`delimiter` is an option of `csv`",
        ),
        (
            {"csv": "a", "x": 1},
            "`csv` takes `delimiter`, `quote`",
        ),
        ({"glob": "a", "x": 1}, "`glob` takes no options"),
    ],
)
def test_what_stands_beside_a_source(items, hint):
    _, (fault,) = read_workflow({"nodes": [{"id": "a", "type": "echo", "batch": {"items": items}}]})
    assert fault.hint.startswith(hint)


NODE = {"id": "a", "type": "echo"}


def test_a_pipeline_takes_the_place_of_nodes_and_edges():
    branch = [NODE, {"parallel": [NODE], "on_error": "continue"}]
    workflow, faults = read_workflow(
        {"pipeline": [{**NODE, "next": {"x": "b", "y": None}}, {"parallel": [branch]}]}
    )
    assert faults == []
    assert workflow.pipeline[0].next == {"x": "b", "y": None}
    assert workflow.pipeline[1].on_error == "fail_fast"
    assert workflow.pipeline[1].parallel[0][1].on_error == "continue"


@pytest.mark.parametrize("key", ["nodes", "edges", "start_node"])
def test_the_two_forms_do_not_mix(key):
    value = {"nodes": [NODE], "edges": [], "start_node": "a"}[key]
    fault = only_fault({"pipeline": [NODE], key: value})
    assert fault.path == (key,)
    assert "stands beside `pipeline`" in fault.message


@pytest.mark.parametrize(
    ("pipeline", "path", "words"),
    [
        ([], (), "at least one node"),
        ([{"parallel": []}], (0, "parallel"), "at least one branch"),
        ([{"parallel": [[]]}], (0, "parallel", 0), "needs a step"),
        ([NODE, 3], (1,), "must be an object, not 3"),
        ([[NODE]], (0,), "must be an object, not a list"),
        ([{"parallel": [NODE], "onerror": 1}], (0, "onerror"), "unknown key"),
        ([{"parallel": [NODE], "on_error": "contnue"}], (0, "on_error"), "must be `fail_fast` or `continue`"),
        ([{"parallel": [[NODE, {**NODE, "nxt": 1}]]}], (0, "parallel", 0, 1, "nxt"), "unknown key"),
        (
            [{**NODE, "next": {"x": 1}}],
            (0, "next", "x"),
            "the id of a step, a list of different ones, or null",
        ),
        (
            [{**NODE, "batch": {"items": [], "executor": "x"}}],
            (0, "batch", "executor"),
            "must be `sequential`",
        ),
    ],
)
def test_what_is_wrong_in_a_pipeline_is_told_with_its_place(pipeline, path, words):
    fault = only_fault({"pipeline": pipeline})
    assert fault.path == ("pipeline", *path)
    assert words in fault.message


def test_keys_of_a_step_are_suggested_by_its_kind():
    assert only_fault({"pipeline": [{**NODE, "nxt": 1}]}).hint == "did you mean `next`?"
    fault = only_fault({"pipeline": [{"parallel": [NODE], "on_eror": "continue"}]})
    assert fault.hint == "did you mean `on_error`?"


def test_all_faults_come_at_once():
    document = {"nodes": [{"id": 1, "type": 2, "x": 3, "batch": {"items": 5, "as": 6}}], "y": 7}
    _, faults = read_workflow(document)
    assert len(faults) == 6


@pytest.mark.parametrize("raw", [None, 5, "x", [], True])
def test_what_is_no_object_is_no_document(raw):
    _, (fault,) = read_workflow(raw)
    assert fault.path == ()
