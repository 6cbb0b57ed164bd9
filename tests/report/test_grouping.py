"""Failures alike make a group; what is left out is counted."""

from __future__ import annotations

import pytest

from batchmill.report.grouping import MOST_EXAMPLES, MOST_GROUPS, MOST_MORE, MOST_SHOWN, Grouping, pattern_of
from batchmill.report.parts import Run
from batchmill.report.rows import FailureRow, Row


@pytest.fixture
def run():
    return Run("7f3a", "flow.json", "failed", 0.0, 1.0)


def failed(index, message, **more):
    return Row("n", index, "failed", float(index), 1.0, error="E", message=message, **more)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("page 17 is gone", "page 3 is gone"),
        ("no such file: '/tmp/a b'", "no such file: '/tmp/c'"),
        ("cannot read /data/x/1.txt", "cannot read /data/y/22.txt"),
        ("GET https://a.example/1 broke", "GET https://b.example/2?q broke"),
        ("object at 0x7f3a00", "object at 0x1"),
        ("id 3f2504e0-4f89-11d3-9a0c-0305e82c3301 lost", "id 00000000-4f89-11d3-9a0c-0305e82c3301 lost"),
    ],
)
def test_what_differs_between_alike_is_left_out(one, other):
    assert pattern_of(one) == pattern_of(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("HTTP 404", "HTTP 500"),
        ("exit code 1", "exit code 2"),
        ("no page", "no file"),
        ("errno 2", "errno 13"),
    ],
)
def test_what_tells_them_apart_stays(one, other):
    assert pattern_of(one) != pattern_of(other)


def test_groups_have_counts_times_and_examples(run):
    made = Grouping(run, with_values=True)
    for index in range(100):
        made.add(failed(index, f"page {index} broke"))
    made.add(failed(7, "exit code 9", exit_code=9, failure=FailureRow(input='{"id": 7}', stderr="oh no")))
    told = made.failures()
    first, second = told.groups
    assert (told.total, first.count, first.first, first.last) == (101, 100, 1.0, 100.0)
    assert first.pattern == "page … broke"
    assert len(first.examples) == MOST_EXAMPLES
    assert len(told.more) == 100 - MOST_EXAMPLES
    (example,) = second.examples
    assert (example.input, example.stderr, example.exit_code) == ('{"id": 7}', "oh no", 9)
    assert [one.text for one in example.commands] == ["batchmill show 7f3a --node n --item 7"]


def test_a_message_that_is_always_the_same_is_told_as_it_is(run):
    made = Grouping(run, with_values=True)
    for index in range(3):
        made.add(failed(index, "'colour'"))
        made.add(failed(index, f"row {index} is 'red'"))
    assert [one.pattern for one in made.failures().groups] == ["'colour'", "row … is …"]


def test_values_are_left_out_where_they_are_not_wanted(run):
    made = Grouping(run, with_values=False)
    made.add(failed(0, "no", failure=FailureRow("in", "params", "out", "err")))
    (example,) = made.failures().groups[0].examples
    assert (example.input, example.params, example.stdout, example.stderr) == (None, None, "", "")


def test_too_many_groups_are_counted_and_memory_does_not_grow(run):
    made = Grouping(run, with_values=True)
    letters = [f"{chr(97 + one // 26)}{chr(97 + one % 26)}" for one in range(MOST_GROUPS + 60)]
    for index, kind in enumerate(letters * 12):
        made.add(failed(index, f"kind {kind} broke"))
    told = made.failures()
    assert len(told.groups) == MOST_SHOWN
    assert len(told.more) == MOST_MORE
    assert sum(one.count for one in told.groups) + told.ungrouped == told.total == len(letters) * 12


def test_examples_are_cut_and_together_bounded(run):
    made = Grouping(run, with_values=True)
    for index in range(MOST_SHOWN):
        for _ in range(MOST_EXAMPLES):
            long = FailureRow("i" * 10_000, "p" * 10_000, "o" * 10_000, "e" * 10_000, "t" * 10_000)
            made.add(failed(index, f"{'x' * index}{'y' * (MOST_SHOWN - index)}", failure=long))
    examples = [one for group in made.failures().groups for one in group.examples]
    assert MOST_SHOWN - 16 <= len(examples) < MOST_SHOWN * MOST_EXAMPLES
    assert max(len(one.traceback) for one in examples) == 1500
