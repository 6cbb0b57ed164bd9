"""Inputs and outputs as they are declared."""

from __future__ import annotations

import pytest

from batchmill.ir.outline import outline_of
from batchmill.ir.rules.interface import interface_faults


def faults(inputs, outputs=None):
    raw = {"nodes": [{"id": "a", "type": "echo"}], "inputs": inputs, "outputs": outputs or {}}
    return list(interface_faults(outline_of(raw, [])))


@pytest.mark.parametrize(
    "spec",
    [
        {"type": "integer", "default": 3},
        {"type": "number", "default": 3},
        {"type": "string", "default": None},
        {"default": [1]},
        {"type": "list", "default": []},
        {"schema": {"minimum": 1}, "default": 1},
        {"stdin": True},
    ],
)
def test_sound_inputs(spec):
    assert faults({"n": spec}) == []


@pytest.mark.parametrize(
    ("spec", "key", "words"),
    [
        ({"type": "integer", "default": "3"}, "default", "must be a whole number, not text"),
        ({"type": "integer", "default": True}, "default", "must be a whole number, not a boolean"),
        ({"type": "array", "default": {}}, "default", "must be a list, not an object"),
        ({"schema": {"type": "intger"}}, "schema", "no JSON Schema"),
        ({"schema": {"minimum": 5}, "default": 3}, "default", "less than the minimum of 5"),
    ],
)
def test_a_bad_input_is_a_fault(spec, key, words):
    (fault,) = faults({"n": spec})
    assert fault.path == ("inputs", "n", key)
    assert words in fault.message


def test_a_secret_default_is_not_shown():
    (fault,) = faults({"n": {"secret": True, "schema": {"pattern": "^x"}, "default": "hunter2"}})
    assert "hunter2" not in fault.message


def test_standard_input_goes_to_one_input():
    (fault,) = faults({"n": {"stdin": True}, "m": {"stdin": True}})
    assert fault.path == ("inputs", "m", "stdin")


def test_an_output_without_source_must_be_something():
    assert faults({"n": {}}, {"a": {}, "n": {"description": "as given"}}) == []
    (fault,) = faults({}, {"aa": {}})
    assert fault.path == ("outputs", "aa")


def test_only_one_can_read_standard_input():
    readers = [
        {"id": name, "type": "echo", "batch": {"items": {"stdin": "lines"}}} for name in ("first", "second")
    ]
    (fault,) = interface_faults(outline_of({"nodes": readers}, []))
    assert fault.path == ("nodes", 1, "batch", "items")
    assert "already goes to `first`" in fault.message
    (fault,) = interface_faults(outline_of({"nodes": readers[:1], "inputs": {"n": {"stdin": True}}}, []))
    assert fault.path == ("nodes", 0, "batch", "items")
    assert "already goes to `n`" in fault.message
