"""What a batch comes to, held or not: the same counts, lists and order."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchmill.batch.results import collector
from batchmill.batch.results.collector import ResultCollector
from batchmill.batch.results.sinks import DroppedResults, KeptResults
from batchmill.block import Block
from batchmill.lists import LazyList, rows
from batchmill.outcome import ErrorInfo, Outcome, cancelled


def blocks_of(kinds: str, size: int) -> list[Block]:
    """Blocks of items: ``o`` succeeded, ``r`` with a record, ``f`` failed, ``c`` never started."""
    made = []
    for start in range(0, len(kinds), size):
        part = kinds[start : start + size]
        special: dict[int, Outcome] = {}
        values: list[Any] = [{"item": start + k} if one in "or" else None for k, one in enumerate(part)]
        for offset, kind in enumerate(part):
            index = start + offset
            if kind == "f":
                special[offset] = Outcome(index, error=ErrorInfo("E", "no"))
            elif kind == "c":
                special[offset] = cancelled(index)
            elif kind == "r":
                special[offset] = Outcome(index, values[offset], records=(index, -index))
        made.append(Block(start, values, [0.0] * len(part), special, range(start, start + len(part))))
    return made


@given(
    kinds=st.text("oorfc", max_size=40),
    rest=st.integers(0, 5),
    size=st.integers(1, 7),
    random=st.randoms(),
    held=st.booleans(),
)
def test_same_lists_however_they_are_kept(kinds: str, rest: int, size: int, random: Any, held: bool) -> None:
    with pytest.MonkeyPatch.context() as patch:
        if not held:
            patch.setattr(rows.Rows.__init__, "__defaults__", (0, 0))
            patch.setattr(collector, "MOST_HELD", 0)
        done = ResultCollector(KeptResults())
        blocks = blocks_of(kinds, size)
        random.shuffle(blocks)
        for one in blocks:
            done.add(one)
        done.add_cancelled(range(len(kinds), len(kinds) + rest), len(kinds))
        count = len(kinds) + rest
        assert (done.count, done.success_count) == (count, sum(kind in "or" for kind in kinds))
        assert (done.error_count, done.cancelled_count) == (kinds.count("f"), kinds.count("c") + rest)
        assert done.complete == (set(kinds) <= set("or") and not rest)
        outputs = done.results.outputs(done.count, complete=done.complete)
        expected = [{"item": k} if kind in "or" else None for k, kind in enumerate(kinds)] + [None] * rest
        assert list(outputs["results"]) == expected
        assert list(outputs["succeeded"]) == [one for one in expected if one is not None]
        every = kinds + "c" * rest
        failed = [(k, kind == "c") for k, kind in enumerate(every) if kind in "fc"]
        assert [(one["index"], one["kind"] == "cancelled") for one in done.errors] == failed
        assert [one["item"] for one in done.errors] == [k for k, _ in failed]
        assert [one["index"] for one in done.tried_errors] == [k for k, one in failed if not one]
        recorded = [(k, (k, -k)) for k, kind in enumerate(kinds) if kind == "r"]
        assert list(done.recorded()) == recorded


def test_items_that_were_out_when_the_batch_broke_off_are_no_successes() -> None:
    done = ResultCollector(KeptResults())
    first, _, third, _ = blocks_of("oooooooo", 2)
    done.add(third)
    done.add(first)
    done.add_cancelled(range(8, 10), 8)
    assert (done.count, done.success_count, done.error_count, done.cancelled_count) == (10, 4, 0, 2)
    assert not done.complete
    assert [one["index"] for one in done.errors] == [8, 9]


def test_a_million_items_that_never_started_are_not_held() -> None:
    done = ResultCollector(DroppedResults())
    done.add(blocks_of("of", 2)[0])
    done.add_cancelled(range(2, 1_000_000), 2)
    assert isinstance(done.errors, LazyList)
    assert len(done.errors) == 999_999
    assert done.errors[0]["index"] == 1
    assert done.errors[-1]["item"] == 999_999
    assert done.results.outputs(done.count, complete=False) == {}
