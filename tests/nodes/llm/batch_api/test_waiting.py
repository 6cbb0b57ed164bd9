"""A run that is waited for: looks at its batches, seldom, until the server is done with all of them."""

from __future__ import annotations

import json

DAY = 86400.0


def test_a_day_passes(provider, labelling, go, said):
    provider.seconds = 20 * 3600.0
    go(labelling(["a", "b"]))
    began = provider.clock.time()
    run = go(wait=True, clock=provider.clock)
    assert (run.status, said(run)) == ("success", ["A", "B"])
    assert provider.seconds <= provider.clock.time() - began < DAY
    assert max(provider.clock.sleeps) == 300.0
    assert provider.count("GET", "/batches/batch_1") < 300


def test_what_needs_another_batch_is_waited_for_too(provider, labelling, go, said):
    answers = {"a": iter(["no json", '{"n": 1}']), "b": iter(['{"n": 2}'])}
    provider.answer = lambda body: next(answers[body["messages"][0]["content"]])
    go(labelling(["a", "b"], output_schema={"type": "object", "required": ["n"]}))
    run = go(wait=True, clock=provider.clock)
    assert (run.status, said(run)) == ("success", [{"n": 1}, {"n": 2}])
    assert len(provider.batches) == 2


def test_what_failed_is_not_asked_for_anew_meanwhile(provider, labelling, go, said):
    answers = {"a": iter(["no json", '{"n": 1}'])}
    refused = (400, {"error": {"message": "never"}})
    asked = []

    def answer(body):
        asked.append(body["messages"][0]["content"])
        return next(answers[asked[-1]]) if asked[-1] in answers else refused

    provider.answer = answer
    go(labelling(["a", "b"], output_schema={"type": "object", "required": ["n"]}))
    run = go(wait=True, clock=provider.clock)
    assert (run.status, said(run)) == ("degraded", [{"n": 1}, None])
    assert asked == ["a", "b", "a"]
    go(failed_only=True, wait=True, clock=provider.clock)  # now it is
    assert asked == ["a", "b", "a", "b"]


def test_the_command_says_what_is_waited_for_and_how_it_goes_on(
    provider, labelling, batchmill_command, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "labels.json").write_text(json.dumps(labelling(["a", "b"])))
    code, _, err = batchmill_command("run", "labels.json", "--progress", "none")
    assert code == 6
    assert "ask: 0 ok, 2 waiting" in err
    assert "waiting for 1 batch: 0 of 2 requests answered (batch_1 in_progress)" in err
    assert "collect the answers with: batchmill resume" in err
    code, out, _ = batchmill_command("show")
    assert (code, "waiting for 1 batch" in out) == (0, True)
    provider.clock.advance(DAY)
    assert batchmill_command("resume", "-q")[0] == 0
    assert batchmill_command("run", "labels.json", "--no-journal", "--wait")[0] == 2
