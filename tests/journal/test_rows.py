"""Rows of the journal: the same whether made one by one or many at once, and back to outcomes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchmill.block import Block
from batchmill.journal.contract import NOT_KEPT, OK, Codec
from batchmill.journal.files import LARGE, ValueFiles
from batchmill.journal.outcome_rows import PLAIN_WIDTH, FullRow, OutcomeRows
from batchmill.journal.rows import SHORT, KnownRow, RowWriter, outcome_of
from batchmill.values.masking import Masker

CODEC = Codec(list, tuple)
VALUES = st.one_of(
    st.dictionaries(st.sampled_from("abc"), st.integers() | st.text(max_size=3), max_size=3),
    st.sampled_from(
        [(1,), {"a": (1,)}, {1: 2}, float("nan"), b"x", ["", "~", ""], "~", "s" * SHORT, "x" * 9000, None]
    ),
)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> ValueFiles:
    return ValueFiles(tmp_path_factory.mktemp("values"))


def writer(files: ValueFiles, masker: Masker | None = None) -> RowWriter:
    return RowWriter(files, CODEC, masker or Masker(), 3, lambda digest: None, 1000.0)


def told(rows: OutcomeRows) -> list[tuple[Any, ...]]:
    """All rows in the order of their ids."""
    plain = [tuple(rows.plain[at : at + PLAIN_WIDTH]) for at in range(0, len(rows.plain), PLAIN_WIDTH)]
    assert len(rows) == len(plain) + len(rows.full)
    return sorted([*plain, *rows.full], key=lambda row: row[0])


@given(st.lists(st.tuples(VALUES, VALUES), min_size=8, max_size=20), st.sampled_from([None, "secret"]))
def test_rows_made_at_once_are_those_made_one_by_one(files: ValueFiles, pairs: Any, secret: Any) -> None:
    made = writer(files, Masker([secret]) if secret else None)
    items, values = [item for item, _ in pairs], [value for _, value in pairs]
    walls = [0.25 * n for n in range(len(pairs))]
    block = Block(0, values, walls, {}, items, {0: 7.0}, 2)
    several = told(made.plain_rows(100, block))
    alone = [told(made.plain_rows(100 + n, block.part(n, n + 1)))[0] for n in range(len(pairs))]
    assert several == alone
    assert [row[0] for row in several] == list(range(100, 100 + len(pairs)))


def test_most_rows_have_neither_key_nor_detail(files: ValueFiles) -> None:
    rows = writer(files).plain_rows(
        0, Block(5, [{"result": n} for n in range(9)], [0.5] * 9, {}, range(9), {0: 7.0}, 2)
    )
    assert told(rows) == [(n, 3, OK, str(n), f'{{"result":{n}}}', 0.5, 1007.0 + n / 2, 2) for n in range(9)]


@pytest.mark.parametrize("count", [1, 9])
def test_what_needs_more_is_among_the_others(files: ValueFiles, count: int) -> None:
    values: list[Any] = [{"result": 1}] * count
    long, large = "i" * (SHORT + 1), "v" * (LARGE + 1)
    made = writer(files).plain_rows(
        0, Block(0, [*values, (1,), large], [0.0] * (count + 2), {}, [long, *range(count), 7])
    )
    rows = told(made)
    assert isinstance(rows[0], FullRow)
    assert isinstance(rows[-1], FullRow)
    assert isinstance(rows[0].key, bytes)
    assert rows[count][:6] == (count, 3, NOT_KEPT, str(count - 1), "[1]", 0.0)
    assert rows[-1].value is None
    found = outcome_of(KnownRow(1, 0, None, None, 0.5, rows[-1].detail), 7, files, CODEC)
    assert found is not None
    assert (found[0].index, found[0].value) == (7, large)


def test_items_beyond_the_values_are_left_out(files: ValueFiles) -> None:
    for count in (2, 10):
        assert (
            len(writer(files).plain_rows(0, Block(0, [None] * count, [0.0] * count, {}, range(count + 5))))
            == count
        )
