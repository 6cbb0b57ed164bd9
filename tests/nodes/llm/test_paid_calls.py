"""Every call that was paid, or may have been, is recorded whatever became of it; and nothing else is."""

from __future__ import annotations

import json
import math
import os
import ssl

import pytest

from batchmill.attempt import Attempt
from batchmill.errors import AttemptTimeout, NodeError, StorageError
from batchmill.ir.services import Tables
from batchmill.nodes.llm.estimate import ANSWER_TOKENS, counted
from batchmill.nodes.llm.faults import unanswered
from batchmill.nodes.llm.node import LlmNode
from batchmill.nodes.llm.question import ModelReply, Question
from batchmill.record import CallsUnderWay, Price, PriceTable, calls_left

USAGE = {"prompt_tokens": 100, "completion_tokens": 50, "total_tokens": 150}
PROMPT = "w" * 40  # ten tokens, by its length


def answer(**fields):
    return {"usage": USAGE, **fields}


def message(content, finish="stop", **more):
    return [{"message": {"role": "assistant", "content": content, **more}, "finish_reason": finish}]


UNUSABLE = {
    "no choices": (answer(choices=[]), "BadAnswer", True),
    "choices that are null": (answer(choices=None), "BadAnswer", True),
    "none at all": (answer(), "BadAnswer", True),
    "a choice without a message": (answer(choices=[{}]), "BadAnswer", True),
    "an error in a 200": (answer(error={"message": "too long"}), "BadAnswer", True),
    "a refusal": (answer(choices=message(None, refusal="no")), "Refused", False),
    "held back": (answer(choices=message("", "content_filter")), "UnusableAnswer", False),
    "empty": (answer(choices=message("")), "EmptyAnswer", True),
    "blank": (answer(choices=message(" \n")), "EmptyAnswer", True),
    "all thought, nothing said": (
        answer(choices=message(None, "length", reasoning_content="hm")),
        "EmptyAnswer",
        False,
    ),
}


@pytest.mark.parametrize("name", UNUSABLE)
def test_an_answer_that_cannot_be_used_was_paid_all_the_same(ask, model, name):
    body, kind, retryable = UNUSABLE[name]
    model.answers = [body]
    attempt = Attempt()
    with pytest.raises(NodeError) as caught:
        ask(PROMPT, attempt=attempt)
    assert (caught.value.type_name, caught.value.retryable) == (kind, retryable)
    assert not any(word in str(caught.value) for word in ("KeyError", "IndexError", "TypeError"))
    (call,) = attempt.recorder
    assert (call.input_tokens, call.output_tokens, call.tokens, call.estimated) == (100, 50, 150, False)
    assert call.error
    assert caught.value.outputs["llm_usage"]["total_tokens"] == 150


@pytest.mark.parametrize("body", [b"", b"{", b"data: {}\n\ndata: [DONE]\n"])
def test_what_is_no_json_counts_as_an_estimate(ask, model, body):
    model.answers = [(200, body, {})]
    attempt = Attempt()
    with pytest.raises(NodeError, match="no chat completion: it is not JSON"):
        ask(PROMPT, attempt=attempt, max_tokens=20)
    (call,) = attempt.recorder
    assert (call.input_tokens, call.output_tokens, call.tokens, call.estimated) == (None, None, 30, True)


@pytest.mark.parametrize(
    ("usage", "told", "tokens", "estimated"),
    [
        ({}, (None, None, None), 10 + 20, True),
        (None, (None, None, None), 10 + 20, True),
        ({"prompt_tokens": None, "completion_tokens": None}, (None, None, None), 30, True),
        ({"total_tokens": 77}, (None, None, 77), 77, True),
        ({"prompt_tokens": 70, "total_tokens": 77}, (70, None, 77), 77, False),
        ({"completion_tokens": 7, "total_tokens": 77}, (None, 7, 77), 77, False),
        ({"prompt_tokens": 70}, (70, None, None), 70 + 20, True),
        ({"completion_tokens": 7}, (None, 7, None), 10 + 7, True),
        ({"prompt_tokens": 70.0, "completion_tokens": 7.0}, (70, 7, 77), 77, False),
        ({"prompt_tokens": "70", "completion_tokens": "7.0", "total_tokens": "77"}, (70, 7, 77), 77, False),
        ({"prompt_tokens": -1, "completion_tokens": "many"}, (None, None, None), 30, True),
        ({"prompt_tokens": 1e30, "completion_tokens": 10**400}, (None, None, None), 30, True),
        ({"prompt_tokens": True, "completion_tokens": math.nan, "cost": 1e300}, (None, None, None), 30, True),
    ],
)
def test_usage_that_is_not_told_is_estimated_and_shown_as_null(ask, model, usage, told, tokens, estimated):
    model.answers = [{"choices": message("yes"), "usage": usage}]
    attempt = Attempt()
    shown = ask(PROMPT, attempt=attempt, max_tokens=20)["llm_usage"]
    assert (shown["input_tokens"], shown["output_tokens"], shown["total_tokens"]) == told
    assert shown.get("estimated", False) is estimated
    (call,) = attempt.recorder
    assert (call.input_tokens, call.output_tokens) == told[:2]
    assert (call.tokens, call.estimated) == (tokens, estimated)


def test_an_estimate_has_a_price():
    tables = Tables(PriceTable({"m": Price(2, 10)}))
    node = LlmNode.of_document(tables)
    assert node.prices.cost("m", 10, 20) == pytest.approx((10 * 2 + 20 * 10) / 1e6)
    question = Question("m", ({"role": "user", "content": PROMPT},))
    nothing = counted(question, None)
    assert (nothing.sent, nothing.answered, nothing.tokens) == (10, ANSWER_TOKENS, 10 + ANSWER_TOKENS)
    assert counted(question, ModelReply("x" * 400)).answered == 100
    assert counted(question, ModelReply("", fault="it is not JSON")).answered == ANSWER_TOKENS


def test_pictures_do_not_count_by_their_bytes():
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 10**6}}
    content = [{"type": "text", "text": PROMPT}, image]
    question = Question("m", ({"role": "user", "content": content},), max_tokens=5)
    assert counted(question, None).tokens == 10 + 1000 + 5


def test_tool_calls_and_thoughts_are_outputs(ask, model):
    tools = [
        {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Rome"}'}},
        {"id": "c2", "type": "function", "function": {"name": "broken", "arguments": "{not json"}},
        "no call at all",
    ]
    model.answers = [
        {"choices": message(None, "tool_calls", tool_calls=tools, reasoning_content="let me see")}
    ]
    outputs = ask("Weather?")
    assert outputs["response"] == ""
    assert outputs["reasoning"] == "let me see"
    assert outputs["tool_calls"] == [
        {"id": "c1", "name": "weather", "arguments": {"city": "Rome"}},
        {"id": "c2", "name": "broken", "arguments": "{not json"},
    ]
    model.answers = [{"choices": message(None, function_call={"name": "old", "arguments": "{}"})}]
    assert ask("Weather?")["tool_calls"] == [{"id": "", "name": "old", "arguments": {}}]
    model.answers = ["plain"]
    outputs = ask("Hello?")
    assert (outputs["tool_calls"], outputs["reasoning"]) == ([], "")


def test_a_body_that_is_cut_off_may_be_paid(ask, model):
    whole = json.dumps({"choices": message("yes")}).encode()
    model.answers = [(200, whole[:-5], {"Content-Length": len(whole), "Connection": "close"})]
    attempt = Attempt()
    with pytest.raises(NodeError, match="before the whole answer") as caught:
        ask(PROMPT, attempt=attempt, max_tokens=20)
    assert (caught.value.type_name, caught.value.retryable) == ("ConnectionFailed", True)
    (call,) = attempt.recorder
    assert (call.tokens, call.estimated) == (30, True)
    assert "before the whole answer" in call.error


def test_an_answer_that_is_too_large_is_refused_and_may_be_paid(ask, model):
    model.answers = ["x" * 5000]
    attempt = Attempt()
    with pytest.raises(NodeError, match=r"more than 4,000 bytes; `max_response_bytes`") as caught:
        ask(PROMPT, attempt=attempt, max_response_bytes=4000)
    assert (caught.value.type_name, caught.value.retryable) == ("ResponseTooLarge", False)
    assert [call.estimated for call in attempt.recorder] == [True]
    assert len(ask(PROMPT)["response"]) == 5000


def test_what_is_overdue_may_be_paid_and_tells_the_time_it_was_given(ask, model, given_time):
    ask(PROMPT)  # connects
    model.seconds = 60

    def check(seconds):
        attempt = Attempt()
        with pytest.raises(AttemptTimeout, match=f"within {seconds:g} s"):
            ask(PROMPT, attempt=attempt, timeout=seconds)
        assert [(call.estimated, bool(call.error)) for call in attempt.recorder] == [(True, True)]

    given_time(check)


NOT_PAID = {
    "a key that is wrong": (401, {"error": {"message": "no"}}, {}),
    "too many": (429, {}, {}),
    "a fault of the server's": (500, {}, {}),
    "moved for good": (301, {}, {"Location": "http://127.0.0.1:9/v2?key=abc"}),
    "moved": (302, {}, {"Location": "/v2"}),
}


@pytest.mark.parametrize("name", NOT_PAID)
def test_what_was_refused_is_not_paid(ask, model, name):
    model.answers = [NOT_PAID[name]]
    attempt = Attempt()
    with pytest.raises(NodeError):
        ask(PROMPT, attempt=attempt)
    assert list(attempt.recorder) == []
    assert len(model.asked) == 1


@pytest.mark.parametrize("status", [504, 524])
def test_what_a_gateway_gave_up_on_may_be_paid(ask, model, status):
    """The server behind it may have worked on."""
    model.answers = [(status, {"error": {"message": "too slow"}}, {})]
    attempt = Attempt()
    with pytest.raises(NodeError, match="too slow"):
        ask(PROMPT, attempt=attempt)
    assert [(call.estimated, f"answered with {status}" in call.error) for call in attempt.recorder] == [
        (True, True)
    ]


def test_a_server_that_has_moved_is_not_asked_with_an_empty_hand(ask, model):
    model.answers = [NOT_PAID["moved for good"]]
    with pytest.raises(NodeError, match=r"moved to http://127\.0\.0\.1:9/v2, .* set `base_url`") as caught:
        ask(PROMPT)
    assert (caught.value.type_name, caught.value.retryable) == ("HTTP301", False)
    assert "abc" not in str(caught.value)


def test_a_redirect_that_keeps_the_question_is_followed(ask, model):
    model.answers = [(307, {}, {"Location": f"{model.base_url}/more/chat/completions"}), "there"]
    assert ask(PROMPT)["response"] == "there"
    assert model.asked[0] == model.asked[1]


class FakeSDK:
    class OpenAIError(Exception): ...

    class APIError(OpenAIError): ...

    class APIConnectionError(APIError): ...

    class APITimeoutError(APIConnectionError): ...

    class APIStatusError(APIError): ...


def raised(error, cause):
    try:
        raise error from cause
    except Exception as caught:
        return caught


def test_a_certificate_that_is_not_trusted_is_not_tried_again():
    class ConnectError(Exception): ...

    inner = ssl.SSLCertVerificationError(1, "certificate verify failed")
    inner.verify_message = "self-signed certificate"
    cause = raised(ConnectError("[SSL: CERTIFICATE_VERIFY_FAILED]"), inner)
    found = unanswered(FakeSDK, raised(FakeSDK.APIConnectionError("Connection error."), cause), "")
    assert (found.error.type_name, found.error.retryable, found.paid) == ("CertificateError", False, False)
    assert "self-signed certificate" in str(found.error)


@pytest.mark.parametrize(
    ("cause", "paid"), [("ConnectError", False), ("ConnectTimeout", False), ("ReadError", True)]
)
def test_what_never_left_is_not_paid(cause, paid):
    kind = FakeSDK.APITimeoutError if cause.endswith("Timeout") else FakeSDK.APIConnectionError
    error = raised(kind("x"), type(cause, (Exception,), {})("y"))
    found = unanswered(FakeSDK, error, "")
    assert found.paid is paid
    assert cause.endswith("Timeout") or ("the call may be charged" in str(found.error)) is paid


@pytest.fixture
def under_way(tmp_path):
    return CallsUnderWay(str(tmp_path), 3).of("ask", 7)


def left(under_way):
    return list(calls_left(under_way.folder))


def test_a_call_is_entered_before_it_is_made(ask, model, under_way):
    seen = []
    model.answers = [lambda body: seen.append(left(under_way)) or "hello"]
    attempt = Attempt(calls=under_way)
    ask("top secret", attempt=attempt, max_tokens=7)
    ((before,),) = seen
    assert (before["pass"], before["node"], before["index"], before["model"]) == (3, "ask", 7, "m")
    assert (before["tokens"], before["estimated"], before["error"]) == (
        3 + 7,
        True,
        "no answer to it was kept",
    )
    (after,) = left(under_way)
    assert (after["id"], after["tokens"], after["error"]) == (before["id"], 15, "")
    assert [call.id for call in attempt.recorder] == [before["id"]]
    assert "secret" not in json.dumps([before, after])  # nobody here knows what must not be shown
    assert all(one.stat().st_mode & 0o077 == 0 for one in os.scandir(under_way.folder))
    under_way.forget([after["id"], "another"])
    assert left(under_way) == []


def test_what_was_not_paid_is_not_left_there(ask, model, under_way):
    model.answers = [(429, {}, {})]
    with pytest.raises(NodeError):
        ask("x", attempt=Attempt(calls=under_way))
    assert left(under_way) == []


def test_what_cannot_be_entered_is_not_asked(ask, model, under_way, monkeypatch):
    monkeypatch.setattr(os, "write", lambda file, data: len(data) // 2)  # a disk with room for half a line
    with pytest.raises(StorageError, match="No space left on device; it was not made"):
        ask("x", attempt=Attempt(calls=under_way))
    monkeypatch.undo()
    assert model.asked == []
    assert left(under_way) == []


def test_a_folder_that_is_gone_stops_nobody(ask, tmp_path):
    assert ask("x", attempt=Attempt(calls=CallsUnderWay(str(tmp_path / "gone"))))["response"] == "hello"


@pytest.mark.parametrize("text", ["", '{"id": "a", "tok', "[1]\n", '{"no": "id"}\n'])
def test_lines_that_are_not_whole_are_no_calls(under_way, tmp_path, text):
    (tmp_path / "a").write_text(text)
    assert left(under_way) == []


def test_a_server_that_is_not_there_is_not_paid(ask, under_way):
    attempt = Attempt(calls=under_way)
    with pytest.raises(NodeError, match="could not be asked"):
        ask("x", base_url="http://127.0.0.1:9/v1", attempt=attempt)
    assert list(attempt.recorder) == left(under_way) == []
