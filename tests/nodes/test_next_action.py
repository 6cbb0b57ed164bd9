"""Which actions code may choose, told from its text."""

from __future__ import annotations

import pytest

from batchmill.nodes.next_action import chosen_actions


@pytest.mark.parametrize(
    ("code", "actions"),
    [
        ("result = 1", []),
        ("next = 'a'", ["a"]),
        ("if x:\n    next = 'a'\nelse:\n    next = 'b'", ["a", "b"]),
        ("next = 'a' if x else 'b' if y else 'c'", ["a", "b", "c"]),
        ("next = x and 'a' or 'b'", None),
        ("next = 'a' or 'b'", ["a", "b"]),
        ("next: str = 'a'", ["a"]),
        ("other = next = 'a'", ["a"]),
        ("(next := 'a')", ["a"]),
        ("next = {'x': 'a', 'y': 'b'}[x]", ["a", "b"]),
        ("next = ('a', 'b')[x]", ["a", "b"]),
        ("try:\n    next = 'a'\nfinally:\n    pass", ["a"]),
        ("result = next(iter([1]))", []),
        ("def f():\n    next = 'mine'\n    return next\nresult = f()", []),
        ("next = x", None),
        ("next = f'{x}'", None),
        ("next, y = 'a', 'b'", None),
        ("for next in 'ab': pass", None),
        ("next += 'a'", None),
        ("import next", None),
        ("from x import y as next", None),
        ("with x as next: pass", None),
        ("def f():\n    global next\n    next = 'a'\nf()", None),
        ("globals()['next'] = 'a'", None),
        ("exec('next = 1')", None),
        ("match x:\n    case next: pass", None),
        ("this is no python", None),
    ],
)
def test_told_from_the_text(code, actions):
    assert chosen_actions(code) == (None if actions is None else {"default", *actions})
