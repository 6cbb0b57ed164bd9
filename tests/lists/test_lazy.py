"""Lazy lists do what lists do."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchmill.items.selection import Groups
from batchmill.items.together import side_by_side
from batchmill.lists import (
    FlatList,
    JoinedList,
    LazyList,
    MappedList,
    Rows,
    flattened,
    holds_lazy,
    joined,
    mapped,
    materialize,
)


def spilled(values: list[Any]) -> LazyList:
    """A list of these values that is read from a file."""
    rows = Rows(most=0)
    rows.put_run(0, values)
    listed = rows.listed(len(values))
    return listed if isinstance(listed, LazyList) else JoinedList([])


def pieces(values: list[Any]) -> list[list[Any]]:
    """The values in pieces of 0, 1, 2, 0, ... of them."""
    made, at, size = [], 0, 0
    while at < len(values):
        made.append(values[at : at + size])
        at, size = at + size, (size + 1) % 3
    return made


KINDS = {
    "spilled": spilled,
    "mapped": lambda values: MappedList(spilled([[one] for one in values]), lambda one: one[0]),
    "flat": lambda values: FlatList(spilled(pieces(values)), tuple),
    "joined": lambda values: JoinedList([values[:2], [], spilled(values[2:5]), values[5:]]),
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@given(values=st.lists(st.integers(0, 9), max_size=12), index=st.integers(-15, 15), part=st.data())
def test_reads_like_the_list_it_stands_for(kind: str, values: list[int], index: int, part: Any) -> None:
    lazy = KINDS[kind](values)
    assert len(lazy) == len(values)
    assert list(lazy) == values
    assert lazy == values
    assert values == lazy
    assert lazy == KINDS[kind](values)
    seven = [7]
    assert lazy + seven == values + seven
    assert seven + lazy == seven + values
    assert lazy.count(3) == values.count(3)
    assert (3 in lazy) == (3 in values)
    if -len(values) <= index < len(values):
        assert lazy[index] == values[index]
    else:
        with pytest.raises(IndexError):
            lazy[index]
    cut = part.draw(st.slices(max(1, len(values))))
    assert lazy[cut] == values[cut]


@pytest.mark.parametrize("kind", KINDS)
def test_is_not_another_list(kind: str) -> None:
    lazy = KINDS[kind]([1, 2, 3])
    assert lazy != [1, 2]
    assert lazy != [1, 2, 4]
    assert lazy != (1, 2, 3)
    assert lazy != "123"
    with pytest.raises(TypeError):
        hash(lazy)
    with pytest.raises(TypeError):
        lazy + 3


@pytest.mark.parametrize("kind", KINDS)
def test_copies_and_pickles_read_the_same(kind: str) -> None:
    lazy = KINDS[kind]([{"n": 1}, None, "x", 4.5, [1, 2], (3,)])
    for other in (copy.copy(lazy), copy.deepcopy(lazy), pickle.loads(pickle.dumps(lazy))):
        assert list(other) == list(lazy)


def test_shows_its_first_elements() -> None:
    assert repr(spilled([1, "a"])) == "[1, 'a']"
    assert repr(spilled(list(range(1000)))).endswith("19, ... 1,000 in all]")


def test_held_makes_lists_of_lazy_ones_and_keeps_the_rest() -> None:
    plain = {"a": [1, {"b": 2}]}
    assert materialize(plain) is plain
    mixed = {"a": [spilled([1]), 2], "b": {"c": spilled([])}}
    assert holds_lazy(mixed)
    assert materialize(mixed) == {"a": [[1], 2], "b": {"c": []}}
    assert not holds_lazy(materialize(mixed))


@pytest.mark.parametrize("sizes", [[1] * 300, [0] * 200, [0] * 70 + [3] + [0] * 200, [200, 0, 1] * 60, []])
def test_a_flat_list_over_many_elements(sizes: list[int]) -> None:
    elements = [[(n, k) for k in range(size)] for n, size in enumerate(sizes)]
    whole = [one for some in elements for one in some]
    flat = flattened(spilled(elements), tuple)
    assert isinstance(flat, FlatList) or not sizes
    assert len(flat) == len(whole)
    assert list(flat) == whole
    for start in (0, 1, 63, 64, 65, len(whole) - 1, len(whole)):
        for stop in (start, start + 1, start + 64, len(whole)):
            assert flat[start:stop] == whole[start:stop]


def test_lists_made_of_held_ones_are_held() -> None:
    assert mapped((1, 2), str) == ["1", "2"]
    assert joined([[1], (2, 3), []]) == [1, 2, 3]
    assert flattened([[1], [2, 3]], tuple) == [1, 2, 3]
    assert all(type(one) is list for one in (mapped((), str), joined([]), flattened([], tuple)))


def test_lists_made_of_lazy_ones_are_lazy() -> None:
    lazy = spilled([1, 2])
    assert joined([[], lazy]) is lazy
    for one in (mapped(lazy, str), joined([[0], lazy]), flattened([[0], lazy], lambda some: some)):
        assert isinstance(one, LazyList)
    assert joined([[0], lazy]) == flattened([[0], lazy], lambda some: some) == [0, 1, 2]


def present(values: list[Any]) -> LazyList:
    """The values of every second number."""
    rows = Rows(most=0)
    for number, value in enumerate(values):
        rows.put(2 * number, value)
    listed = rows.listed_present()
    return listed if isinstance(listed, LazyList) else JoinedList([])


LARGE = ["a", "b" * 900, "c" * 900, "d" * 5000, *"efgh", "i" * 700, "j" * 700]
LARGE += [f"{number:02}" * 45 for number in range(40)]


@pytest.mark.parametrize(
    ("make", "of_one"),
    [
        (spilled, str),
        (present, str),
        (KINDS["mapped"], str),
        (lambda values: JoinedList([values[:1], spilled(values[1:5]), spilled(values[5:])]), str),
        (lambda values: side_by_side({"a": spilled(values), "b": values}), lambda pair: pair["a"]),
        (lambda values: Groups(spilled(values), 1), lambda group: group[0]),
    ],
    ids=["spilled", "present", "mapped", "joined", "zip", "groups"],
)
def test_a_part_holds_no_more_than_some_bytes_or_one_element(monkeypatch, make, of_one) -> None:
    monkeypatch.setattr("batchmill.lists.rows.READ_BYTES", 2000)
    parts = list(make(LARGE).parts())
    assert [of_one(one) for part in parts for one in part] == LARGE
    assert all(len(part) == 1 or sum(len(of_one(one)) for one in part) <= 2000 for part in parts)
    assert len(parts) < len(LARGE) / 2  # small ones stay together


def test_elements_of_large_lists_are_made_in_parts(monkeypatch) -> None:
    monkeypatch.setattr("batchmill.lists.rows.READ_BYTES", 2000)
    of = [[number, f"{number:03}" * 30] for number in range(200)]
    parts = list(FlatList(spilled(of), tuple).parts())
    assert [one for part in parts for one in part] == [one for pair in of for one in pair]
    assert max(map(len, parts)) <= 2 * 64
