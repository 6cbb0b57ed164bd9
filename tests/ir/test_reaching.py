"""The search of graphs."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from batchmill.ir.reaching import reached


def test_each_place_once_nearer_ones_first() -> None:
    edges = {"a": ["b", "c"], "b": ["d", "a"], "c": ["d"], "d": ["d"], "e": ["a"]}
    assert reached(["a"], lambda name: edges.get(name, ())) == ["a", "b", "c", "d"]
    assert reached(["d", "e", "d"], lambda name: edges.get(name, ())) == ["d", "e", "a", "b", "c"]
    assert reached([], edges.__getitem__) == []


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=30))
def test_one_step_from_what_is_found_is_found(edges: list[tuple[int, int]]) -> None:
    found = reached([0], lambda place: (end for start, end in edges if start == place))
    assert len(set(found)) == len(found)
    assert all(end in found for start, end in edges if start in found)
