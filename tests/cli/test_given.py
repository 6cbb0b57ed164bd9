"""Inputs from the command line and from files."""

import io
import sys

import click
import pytest

from batchmill.cli.given import Given, given, with_stdin
from batchmill.errors import InvalidDocument
from batchmill.ir.loading import load


def test_the_command_line_wins_over_the_file(tmp_path):
    file = tmp_path / "in.json"
    file.write_text('{"a": 1, "b": 2, "c": 3}')
    found = given(["a=x"], ["b=[true]"], file)
    assert found.text == {"a": "x"}
    assert found.values == {"b": [True], "c": 3}


def test_only_the_first_equals_sign_parts_name_and_value():
    assert given(["q=a=b", "empty="], [], None).text == {"q": "a=b", "empty": ""}


def test_a_yaml_file(tmp_path):
    file = tmp_path / "in.yaml"
    file.write_text("a: [1, x]\nb: null\n")
    assert given([], [], file).values == {"a": [1, "x"], "b": None}


@pytest.mark.parametrize(
    ("pairs", "typed", "says"),
    [
        (["folder"], [], "'folder' is not an input: write NAME=VALUE"),
        (["=x"], [], "'=x' is not an input"),
        (["a=1", "a=2"], [], "'a' is given twice"),
        (["a=1"], ["a=2"], "both as NAME=VALUE and by --set-json"),
        ([], ["a"], "write --set-json NAME=JSON"),
        ([], ["a=hello"], "for text write a=hello"),
    ],
)
def test_what_is_wrong_is_said(pairs, typed, says):
    with pytest.raises(click.UsageError, match=says.replace("(", r"\(")):
        given(pairs, typed, None)


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("in.json", "[1]", "is not an object of inputs by name"),
        ("in.json", '{"a": 1,}', "line 1, column"),
        ("in.json", '{"a": 1, "a": 2}', "stands twice"),
        ("in.yaml", "a: [", "in.yaml"),
    ],
)
def test_a_faulty_file_is_said_with_its_place(tmp_path, name, text, says):
    file = tmp_path / name
    file.write_text(text)
    with pytest.raises(InvalidDocument, match=says):
        given([], [], file)


def test_standard_input_that_is_no_text_is_refused_with_its_place(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"a\nb\xff")))
    with pytest.raises(click.UsageError, match="byte 0xff at offset 3, line 2"):
        with_stdin(Given(), load({"inputs": {"t": {"stdin": True}}}))
