"""Every item in columns of bytes, and back."""

from __future__ import annotations

import pytest

from batchmill.report import columns
from batchmill.report.columns import CellStore, unpack
from batchmill.report.rows import Row


def stored(rows, total, wall=100.0, in_order=True):
    store = CellStore(wall)
    for row in rows:
        store.add(store.of("n", in_order), row)
    (told,) = store.end({"n": total})
    return told


def test_items_come_back_whatever_the_order_they_came_in():
    rows = [
        Row("n", 2, "failed", 99.0, 0.5, 3),
        Row("n", 0, "ok", 12.0, 2.0, 0),
        Row("n", 1, "retried", 1.0, 1e-7, 300),
    ]
    told = stored(rows, 5)
    assert (told.items, told.cells, told.group) == (5, 5, 1)
    cells = list(unpack(told))
    assert [one.state for one in cells] == ["ok", "retried", "failed", "not run", "not run"]
    assert [one.slot for one in cells] == [0, 254, 3, None, None]
    assert cells[0].wall == pytest.approx(2.0, rel=0.045)
    assert [one.start for one in cells[:3]] == [pytest.approx(at, abs=told.tick) for at in (12.0, 1.0, 99.0)]
    assert (cells[3].wall, cells[3].start) == (None, None)


def test_an_item_that_nobody_timed_has_a_duration_and_no_start():
    (cell,) = unpack(stored([Row("n", 0, "ok", None, 2.0)], 1))
    assert (cell.start, cell.slot) == (None, None)
    assert cell.wall == pytest.approx(2.0, rel=0.045)


def test_neighbours_share_a_cell_where_there_are_many_and_the_worst_is_shown(monkeypatch):
    monkeypatch.setattr(columns, "MOST_CELLS", 10)
    rows = [Row("n", index, "ok", float(index), 1.0, index % 4) for index in range(33)]
    rows[6] = Row("n", 6, "died", 6.0, 8.0, 2)
    told = stored(rows, 33)
    cells = list(unpack(told))
    assert (told.items, told.cells, told.group) == (33, 9, 4)
    assert [one.state for one in cells] == ["ok", "died", *["ok"] * 7]
    assert cells[1].wall == pytest.approx(8.0, rel=0.045)
    assert [round(one.start) for one in cells] == [4 * number for number in range(9)]


@pytest.mark.slow
def test_a_hundred_thousand_items_fit_in_a_page(simulated):
    told = stored(simulated(100_000, seconds=0.01).every_row(), 100_000, wall=80.0)
    assert told.group == 1
    assert len(told.data) < columns.MOST_BYTES
