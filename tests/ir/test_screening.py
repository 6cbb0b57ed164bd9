"""What is no JSON is found, and what cannot be walked safely is refused."""

from __future__ import annotations

import pytest

from batchmill.ir import screening
from batchmill.ir.screening import MAX_DEPTH, Unwalkable, screen


class Text(str):
    __slots__ = ()


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        (float("nan"), ()),
        ({"a": [1, float("inf")]}, ("a", 1)),
        ({"a": {1: 2}}, ("a",)),
        ({"a": {1, 2}}, ("a",)),
        ({"a": (1, 2)}, ("a",)),
        ({"a": b"x"}, ("a",)),
        ({"a": 10**5000}, ("a",)),
    ],
)
def test_what_json_does_not_have_is_a_fault_at_its_place(raw, path):
    (fault,) = screen(raw)
    assert fault.path == path
    assert fault.message


def test_every_fault_is_found():
    assert len(screen({"a": float("nan"), "b": [float("inf"), object()]})) == 3


def test_plain_json_has_none():
    assert (
        screen({"a": [1, 1.5, None, True, "é😀", "\ud800", Text("x"), {}, []], "b": {"c": {"d": -(10**300)}}})
        == []
    )


def nested(levels):
    value = []
    for _ in range(levels - 1):
        value = [value]
    return value


def test_depth_has_a_limit():
    assert screen(nested(MAX_DEPTH)) == []
    with pytest.raises(Unwalkable, match="nested deeper"):
        screen(nested(MAX_DEPTH + 1))


def test_a_value_within_itself_is_refused():
    loop = []
    loop += [loop, loop]
    with pytest.raises(Unwalkable, match="nested deeper"):
        screen(loop)


def test_a_value_that_is_shared_over_and_over_is_refused(monkeypatch):
    monkeypatch.setattr(screening, "MAX_VALUES", 10_000)
    shared = [1] * 10
    for _ in range(9):
        shared = [shared] * 10
    with pytest.raises(Unwalkable, match="more than 10,000 values"):
        screen(shared)
