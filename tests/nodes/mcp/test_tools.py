"""Tools that leave their server as it was: one server serves all the tests here."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from batchmill.attempt import Attempt
from batchmill.errors import AttemptTimeout, InvalidParams, NodeError


@pytest.fixture
def call(call_of_one_server):
    return call_of_one_server


def test_results(call):
    assert call("add", a=2, b=3)["result"] == 5
    assert call("upper", text="é")["result"] == "É"
    assert call("person", name="Ada")["result"] == {"name": "Ada", "tags": ["${a}", 1]}
    outputs = call("add", a=1)
    assert (outputs["result"], outputs["error"]) == (2, "")
    assert outputs["content"][0]["type"] == "text"


def test_one_session_serves_all_items(call):
    call("pid")
    with ThreadPoolExecutor(16) as pool:
        assert len(set(pool.map(lambda _: call("pid")["result"], range(64)))) == 1


def test_calls_wait_together(call):
    with ThreadPoolExecutor(20) as pool:
        met = list(pool.map(lambda _: call("meet", n=20)["result"], range(20)))
    assert met == [20] * 20


@pytest.mark.parametrize(
    ("arguments", "words"),
    [({}, "a"), ({"a": "x"}, "integer"), ({"a": 1, "b": None}, "b"), ({"a": 1.5}, "integer")],
)
def test_arguments_are_checked_before_the_call(call, arguments, words):
    with pytest.raises(InvalidParams, match=words) as caught:
        call("add", **arguments)
    assert not caught.value.retryable


def test_a_tool_that_is_not_there(call):
    with pytest.raises(NodeError, match="did you mean 'upper'") as caught:
        call("uper")
    assert not caught.value.retryable


def test_a_tool_that_fails(call):
    with pytest.raises(NodeError, match="because I say so") as caught:
        call("fail", why="I say so")
    assert caught.value.retryable
    assert caught.value.type_name == "ToolError"
    assert "because" in str(caught.value.outputs["content"])


def test_a_call_that_takes_too_long_leaves_the_session(call):
    first = call("pid")["result"]
    with pytest.raises(AttemptTimeout):
        call("slow", attempt=Attempt(deadline=time.monotonic() + 0.3), seconds=5)
    with pytest.raises(AttemptTimeout, match=r"within 0\.2 s"):
        call("slow", limit=0.2, seconds=5)
    assert call("pid")["result"] == first
