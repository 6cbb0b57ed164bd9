"""The advice: for the items there are, with the numbers of items at which another one is better."""

from __future__ import annotations

import pytest

from batchmill.bench.advice import AdviceStage, against

SEQUENTIAL = {"start": 0.02, "per_item": 0.006, "item": 0.006, "cpu": 1.8}
PROCESS = {"start": 0.2, "per_item": 0.0031, "item": 0.006, "workers": 2}


@pytest.fixture
def advised(compared, costs):
    def call(items=None, counts=(10, 100, 300), **named):
        found, _ = compared({name: costs(**one) for name, one in named.items()}, items=items, counts=counts)
        return found.advice

    return call


def test_for_few_items_the_break_even_of_the_others_is_said(advised):
    found = advised(15, sequential=SEQUENTIAL, process=PROCESS)
    assert found.executor == "sequential"
    assert found.sentence.startswith(
        "For your 15 items: sequential, 2.2 times as fast as process (110 ms, not 246 ms with 200 ms of "
        "start); from 77 items on: process. An item takes 6 ms and keeps a core busy for 100 % of that."
    )
    assert found.stages == (AdviceStage(1, "sequential"), AdviceStage(77, "process"))


def test_for_many_items_the_number_below_which_it_does_not_hold_is_said(advised):
    found = advised(None, sequential=SEQUENTIAL, process=PROCESS)
    assert found.executor == "process"
    assert found.sentence.startswith(
        "For your 300 items: process, 1.6 times as fast as sequential (1.13 s, not 1.82 s); "
        "below 77: sequential."
    )


def test_of_a_single_item_nothing_is_said(advised):
    waiting = {"start": 0.02, "per_item": 0.1, "item": 0.1}
    found = advised(sequential=waiting, thread={**waiting, "per_item": 0.01, "workers": 10})
    assert found.stages[0] == AdviceStage(1, "sequential")
    assert "; the same for any number of items. " in found.sentence


def test_what_was_not_measured_is_told_to_be_computed(advised):
    found = advised(10_000, sequential=SEQUENTIAL, process=PROCESS)
    assert found.sentence.endswith(" Computed from runs of up to 300 items.")
    assert "Computed" not in advised(300, sequential=SEQUENTIAL, process=PROCESS).sentence


def test_a_guess_advises_nothing_for_more_items_than_were_measured(advised):
    guessed = {"start": 0.1, "item": 0.006, "per_item": 0.006, "workers": 10, "cpu": 0.0}
    found = advised(15, counts=(2, 5, 15), sequential=SEQUENTIAL, process=PROCESS, thread=guessed)
    assert [stage.executor for stage in found.stages] == ["sequential", "process"]
    assert " Computed from runs of up to 15 items." in found.sentence
    assert (
        "; whether that changes with more items is not known. "
        in advised(15, counts=(2, 5, 15), sequential=SEQUENTIAL, thread=guessed).sentence
    )


def test_a_guess_that_is_the_best_for_the_measured_items_holds_for_more(advised):
    waiting = {"start": 0.01, "item": 0.1, "per_item": 0.01, "workers": 10, "cpu": 0.0}
    found = advised(5, counts=(2, 5), sequential={"item": 0.1, "per_item": 0.1}, thread=waiting)
    assert (found.executor, found.stages[-1].executor) == ("thread", "thread")


def test_a_difference_that_nobody_would_notice_is_said_to_be_small(advised):
    found = advised(3, sequential=SEQUENTIAL, thread={**SEQUENTIAL, "start": 0.005})
    assert found.sentence.startswith(
        "For your 3 items: sequential (38 ms with 20 ms of start), only 15 ms slower than thread"
    )


def test_a_simpler_one_that_is_hardly_slower_is_told_to_be_as_fast(advised):
    found = advised(sequential=SEQUENTIAL, thread={**SEQUENTIAL, "per_item": 0.00567})
    assert found.sentence.startswith("For your 300 items: sequential, as fast as thread (1.82 s)")


def test_advice_that_single_rounds_contradict_is_not_sure(advised, compared, costs):
    changing = {**PROCESS, "start": (0.2, 5.0, 0.3)}
    found, _ = compared({"sequential": costs(**SEQUENTIAL), "process": costs(**changing)}, rounds=3)
    assert "That is not sure" in found.advice.sentence
    assert "not sure" not in advised(sequential=SEQUENTIAL, process=PROCESS).sentence


def test_executors_whose_runs_failed_are_not_advised(compared, costs):
    found, _ = compared({"sequential": costs(), "thread": costs(per_item=0.001, status="failed")})
    assert (found.advice.executor, len(found.advice.stages)) == ("sequential", 1)
    found, _ = compared({"sequential": costs(status="failed"), "thread": costs(status="failed")})
    assert (found.advice.executor, found.advice.stages) == ("", ())
    assert found.advice.sentence.startswith("No advice")


def test_the_simplest_of_equals_is_taken(advised):
    thread = {**SEQUENTIAL, "start": 0.01}
    found = advised(sequential=SEQUENTIAL, thread=thread)
    assert found.sentence.startswith(
        "For your 300 items: sequential, as fast as thread (1.82 s); the same for any number of items."
    )


def test_what_waits_and_what_is_handed_over_are_told(advised):
    waiting = advised(sequential={**SEQUENTIAL, "cpu": 0.1})
    assert waiting.sentence.startswith("For your 300 items: sequential, nothing else ran; ")
    assert waiting.sentence.endswith("An item takes 6 ms and keeps a core busy for 6 % of that.")
    tiny = {"per_item": 1e-5, "item": 1e-6}
    assert "so the cost of handing it over decides" in advised(sequential=tiny).sentence


def test_the_fastest_interpreter_is_named(compared, costs):
    builds = {"python3": "CPython 3.11", "pypy3": "PyPy 3.11"}
    found, _ = compared({"sequential": costs()}, builds=builds)
    assert found.advice.build == "CPython 3.11"
    assert "sequential on CPython 3.11" in found.advice.sentence


def test_a_document_without_items_needs_no_advice(compared, costs):
    found, _ = compared({"sequential": costs(), "thread": costs()}, items=0, counts=())
    assert found.advice.sentence == "There are no items in a batch, so the executor makes no difference."


@pytest.mark.parametrize(
    ("ratio", "words"),
    [
        (1.82, "1.8 times as fast as"),
        (0.45, "2.2 times slower than"),
        (1.04, "as fast as"),
        (0.96, "as fast as"),
    ],
)
def test_slower_is_told_as_slower(ratio, words):
    assert against(ratio) == words
