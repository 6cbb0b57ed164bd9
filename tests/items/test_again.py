"""Groups of rows that are read once more from their source."""

from __future__ import annotations

import pytest

from batchmill.errors import StorageError
from batchmill.items.again import Again

CHOICE = {"skip": 0, "limit": None, "sample": None, "seed": 0, "batch_size": 2, "first": None}


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("n\n" + "".join(f"{n}\n" for n in range(7)))
    return str(path)


def again(table, keep_bad=False, **choice):
    return Again({"csv": [table]}, keep_bad, {**CHOICE, **choice})


def numbers(group):
    return [int(row["n"]) for row in group]


@pytest.mark.parametrize("order", [[0, 1, 2, 3], [3, 0, 2], [1, 1], [2, 3, 1]])
def test_groups_are_read_in_any_order(table, order):
    rows = again(table)
    found = [rows.group(index) for index in order]
    assert [numbers(group) for group, _ in found] == [list(range(7))[2 * at : 2 * at + 2] for at in order]
    last = order[-1]
    assert found[-1][1] == f"{table}, rows {2 * last + 1} to {min(7, 2 * last + 2)}"


def test_the_choice_of_rows_counts(table):
    group, place = again(table, skip=3, limit=3).group(1)
    assert (numbers(group), place) == ([5], f"{table}, rows 6 to 6")
    assert again(table, sample=3, seed=1).group(0)[1] == table


def test_a_bad_row_is_an_item_of_its_own(tmp_path):
    path = tmp_path / "bad.csv"
    path.write_text("n,m\n1,1\n2\n3,3\n4,4\n")
    rows = again(str(path), keep_bad=True)
    assert numbers(rows.group(1)[0]) == [1, 3]
    assert rows.group(2) == ([{"n": "4", "m": "4"}], f"{path}, rows 4 to 4")


def test_a_source_that_has_become_shorter_or_is_gone(table, tmp_path):
    rows = again(table)
    with pytest.raises(StorageError, match=r"rows\.csv has only 4 items now"):
        rows.group(4)
    assert numbers(rows.group(0)[0]) == [0, 1]
    (tmp_path / "rows.csv").unlink()
    with pytest.raises(StorageError, match=r"rows\.csv"):
        rows.group(0)
