"""The llm node against a server that speaks OpenAI's chat interface."""

from __future__ import annotations

import base64
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

import batchmill
from batchmill.attempt import Attempt
from batchmill.concurrency.cancel import CancelToken
from batchmill.errors import AttemptTimeout, InvalidParams, NodeError, Stopped
from batchmill.nodes.llm.node import LlmNode

CANARY = "sk-canary-0123456789"
PNG = b"\x89PNG\r\n\x1a\n rest"


def test_what_is_asked_and_answered(ask, model):
    outputs = ask("Say hello", system="Be short", temperature=0.5, max_tokens=20, options={"seed": 7})
    assert outputs["response"] == "hello"
    assert outputs["error"] == ""
    assert outputs["finish_reason"] == "stop"
    assert outputs["llm_usage"] == {
        "model": "m",
        "calls": 1,
        "input_tokens": 10,
        "output_tokens": 5,
        "total_tokens": 15,
        "cached_tokens": 0,
        "cost": None,
    }
    (body,) = model.asked
    assert body == {
        "model": "m",
        "messages": [
            {"role": "system", "content": "Be short"},
            {"role": "user", "content": "Say hello"},
        ],
        "temperature": 0.5,
        "max_tokens": 20,
        "seed": 7,
    }


def test_nothing_is_asked_for_that_was_not_given(ask, model):
    ask({"a": "é"})
    assert model.asked == [{"model": "m", "messages": [{"role": "user", "content": '{"a": "é"}'}]}]


def test_keys(ask, model, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", CANARY)
    monkeypatch.setenv("SOME_KEY", f"{CANARY}\n")
    ask("x")
    assert CANARY not in str(model.headers[-1])  # OpenAI's own key is for OpenAI's own server
    ask("x", api_key_env="SOME_KEY")
    assert model.headers[-1]["authorization"] == f"Bearer {CANARY}"
    ask("x", api_key="other")
    assert model.headers[-1]["authorization"] == "Bearer other"


def test_a_key_that_is_not_set(ask, run, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(InvalidParams, match="NOT_SET"):
        ask("x", api_key_env="NOT_SET")
    with pytest.raises(InvalidParams, match="OPENAI_API_KEY"):
        run("llm", prompt="x", model="m")


def test_images(ask, model, tmp_path):
    (tmp_path / "a.dat").write_bytes(PNG)
    ask("Look", images=[str(tmp_path / "a.dat"), "https://h/b.jpg", "data:image/gif;base64,R0lG"])
    text, *images = model.asked[0]["messages"][0]["content"]
    assert text == {"type": "text", "text": "Look"}
    assert [one["image_url"]["url"] for one in images] == [
        f"data:image/png;base64,{base64.b64encode(PNG).decode()}",
        "https://h/b.jpg",
        "data:image/gif;base64,R0lG",
    ]


@pytest.mark.parametrize("images", [["missing.png"], ["/etc/passwd"], [5], [""]])
def test_images_that_are_none(ask, model, images):
    with pytest.raises(NodeError):
        ask("Look", images=images)
    assert model.asked == []


@pytest.mark.parametrize(
    ("status", "error", "retryable"),
    [
        (400, {"message": "bad"}, False),
        (401, {"message": f"Incorrect API key: {CANARY}"}, False),
        (404, {"message": "no model m"}, False),
        (408, {}, True),
        (429, {"message": "slow down"}, True),
        (429, {"message": "no money", "code": "insufficient_quota"}, False),
        (500, {"message": "oops"}, True),
        (503, {}, True),
    ],
)
def test_errors_of_the_server(ask, model, status, error, retryable):
    model.answers = [(status, {"error": error}, {"Retry-After": "7"})]
    with pytest.raises(NodeError) as caught:
        ask("x", api_key=CANARY)
    assert caught.value.retryable is retryable
    assert caught.value.retry_after == 7.0
    assert caught.value.type_name == f"HTTP{status}"
    assert error.get("message", "").replace(CANARY, "***") in str(caught.value)
    assert CANARY not in str(caught.value) + str(caught.value.outputs)
    assert len(model.asked) == 1  # the library's own retries are off


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after-ms": "250", "retry-after": "1"}, 0.25),
        ({"retry-after-ms": "nan", "retry-after": "1"}, 1.0),
        ({"retry-after": "soon"}, None),
        ({}, None),
    ],
)
def test_retry_after(ask, model, headers, seconds):
    model.answers = [(429, {}, headers)]
    with pytest.raises(NodeError) as caught:
        ask("x")
    assert caught.value.retry_after == seconds


NO_COMPLETIONS = (b"", b"{", b"[]", b"5", b"null", b'{"choices": []}', b'{"choices": [{}]}', b"[" * 100_000)


@pytest.mark.parametrize("body", [*NO_COMPLETIONS, b'{"choices": [{"message": 5}]}', b'{"choices": null}'])
def test_answers_that_are_none(ask, model, body):
    model.answers = [(200, body, {})]
    with pytest.raises(NodeError, match="no chat completion") as caught:
        ask("x")
    assert caught.value.retryable


def test_answers_that_leave_things_out(ask, model):
    model.answers = [{"choices": [{"message": {"content": [{"type": "text", "text": "a"}, {"text": "b"}]}}]}]
    attempt = Attempt()
    outputs = ask("x", attempt=attempt)
    assert outputs["response"] == "ab"
    (call,) = attempt.recorder
    assert (call.input_tokens, call.output_tokens, call.cost) == (None, None, None)


def test_nobody_listens(ask):
    with pytest.raises(NodeError) as caught:
        ask("x", base_url="http://127.0.0.1:9/v1")
    assert (caught.value.type_name, caught.value.retryable) == ("ConnectionFailed", True)
    with pytest.raises(InvalidParams):
        ask("x", base_url="host/v1")


def test_a_server_that_does_not_answer(ask, model):
    ask("x")  # imports the SDK
    model.seconds = 60
    began = time.monotonic()
    with pytest.raises(AttemptTimeout):
        ask("x", timeout=0.3)
    with pytest.raises(AttemptTimeout):
        ask("x", attempt=Attempt(deadline=time.monotonic() + 0.3))
    assert time.monotonic() - began < 50


def test_a_cancelled_run(ask, model):
    model.seconds = 20
    token = CancelToken()
    timer = threading.Timer(0.3, token.cancel)
    timer.start()
    with pytest.raises(Stopped, match="cancelled"):
        ask("x", attempt=Attempt(cancel=token))
    timer.join()


def test_threads_share_one_client(ask, model, soon):
    ask("x")
    model.gathered.clear()
    model.together = 10
    with ThreadPoolExecutor(10) as pool:
        done = list(pool.map(lambda n: ask(f"{n}")["response"], range(10)))
    assert done == ["hello"] * 10
    assert model.most_at_once == 10


def test_refusals(ask, model, completion):
    model.answers = [completion(None, refusal="I cannot")]
    with pytest.raises(NodeError, match="I cannot") as caught:
        ask("x")
    assert not caught.value.retryable
    model.answers = [completion("", finish="content_filter")]
    with pytest.raises(NodeError, match="filter"):
        ask("x")


def test_an_answer_that_was_cut_off_says_so(ask, model, completion):
    model.answers = [completion("half an", finish="length")]
    assert ask("x")["finish_reason"] == "length"


def test_answers_are_data(ask, model):
    model.answers = ["${secret} $(rm -rf /)"]
    assert ask("x")["response"] == "${secret} $(rm -rf /)"


@pytest.mark.parametrize(
    ("params", "names"),
    [
        ({"prompt": "x"}, ["model"]),
        ({"prompt": "x", "provider": "echo"}, []),
        ({"prompt": "x", "provider": "replay"}, ["replay_file"]),
        ({"prompt": "x", "model": "m", "api_key": "a", "api_key_env": "B"}, ["api_key_env"]),
        ({"prompt": "x", "model": "m", "output_schema": {"type": "strin"}}, ["output_schema"]),
    ],
)
def test_what_can_be_said_before_anything_runs(check, params, names):
    assert [name for name, _ in check("llm", **params)] == names


def test_without_the_extra(run, monkeypatch):
    import sys

    from batchmill.errors import MissingExtra

    monkeypatch.setitem(sys.modules, "openai", None)
    with pytest.raises(MissingExtra, match=r"batchmill\[llm\]"):
        run("llm", prompt="x", model="m", base_url="http://127.0.0.1:9/")
    document = {
        "budget": {"requests": 2},
        "nodes": [
            {
                "id": "ask",
                "type": "llm",
                "params": {"prompt": "${item}", "model": "m", "base_url": "http://127.0.0.1:9/"},
                "batch": {"items": {"range": [30]}, "executor": "sequential", "error_handling": "continue"},
            }
        ],
    }
    ended = batchmill.run(document)
    assert (ended.status, ended.nodes["ask"]["error_count"]) == ("failed", 1)
    assert "the rest were not tried: MissingExtra" in ended.nodes["ask"]["failure"]
    assert "BudgetUsedUp" not in str(ended.errors)
    assert ended.errors[0]["traceback"] == ""


SPENT = (429, {"error": {"message": "no money left", "code": "insufficient_quota"}}, {})


SPENT_WITHIN = (200, SPENT[1], {})
DEAD_KEY = (401, {"error": {"message": "no such key"}}, {})


@pytest.mark.parametrize("api", ["chat", "responses"])
@pytest.mark.parametrize("answer", [SPENT, SPENT_WITHIN, DEAD_KEY, (402, {}, {})])
def test_a_key_that_is_of_no_use_stops_the_node(model, answer, api):
    pytest.importorskip("openai", reason="the extra `llm` is not installed", exc_type=ImportError)
    model.answers = [answer]
    params = {"prompt": "${item}", "model": "m", "base_url": model.base_url, "api": api}
    batch = {"items": {"range": [30]}, "error_handling": "continue"}
    run = batchmill.run({"nodes": [{"id": "ask", "type": "llm", "params": params, "batch": batch}]})
    assert (run.status, len(model.asked)) == ("failed", 3)
    assert "3 items in a row were denied" in run.nodes["ask"]["failure"]


def test_refusals_that_come_as_successes_are_waited_for_and_cost_nothing(model):
    pytest.importorskip("openai", reason="the extra `llm` is not installed", exc_type=ImportError)
    refusal = {"error": {"code": 429, "message": "try again in 10ms"}}
    model.answers = [(200, refusal, {}), (429, {}, {"retry-after-ms": "5"}), (503, {}, {}), "fine"]
    params = {"prompt": "x", "model": "m", "base_url": model.base_url}
    node = {"id": "ask", "type": "llm", "params": params, "retry": {"max": 2, "max_wait": 0.05}}
    run = batchmill.run({"nodes": [node]})
    assert run.status == "success", run.errors
    assert [call["attempt"] for call in run.llm_calls] == [4]


@pytest.mark.parametrize(("limit", "loads"), [({"rate_limit": {"per_second": 1000}}, [0]), ({}, [])])
def test_what_calls_need_is_imported_before_limits_let_the_first_start(model, monkeypatch, limit, loads):
    """Calls that started during the import would reach the server all at once."""
    pytest.importorskip("openai", reason="the extra `llm` is not installed", exc_type=ImportError)
    seen = []
    load = LlmNode.load

    def watched(params):
        seen.append(len(model.asked))
        load(params)

    monkeypatch.setattr(LlmNode, "load", watched)
    params = {"model": "m", "base_url": model.base_url, "prompt": "${item}"}
    batch = {"items": ["a", "b"], "executor": "thread", **limit}
    batchmill.run({"nodes": [{"id": "ask", "type": "llm", "params": params, "batch": batch}]})
    assert len(model.asked) == 2
    assert seen == loads


def test_what_calls_need_is_not_imported_if_every_answer_is_kept(model, monkeypatch, tmp_path):
    pytest.importorskip("openai", reason="the extra `llm` is not installed", exc_type=ImportError)
    loads = []
    monkeypatch.setattr(LlmNode, "load", lambda params: loads.append(params))
    params = {"model": "m", "base_url": model.base_url, "prompt": "${item}"}
    batch = {"items": ["a", "b"], "executor": "thread", "rate_limit": {"per_second": 1000}}
    nodes = [
        {"id": "ask", "type": "llm", "params": params, "batch": batch},
        {"id": "fails", "type": "code", "params": {"code": "result = 1 / 0"}},
    ]
    journal = tmp_path / "runs.sqlite"
    edges = [{"from": "ask", "to": "fails"}]
    assert batchmill.run({"nodes": nodes, "edges": edges}, journal=journal).status == "failed"
    assert (len(loads), len(model.asked)) == (1, 2)
    assert batchmill.resume(journal=journal).status == "failed"
    assert (len(loads), len(model.asked)) == (1, 2)
