"""Recorded answers: written once, played back, whole lines only."""

from __future__ import annotations

import asyncio
import json
import os
import stat
from concurrent.futures import ThreadPoolExecutor

import pytest

from batchmill.concurrency.resources import close_resources
from batchmill.errors import NodeError
from batchmill.nodes.llm.question import ModelReply, ModelRequest, Provider, Question
from batchmill.nodes.llm.replay import Recording, ReplayProvider
from batchmill.values.masking import Masker
from batchmill.values.redaction import MASK


@pytest.fixture
def path(tmp_path):
    yield str(tmp_path / "answers.jsonl")
    close_resources()


def test_an_answer_is_asked_for_once(ask, model, path, monkeypatch):
    monkeypatch.setenv("SOME_KEY", "sk-canary-0123456789")
    more = {"provider": "replay", "replay_file": path, "api_key_env": "SOME_KEY"}
    first = ask("Who?", **more)
    close_resources()
    monkeypatch.delenv("SOME_KEY")
    again = ask("Who?", **more)  # no key is needed for what is there
    assert again.pop("llm_usage") == {**first.pop("llm_usage"), "calls": 0, "cost": 0, "kept": True}
    assert again == first
    assert len(model.asked) == 1
    assert ask("Who?", **more, on_missing="fail")["response"] == "hello"
    with open(path) as file:
        text = file.read()
    assert "canary" not in text
    assert json.loads(text)["reply"]["text"] == "hello"


def test_a_recording_is_private_and_holds_no_secret(path):
    """An answer may repeat the key it was asked with; what is played back of it has none either."""
    masker = Masker(["sk-canary-0123456789"])
    recording = Recording(path)
    old = os.umask(0)
    try:
        recording.add(
            "k",
            question("use sk-canary-0123456789" + "x" * 300),
            ModelReply("wrong key sk-canary-0123456789"),
        )
    finally:
        os.umask(old)
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    with open(path) as file:
        entry = json.loads(file.read())
    assert entry["reply"]["text"] == f"wrong key {MASK}"
    assert entry["prompt"].startswith(f"use {MASK}xxx")
    assert recording.find("k").text == "wrong key sk-canary-0123456789"
    assert Recording(path).find("k").text == f"wrong key {MASK}"
    assert masker.knows_any


def test_another_question_is_another_answer(ask, path, model):
    more = {"provider": "replay", "replay_file": path}
    ask("Who?", **more)
    for change in (
        {"prompt": "Whom?"},
        {"model": "n"},
        {"temperature": 1},
        {"system": "x"},
        {"max_tokens": 5},
    ):
        ask(**{"prompt": "Who?", **more, **change})
    assert len(model.asked) == 6


def test_what_is_not_there_fails(ask, path):
    with pytest.raises(NodeError, match="no recorded answer") as caught:
        ask("Who?", provider="replay", replay_file=path, on_missing="fail")
    assert not caught.value.retryable


def question(text):
    return Question("m", ({"role": "user", "content": text},))


def test_lines_that_were_cut_off(path, caplog):
    Recording(path).add("a", question("a"), ModelReply("A"))
    with open(path, "a") as file:
        file.write('{"key": "b", "re')
    again = Recording(path)
    assert again.find("a") == ModelReply("A")
    assert again.find("b") is None
    again.add("c", question("c"), ModelReply("C"))
    last = Recording(path)
    assert (last.find("a"), last.find("b"), last.find("c")) == (ModelReply("A"), None, ModelReply("C"))
    assert "skipped a line" in caplog.text


def test_what_others_add_is_found(path):
    one, other = Recording(path), Recording(path)
    assert one.find("a") is None
    other.add("a", question("a"), ModelReply("é"))
    assert one.find("a") == ModelReply("é")


def test_many_threads_record(path):
    class Source(Provider):
        async def ask(self, request):
            return ModelReply(request.question.prompt.upper())

    provider = ReplayProvider(path, Source)

    def answer(n):
        asked = question(f"q{n % 20}")
        if (found := provider.recall(asked)) is None:
            provider.keep(
                asked, found := asyncio.run(provider.ask(ModelRequest(asked, None, 1, lambda: None)))
            )
        return found

    with ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(answer, range(200)))
    assert [reply.text for reply in replies] == [f"Q{n % 20}" for n in range(200)]
    with open(path) as file:
        assert {json.loads(line)["prompt"] for line in file} == {f"q{n}" for n in range(20)}


def test_a_fingerprint_is_that_of_the_content():
    one = Question("m", ({"role": "user", "content": "x"},), options={"a": 1, "b": 2})
    same = Question("m", ({"content": "x", "role": "user"},), options={"b": 2, "a": 1})
    assert one.fingerprint() == same.fingerprint()
    assert one.fingerprint() != question("x").fingerprint()
