"""Contradictions within a node, and what comes with a later version."""

from __future__ import annotations

import pytest

from batchmill.ir.models import read_workflow
from batchmill.ir.outline import outline_of
from batchmill.ir.rules.nodes import node_faults


def faults(**keys):
    raw = {"nodes": [{"id": "a", "type": "echo", **keys}]}
    _, structural = read_workflow(raw)
    outline = outline_of(raw, structural)
    return [*structural, *node_faults(outline.nodes[0])]


def batch(**keys):
    return faults(batch={"items": [1], **keys})


@pytest.mark.parametrize(
    "keys",
    [
        {},
        {"executor": "process", "parallel": True, "memory_limit": "512MB"},
        {"executor": "sequential", "parallel": False},
        {"executor": "thread", "stream": False, "collect": "results", "rate_limit": None},
        {"error_handling": "fail_safe", "tolerate": {"percent": 5}},
        {"items": "${x.results}"},
        {"items": {"range": [0, 10, -1]}},
    ],
)
def test_sound_batches(keys):
    assert batch(**keys) == []


@pytest.mark.parametrize(
    ("keys", "path", "words"),
    [
        ({"executor": "sequential", "parallel": True}, ("executor",), "contradicts"),
        ({"tolerate": {"count": 1}}, ("tolerate",), "has no effect"),
        ({"tolerate": {}, "error_handling": "continue"}, ("tolerate",), "needs `count` or `percent`"),
        ({"memory_limit": "1GB"}, ("memory_limit",), "`sequential`"),
        ({"memory_limit": "1GB", "parallel": True}, ("memory_limit",), "`thread`"),
        ({"items": "${a} and ${b}"}, ("items",), "one template and nothing else"),
        ({"items": "rows: ${a}"}, ("items",), "one template and nothing else"),
        ({"items": {"range": [0, 5, 0]}}, ("items", "range", 2), "must not be 0"),
        ({"items": {"csv": "f", "encoding": "hex"}}, ("items", "encoding"), "not 'hex'"),
        (
            {"items": {"zip": {"a": {"csv": "f", "encoding": "x"}}}},
            ("items", "zip", "a", "encoding"),
            "not 'x'",
        ),
        ({"items": {"product": {"a": [1]}, "exclude": [{"b": 1}]}}, ("items", "exclude", 0, "b"), "are a"),
        ({"items": {"python": "rows.read"}}, ("items", "python"), "did you mean 'rows:read'?"),
        ({"items": {"zip": {"a": [1], "b": [], "c": "${x}"}}}, ("items", "zip"), "'a' has 1, 'b' has 0"),
    ],
)
def test_a_bad_batch_is_a_fault(keys, path, words):
    (fault,) = batch(**keys)
    assert fault.path == ("nodes", 0, "batch", *path)
    assert words in fault.message


@pytest.mark.parametrize(
    ("loop", "path", "words"),
    [
        ({}, (), "exactly one of `while` and `until`"),
        ({"while": "${a.x}", "until": "${a.y}"}, (), "exactly one of `while` and `until`"),
        ({"until": "${a.x} == 3"}, ("until",), "always true"),
    ],
)
def test_a_bad_loop_is_a_fault(loop, path, words):
    (fault,) = faults(loop=loop)
    assert fault.path == ("nodes", 0, "loop", *path)
    assert words in fault.message


@pytest.mark.parametrize("text", ["${item} > 2", "not ${item}"])
def test_a_condition_with_text_around_its_template_is_a_fault(text):
    (of_batch,) = batch(where=text)
    (of_node,) = faults(when=text)
    assert of_batch.path == ("nodes", 0, "batch", "where")
    assert of_node.path == ("nodes", 0, "when")
    assert "always true" in of_batch.message
    assert "within the braces" in of_node.hint


def test_sound_conditions():
    assert batch(where="${item > 2}") == faults(when="${not a.ok}") == []


def test_a_sound_loop():
    assert faults(loop={"while": "${a.more}", "carry": {"n": "${a.n}"}}) == []


def test_a_loop_and_a_batch_do_not_go_together():
    (fault,) = faults(loop={"until": "${a.x}"}, batch={"items": []})
    assert fault.path == ("nodes", 0, "loop")


def test_that_is_said_even_where_the_batch_is_wrong():
    found = {fault.path for fault in faults(loop={"until": "${a.x}"}, batch={"items": 5})}
    assert found == {("nodes", 0, "loop"), ("nodes", 0, "batch", "items")}
