"""The summary: at most eight lines, and what they say."""

import pytest

from batchmill.events import Bus, NodeFinished, NodeRetried, RunFinished
from batchmill.events.summary import MOST_LINES, Summary


def error(index, kind="ValueError", message="bad"):
    return {
        "index": index,
        "item": {"n": index},
        "type": kind,
        "message": message,
        "attempts": 1,
        "kind": "exception",
    }


def summed(*events):
    summary = Summary()
    bus = Bus([summary])
    for event in events:
        bus.emit(event)
    return summary.lines()


def test_nothing_to_say_before_the_end():
    assert summed(NodeFinished("a", "success", 1.0)) == []


def test_a_plain_run_is_one_line():
    lines = summed(
        NodeFinished("a", "success", 1.0), NodeFinished("b", "success", 1.0), RunFinished("r", "success", 2.5)
    )
    assert lines == ["success: 2 nodes (2 success) in 2.50 s"]


def test_a_batch_has_counts_throughput_retries_and_error_groups():
    batch = NodeFinished(
        "score", "degraded", 2.0, 97, 3, retries=4, is_batch=True,
        errors=(error(3), error(8), error(9, "KeyError", "'x'")),
    )  # fmt: skip
    lines = summed(NodeRetried("fetch", 1, "no"), batch, RunFinished("r", "degraded", 2.0))
    assert lines == [
        "degraded: 1 node (1 degraded) in 2.00 s",
        "  score: 97 ok, 3 failed, 2.00 s, 50 items/s",
        "  5 more attempts after failures",
        '  2 × ValueError in score, first at item 3 ({"n": 3}): bad',
        "  1 × KeyError in score, first at item 9 ({\"n\": 9}): 'x'",
    ]


def test_a_failed_plain_node_says_why():
    lines = summed(
        NodeFinished("a", "failed", 0.1, error="NodeError: exit code 2"), RunFinished("r", "failed", 0.1)
    )
    assert lines[1:] == ["  a: NodeError: exit code 2"]


def test_never_more_than_eight_lines():
    batches = [
        NodeFinished(
            f"b{n}", "degraded", 1.0, 1, 20, cancelled=2, retries=1, is_batch=True,
            errors=tuple(error(i, f"Error{i}") for i in range(20)),
        )
        for n in range(5)
    ]  # fmt: skip
    for some in (batches[:3], batches):
        lines = summed(*some, RunFinished("r", "degraded", 9.0))
        assert len(lines) <= MOST_LINES
        assert lines[-1].startswith("  and ")
    assert "5 batches: 5 ok, 100 failed, 10 not run" in "\n".join(lines)


def test_items_that_were_not_run_are_no_error_group():
    cancelled = {**error(5, "Cancelled"), "kind": "cancelled"}
    batch = NodeFinished("b", "failed", 1.0, 1, 1, cancelled=1, is_batch=True, errors=(error(2), cancelled))
    lines = summed(batch, RunFinished("r", "failed", 1.0))
    assert lines[1:] == [
        "  b: 1 ok, 1 failed, 1 not run, 1.00 s, 2 items/s",
        '  1 × ValueError in b, first at item 2 ({"n": 2}): bad',
    ]


@pytest.mark.parametrize(
    ("why", "line"),
    [
        (
            "3 items in a row were denied, so the rest were not tried: HTTP401: no",
            ["    3 items in a row were denied, so the rest were not tried"],
        ),
        ("3 items failed and error_handling is fail_fast", []),
    ],
)
def test_it_says_why_the_rest_did_not_run(why, line):
    batch = NodeFinished(
        "b", "failed", 1.0, 0, 3, cancelled=5, is_batch=True, error=why, errors=(error(2, "HTTP401"),)
    )
    lines = summed(batch, RunFinished("r", "failed", 1.0))
    assert lines[2:-1] == line


def test_a_node_that_ran_often_is_one_node():
    lines = summed(
        NodeFinished("a", "failed", 1.0),
        *[NodeFinished("a", "success", 1.0)] * 3,
        RunFinished("r", "success", 4.0),
    )
    assert lines == ["success: 1 node (1 success) in 4.00 s"]


def test_the_errors_of_a_run_take_the_place_of_those_of_its_nodes():
    summary = Summary()
    summary(NodeFinished("a", "failed", 1.0, error="ValueError: no"))
    summary(RunFinished("r", "failed", 1.0))
    summary.take_errors(
        [
            {"node": "a", "index": None, "type": "ValueError", "message": "no", "kind": "exception"},
            {
                "node": None,
                "index": None,
                "type": "UnresolvedReference",
                "message": "gone",
                "kind": "exception",
            },
            {"node": "b", "index": 3, "type": "Cancelled", "message": "x", "kind": "cancelled"},
        ]
    )
    assert summary.errors() == ["a: ValueError: no", "the run: UnresolvedReference: gone"]


def test_how_long_items_took_and_the_command_that_shows_an_example():
    summary = Summary(
        durations=lambda node: f"p50 of {node}", show=lambda node, index: f"show {node} {index}"
    )
    batch = NodeFinished("b", "degraded", 1.0, 1, 1, is_batch=True, errors=(error(2),))
    other = NodeFinished("c", "failed", 1.0, error="NodeError: no")
    for event in (batch, other, RunFinished("r", "failed", 1.0)):
        summary(event)
    assert summary.lines()[1:] == [
        "  b: 1 ok, 1 failed, 1.00 s, 2 items/s, p50 of b",
        '  1 × ValueError in b, first at item 2 ({"n": 2}): bad',
        "    show b 2",
        "  c: NodeError: no",
    ]
