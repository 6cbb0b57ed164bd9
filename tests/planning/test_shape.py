"""Rows and branches of graphs of many shapes; every node is in them exactly once, whatever the edges."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from batchmill.planning.shape import Link, PlanShape, ShapeStep


def shape(*edges: str) -> PlanShape:
    """Edges as ``"ab"``, an action behind a colon, ``<`` before it for a backward one."""
    links = []
    for edge in edges:
        ends, _, action = edge.partition(":")
        links.append(Link(ends[0], action.strip("<") or "default", ends[1], action.startswith("<")))
    return PlanShape("a", links)


def written(row: list[ShapeStep]) -> str:
    """A row as text, its branches in brackets."""
    parts = []
    for step in row:
        inside = "".join(f"[{written(branch)}]" for branch in step.branches)
        parts.append(step.name + inside)
    return "".join(parts)


def test_rows_and_branches() -> None:
    for edges, row in [
        ([], "a"),
        (["ab", "bc"], "abc"),
        (["ab", "ac", "bd", "cd"], "a[b][c]d"),
        (["ab", "bd", "ac", "ce", "df", "ef", "fg"], "a[bd][ce]fg"),
        (["ab", "ac"], "a[b][c]"),
        (["ab", "ac:error"], "a[b][c]"),
        (["ab:go"], "a[b]"),
        (["ab", "bc", "ac:error"], "abc"),
        (["ab", "ac:error", "cb"], "a[c]b"),
        (["ab", "ac", "bd", "be", "df", "ef", "fg", "cg"], "a[b[d][e]f][c]g"),
        (["ab", "ba:<again", "bc:done"], "ab[c]"),
        (["ab", "ac", "ad", "be", "ce", "cf", "df", "eg", "fg"], "a[b][c][d]efg"),
    ]:
        assert written(shape(*edges).rows()) == row, edges


def test_what_waits_for_what() -> None:
    found = shape("ab", "ac:error", "bd", "cd", "dd:<again")
    assert found.before("d") == ["b", "c"]
    assert found.before("a") == []
    assert [link.action for link in found.leaving("d", backward=True)] == ["again"]


def test_a_long_chain_is_no_deep_recursion() -> None:
    links = [Link(str(number), "default", str(number + 1)) for number in range(5000)]
    assert len(PlanShape("0", links).rows()) == 5001


@given(st.sets(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=30))
def test_every_reached_node_is_shown_once_and_behind_what_it_waits_for(pairs: set[tuple[int, int]]) -> None:
    links = [Link(str(low), "default", str(high)) for low, high in sorted(pairs) if low < high]
    found = PlanShape("0", links)
    shown = [name for step in found.rows() for name in step.walk()]
    assert sorted(shown) == sorted(found.order)
    reached = {"0"}
    for link in links:  # in order of their sources, so that one pass reaches all
        reached |= {link.target} if link.source in reached else set()
    assert set(shown) == reached
    for name in shown:
        assert all(shown.index(source) < shown.index(name) for source in found.before(name))
