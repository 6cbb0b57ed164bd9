"""Outcomes and blocks of them."""

from __future__ import annotations

import pickle

import pytest

from batchmill.outcome import Block, ErrorInfo, Outcome, cancelled

ERROR = ErrorInfo("ValueError", "bad", traceback="...", outputs={"code": 3})


def test_plain_is_a_success_with_nothing_to_tell() -> None:
    assert Outcome(0, 1).plain
    assert not Outcome(0, 1, attempts=2).plain
    assert not Outcome(0, 1, records=(1,)).plain
    assert not Outcome(0, error=ERROR).plain
    assert Outcome(0, None).ok
    assert not Outcome(0, error=ERROR).ok


def test_an_error_entry_is_plain_data() -> None:
    assert Outcome(4, error=ERROR, attempts=2).as_error("item") == {
        "index": 4,
        "item": "item",
        "type": "ValueError",
        "message": "bad",
        "attempts": 2,
        "kind": "exception",
        "traceback": "...",
    }
    with pytest.raises(ValueError, match="a success has no error entry"):
        Outcome(4, 1).as_error("item")


def test_a_block_holds_neighbours_in_columns() -> None:
    failed = Outcome(12, error=ERROR, attempts=3)
    block = Block(10, ["a", "b", None], [0.1, 0.2, 0.3], {2: failed}, ("x", "y", "z"))
    assert len(block) == 3
    assert block.failures == [failed]
    assert list(block.outcomes()) == [
        Outcome(10, "a", wall=0.1),
        Outcome(11, "b", wall=0.2),
        Outcome(12, error=ERROR, attempts=3, wall=0.3),
    ]


def test_a_block_of_one() -> None:
    plain = Block.of(Outcome(3, "v", wall=0.5), "item")
    assert (plain.start, plain.values, plain.walls, plain.special, plain.items) == (
        3,
        ["v"],
        [0.5],
        {},
        ("item",),
    )
    special = Outcome(3, "v", attempts=2)
    assert Block.of(special, "item").special == {0: special}


def test_outcomes_travel() -> None:
    block = Block(0, [1, None], [0.0, 0.0], {1: Outcome(1, error=ERROR)})
    assert pickle.loads(pickle.dumps(block)) == block


def test_cancelled_items_were_not_started_or_were_ended_by_force() -> None:
    never, forced = cancelled(3), cancelled(4, 2)
    assert never.error is not None
    assert forced.error is not None
    assert (never.attempts, forced.attempts) == (0, 2)
    assert never.error.kind == forced.error.kind == "cancelled"
    assert "before the item started" in never.error.message
    assert "by force" in forced.error.message
