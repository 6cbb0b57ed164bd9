"""Paths and values in messages."""

from __future__ import annotations

import pytest

from batchmill.ir.faults import any_of, did_you_mean, path_text, shown
from batchmill.values.words import kind_of


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ((), "$"),
        (("nodes", 2, "batch", "executor"), "$.nodes[2].batch.executor"),
        (("inputs", "a key"), '$.inputs["a key"]'),
        (("inputs", 'say "x"'), '$.inputs["say \\"x\\""]'),
        (("nodes", 0, "params", "file-path"), "$.nodes[0].params.file-path"),
    ],
)
def test_a_path_is_written_as_people_know_it(path, text):
    assert path_text(path) == text


def test_a_very_deep_path_is_cut():
    text = path_text(("x",) * 500)
    assert len(text) < 50
    assert text.endswith("...")


@pytest.mark.parametrize(
    ("value", "text"),
    [(True, "true"), (None, "null"), ("a", '"a"'), ([1], "a list"), ({}, "an object"), (1.5, "1.5")],
)
def test_a_value_is_shown_as_it_is_written(value, text):
    assert shown(value) == text


def test_long_and_unprintable_values_are_tamed():
    assert len(shown("x" * 1000)) <= 40
    assert "\x1b" not in shown("\x1b[31m")
    assert shown(object()) == "a Python object"
    assert shown(10**5000) == "a number"


def test_a_near_word_is_suggested_whatever_its_case():
    assert did_you_mean("Proces", ["thread", "process"]) == "did you mean `process`?"
    assert did_you_mean("zzz", ["thread", "process"]) == ""
    assert did_you_mean("x" * 100_000, ["thread"]) == ""


def test_a_word_is_not_compared_with_thousands():
    names = [f"node{number}" for number in range(501)]
    assert did_you_mean("nod7", names) == ""
    assert did_you_mean("nod7", names[:500]) == "did you mean `node7`?"


def test_choices_are_joined():
    assert any_of([]) == ""
    assert any_of(["a"]) == "`a`"
    assert any_of(["a", "b", "c"]) == "`a`, `b` or `c`"


def test_a_boolean_is_no_number():
    assert kind_of(True) == "a boolean"
    assert kind_of(1) == "a number"
