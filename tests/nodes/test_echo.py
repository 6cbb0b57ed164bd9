"""The echo node."""

from __future__ import annotations

import pytest


def test_it_gives_back_message_data_and_every_other_param(run):
    result = run("echo", message="hi", data=[1], x=None, y={"a": 1})
    assert result.outputs.items() >= {"echo": "hi", "data": [1], "x": None, "y": {"a": 1}}.items()
    assert result.action == "default"


def test_without_params(run):
    outputs = run("echo").outputs
    assert outputs["echo"] == "Hello, World!"
    assert outputs["data"] is None
    assert "prefix" not in outputs


@pytest.mark.parametrize(
    ("message", "said"), [(5, "5"), (True, "True"), (None, ""), ([1, "é"], '[1, "é"]'), ("", "")]
)
def test_the_message_becomes_text(run, message, said):
    assert run("echo", message=message).outputs["echo"] == said


def test_the_message_can_be_changed(run):
    outputs = run("echo", message="a", prefix="<", suffix=">", count=2, uppercase=True).outputs
    assert outputs["echo"] == "<A> <A>"
    assert outputs["metadata"] == {"original_message": "a", "count": 2, "modified": True}
    assert outputs["prefix"] == "<"
