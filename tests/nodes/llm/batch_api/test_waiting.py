"""A run that is waited for: looks at its batches, seldom, until the server is done with all of them."""

from __future__ import annotations

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
