"""Outcomes and blocks of them."""

from __future__ import annotations

import pickle

import pytest

from batchmill.block import Block
from batchmill.outcome import Commands, ErrorInfo, Outcome, Tried, cancelled

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


def filled() -> Block:
    """Four items of worker 2: the third began later than the second ended."""
    outcomes = [
        Outcome(10, "a", wall=0.5, worker=2),
        Outcome(11, error=ERROR, attempts=3, wall=0.25),
        Outcome(12, "c", wall=1.0),
        Outcome(13, "d", wall=2.0),
    ]
    block = Block.made(10, outcomes, "wxyz")
    block.begin(0, 100.0)
    block.begin(2, 101.0)
    return block


def told(block: Block) -> list[tuple[int, object, float, float | None, int | None]]:
    return [(one.index, one.value, one.wall, one.began, one.worker) for one in block.outcomes()]


FILLED = [
    (10, "a", 0.5, 100.0, 2),
    (11, None, 0.25, 100.5, 2),
    (12, "c", 1.0, 101.0, 2),
    (13, "d", 2.0, 102.0, 2),
]


def test_an_item_begins_when_the_one_before_it_ended_unless_something_else_is_said() -> None:
    block = filled()
    assert told(block) == FILLED
    assert block.begins() == [100.0, 100.5, 101.0, 102.0]
    assert [block.began_at(offset) for offset in range(5)] == [100.0, 100.5, 101.0, 102.0, 104.0]
    assert Block(0, [1], [0.5]).begins() == [None]
    assert Block(0, [1, 2], [0.5, 0.5], began={0: 7.0}).begins() == [7.0, 7.5]


@pytest.mark.parametrize("start", range(5))
@pytest.mark.parametrize("end", [*range(5), None])
def test_a_part_tells_of_its_items_what_the_whole_did(start: int, end: int | None) -> None:
    part = filled().part(start, end)
    assert told(part) == FILLED[start:end]
    assert part.items == "wxyz"[start:end]
    assert len(part.failures) == sum(one[1] is None for one in FILLED[start:end])


@pytest.mark.parametrize("at", range(5))
def test_parts_put_together_are_the_whole(at: int) -> None:
    first, rest = filled().part(0, at), filled().part(at)
    first.extend(rest)
    assert told(first) == FILLED
    assert first.special == filled().special


@pytest.mark.parametrize("at", range(1, 3))
def test_neighbours_of_several_workers_keep_theirs(at: int) -> None:
    block = Block.of_values(10, "abc", "xyz", (0.5, 0.25, 1.0), (100.0, 100.1, 100.2), (4, 2, 3))
    whole = [(10, "a", 0.5, 100.0, 4), (11, "b", 0.25, 100.1, 2), (12, "c", 1.0, 100.2, 3)]
    assert told(block) == whole
    first, rest = block.part(0, at), block.part(at)
    assert told(first) + told(rest) == whole
    assert rest.worker == (4, 2, 3)[at]
    first.extend(rest)
    assert told(first) == whole
    first.move(lambda _: (1.0, 7))
    assert first.each_worker() == [7, 7, 7]


def test_items_whose_begin_nobody_knows_do_not_get_that_of_others() -> None:
    block = filled()
    block.extend(Block(14, ["e", "f"], [1.0, 1.0]))
    assert block.begins()[3:] == [102.0, None, None]
    block = Block(9, ["z"], [1.0])
    block.extend(filled())
    assert block.begins()[:2] == [None, 100.0]


def test_another_outcome_in_place_of_one_leaves_the_times() -> None:
    block = filled()
    block.replace(1, Outcome(11, "b"))
    assert (block.failures, block.values[1]) == ([], "b")
    block.replace(0, Outcome(10, error=ERROR))
    assert ([one.index for one in block.failures], block.values[0]) == ([10], None)
    assert [one[2:] for one in told(block)] == [one[2:] for one in FILLED]


def test_what_earlier_attempts_took_is_added_and_no_other_item_begins_later_for_it() -> None:
    block = filled()
    earlier = Outcome(10, wall=3.0, records=("call",), tried=(Tried(90.0, 3.0, 0, "ValueError", "bad"),))
    block.put_before(0, earlier)
    assert told(block) == [(10, "a", 3.5, 100.0, 2), *FILLED[1:]]
    assert block.outcome(0).records == ("call",)
    assert block.outcome(0).tried == (*earlier.tried, Tried(100.0, 0.5, 2))


def test_a_block_of_outcomes_has_their_times_and_worker() -> None:
    outcomes = [Outcome(3, "v", wall=0.5, began=7.0, worker=1), Outcome(4, None, ERROR, worker=1)]
    block = Block.made(3, outcomes, ("x", "y"))
    assert list(block.outcomes()) == outcomes


def test_what_commands_took_stays_with_its_item() -> None:
    block = Block(10, ["a", "b"], [0.1, 0.2])
    block.ran(1, Commands(0.5, 3))
    block.ran(0, None)
    block.extend(Block.of(Outcome(12, "c", commands=Commands(None, 4)), "z"))
    assert block.commands == {1: Commands(0.5, 3), 2: Commands(None, 4)}
    assert block.part(1).commands == {0: Commands(0.5, 3), 1: Commands(None, 4)}
    block.put_before(2, Outcome(12, commands=Commands(0.25, 1)))
    assert [one.commands for one in block.outcomes()] == [None, Commands(0.5, 3), Commands(0.25, 5)]
    assert block.outcome(1).commands == Commands(0.5, 3)
