"""Names that clash, are reserved, or that no template could write."""

from __future__ import annotations

import pytest

from batchmill.ir.outline import outline_of
from batchmill.ir.rules.names import name_faults


def faults(raw):
    return [(fault.path, fault.message) for fault in name_faults(outline_of(raw, []))]


def node(name, **keys):
    return {"id": name, "type": "echo", **keys}


def test_sound_names_have_no_fault():
    raw = {
        "nodes": [node("a", batch={"items": [1]}), node("b", batch={"items": [1]}), node("2nd")],
        "inputs": {"n": {}, "m-1": {}},
        "start_node": "b",
    }
    assert faults(raw) == []


@pytest.mark.parametrize(
    ("raw", "path", "words"),
    [
        ({"nodes": [node("a"), node("a")]}, ("nodes", 1, "id"), "already that of $.nodes[0]"),
        ({"nodes": [node("a")], "inputs": {"a": {}}}, ("nodes", 0, "id"), "also the name of an input"),
        ({"nodes": [node("__x")]}, ("nodes", 0, "id"), "reserved"),
        ({"nodes": [node("true")]}, ("nodes", 0, "id"), "a value in templates"),
        ({"nodes": [node("12")]}, ("nodes", 0, "id"), "a value in templates"),
        (
            {"nodes": [node("a", batch={"items": [], "as": "a"})]},
            ("nodes", 0, "batch", "as"),
            "also a node's id",
        ),
        (
            {"nodes": [node("item"), node("b", batch={"items": []})]},
            ("nodes", 1, "batch", "as"),
            "also a node's id",
        ),
        (
            {"nodes": [node("b", batch={"items": [], "as": "n"})], "inputs": {"n": {}}},
            ("nodes", 0, "batch", "as"),
            "also the name of an input",
        ),
        (
            {"nodes": [node("b", batch={"items": [], "as": "__index__"})]},
            ("nodes", 0, "batch", "as"),
            "reserved",
        ),
        ({"nodes": [node("a")], "inputs": {"two words": {}}}, ("inputs", "two words"), "letters"),
        ({"nodes": [node("a")], "inputs": {"": {}}}, ("inputs", ""), "letters"),
        ({"nodes": [node("a")], "inputs": {"n\n": {}}}, ("inputs", "n\n"), "letters"),
        ({"nodes": [node("a")], "inputs": {"null": {}}}, ("inputs", "null"), "value in templates"),
        ({"nodes": [node("a")], "start_node": "b"}, ("start_node",), 'no node "b"'),
    ],
)
def test_a_bad_name_is_a_fault(raw, path, words):
    ((found, message),) = faults(raw)
    assert found == path
    assert words in message
