"""Arguments of the wrong kind are refused in our own words, before anything runs."""

from __future__ import annotations

from collections import UserDict
from pathlib import Path

import pytest

import batchmill
from batchmill.errors import InvalidDocument, InvalidSetting

DOCUMENT = {"inputs": {"x": {"required": False}},
            "nodes": [{"id": "a", "type": "echo", "params": {"data": "${x}"}}]}  # fmt: skip


@pytest.mark.parametrize(
    ("document", "words"),
    [
        (3, "by a path or as a dictionary, not as a number"),
        (None, "not as null"),
        ([DOCUMENT], "not as a list"),
        (b"flow.json", "not as a Python bytes"),
        ("", "the path of the document is empty"),
        ('{"nodes": []}', "this is the text of a document, not its path; give its path, or read it"),
        ("nodes:\n  - id: a\n", "this is the text of a document, not its path"),
    ],
)
def test_what_is_no_document(document, words):
    with pytest.raises(InvalidDocument, match="the document: .*" + words):
        batchmill.run(document)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"params": [1]}, "`params` must be a dictionary of inputs by name, not a list"),
        ({"params": "x=1"}, "not 'x=1'; --params of `batchmill run` reads files"),
        ({"params": Path("inputs.yaml")}, "reads files"),
        ({"params": {1: 2}}, "`params` has a key that is not the name of an input: 1"),
        ({"params": {None: 2}}, "not the name of an input: None"),
        ({"text_params": ["x"]}, "`text_params` must be a dictionary"),
        ({"executor": 3}, "executor must be the name of one, not 3"),
        ({"executor": ["thread"]}, "executor must be the name of one"),
        ({"executor": "proces"}, "did you mean 'process'"),
        ({"jobs": "3"}, "jobs must be a whole number from 1 to 1000, not '3'"),
        ({"jobs": True}, "jobs must be a whole number"),
        ({"jobs": 0}, "jobs must be a whole number"),
        ({"listeners": print}, "`listeners` must be a list of functions"),
        ({"listeners": [3]}, "`listeners` must be a list of functions"),
        ({"journal": 3}, "`journal` must be a path or a Journal, not 3"),
        ({"journal": ""}, "`journal` must be a path"),
        ({"taps": {"a": print}}, "'a', which is no batch node of the document; it has none"),
        ({"taps": {"a": 3}}, r"`taps\['a'\]` must be a function, not 3"),
    ],
)
def test_arguments_of_the_wrong_kind(arguments, words):
    with pytest.raises(InvalidSetting, match=words):
        batchmill.run(DOCUMENT, **arguments)


@pytest.mark.parametrize("arguments", [{"params": [1]}, {"journal": 3}, {"listeners": 1}, {"run": 3}])
def test_of_resume_as_well(arguments):
    with pytest.raises(InvalidSetting):
        batchmill.resume(**arguments)


def test_any_mapping_is_a_document():
    assert batchmill.run(UserDict(DOCUMENT), {"x": 1}).outputs["data"] == 1
