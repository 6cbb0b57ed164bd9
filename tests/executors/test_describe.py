"""From an exception to plain data."""

from __future__ import annotations

import pickle

import pytest

from batchmill.errors import AttemptTimeout, NodeError, NotPicklable, UnresolvedReference
from batchmill.executors.describe import MAX_MESSAGE, MAX_TRACEBACK, describe


class NoText(Exception):
    def __str__(self) -> str:
        raise KeyboardInterrupt


def raised(error: BaseException) -> BaseException:
    try:
        raise error
    except BaseException as caught:
        return caught


def test_type_message_and_traceback_are_kept() -> None:
    info = describe(raised(ValueError("bad")))
    assert (info.type, info.message, info.kind, info.retryable) == ("ValueError", "bad", "exception", True)
    assert "in raised" in info.traceback


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (AttemptTimeout("late"), "timeout"),
        (NotPicklable("lock"), "not_picklable"),
        (TimeoutError("socket"), "exception"),
        (KeyboardInterrupt(), "exception"),
        (NodeError("exit code 3"), "error_result"),
    ],
)
def test_kinds(error: BaseException, kind: str) -> None:
    assert describe(error).kind == kind


def test_an_error_result_brings_what_the_node_said() -> None:
    error = NodeError("no", outputs={"stderr": "x"}, retryable=False, retry_after=3.0, type_name="ShellError")
    info = describe(error)
    assert (info.type, info.outputs, info.retryable, info.retry_after) == (
        "ShellError",
        {"stderr": "x"},
        False,
        3.0,
    )


class TooMany(Exception):
    status_code = 429


class Refused(Exception):
    refused = True


@pytest.mark.parametrize(
    ("error", "refused"),
    [
        (NodeError("no", refused=True), True),
        (NodeError("no", retry_after=0.0), True),
        (NodeError("no", outputs={"status_code": 429}), False),  # the node has not said so
        (TooMany(), True),
        (Refused(), True),
        (ValueError("no"), False),
    ],
)
def test_who_wants_fewer_calls_says_so(error: BaseException, refused: bool) -> None:
    assert describe(error).refused is refused
    assert not isinstance(error, NodeError) or pickle.loads(pickle.dumps(error)).refused is error.refused


def test_errors_may_say_that_another_attempt_is_pointless() -> None:
    assert not describe(UnresolvedReference("a.b", "no b")).retryable


def test_an_error_without_text_has_a_description() -> None:
    assert describe(raised(NoText())).message == "(NoText whose text cannot be made: KeyboardInterrupt)"


def test_long_texts_are_cut_in_the_middle() -> None:
    info = describe(raised(ValueError("a" * 10**6 + "z")))
    assert len(info.message) < MAX_MESSAGE + 100
    assert len(info.traceback) < MAX_TRACEBACK + 100
    assert info.message.startswith("aaa")
    assert info.message.endswith("z")
    assert "characters left out" in info.message


def test_causes_that_go_in_circles_end() -> None:
    first, second = ValueError("first"), ValueError("second")
    first.__cause__, second.__cause__ = second, first
    assert "second" in describe(raised(first)).traceback


def test_what_is_described_travels() -> None:
    info = describe(raised(ExceptionGroup("g", [ValueError(1)])))
    assert pickle.loads(pickle.dumps(info)) == info
