"""Loops with branches inside them: what can be decided, and which edge is named where it cannot."""

from __future__ import annotations

import pytest

from batchmill.ir.flow_graph import flow_graph
from batchmill.ir.outline import outline_of
from batchmill.ir.rules.loops import loop_faults


def faults(text):
    """Of edges written as ``a>b`` or ``a-x>b``."""
    edges = []
    for one in text.split():
        source, target = one.split(">")
        source, _, action = source.partition("-")
        edges.append({"from": source, "to": target, "action": action or "default"})
    names = dict.fromkeys(name for edge in edges for name in (edge["from"], edge["to"]))
    raw = {"nodes": [{"id": name, "type": "echo"} for name in names], "edges": edges}
    graph = flow_graph(outline_of(raw, []))
    assert graph is not None
    return [(text.split()[fault.path[1]], fault.message) for fault in loop_faults(graph)]


@pytest.mark.parametrize(
    "edges",
    [
        "a>b b-again>a b>c",  # no branches at all
        "a>b a>c b>d c>d d-again>a d>e",  # branches that come together before the loop decides
        "s>a s>y a-again>a a>j y>j",  # a loop in a branch
        "s>a s>y a>b b-again>a b>j y>j j-more>s",  # and a loop around that
        "a>b a>c b>d c>d b-error>d d-again>a",  # an error edge to where they come together
        "a-x>b a-y>c b-again>a c>e",  # a choice is no fan-out
        "a>b a-error>h b-again>a",  # the only one at work may leave
        "a>b b>c b>d c>e d>e e-again>b e-more>a e>f",  # two loops around one fan-out
        "s-x>b s>a a>b b-again>a b>c",  # a loop with two entries
    ],
)
def test_sound_loops(edges):
    assert faults(edges) == []


@pytest.mark.parametrize(
    ("edges", "at", "words"),
    [
        ("a>b a>c b-again>a", ["a>c"], "leads out of the loop of `a` to `c` and goes on inside it at once"),
        ("a>b a>c b-again>a c-again>a", ["b-again>a", "c-again>a"], "other branches of `a` may be at work"),
        ("a>b a>c b>d c>d b-error>h d-again>a", ["b-error>h"], "leads out of the loop of `a`"),
        ("a>b b>a b>c c-again>a", ["b>a"], "leads back to `a` and elsewhere at once"),
        ("a>b a>c b-again>a b>d c>d d-again>a", ["b-again>a", "d-again>a"], "leads back to `a` while"),
        ("s>a a>b a>c b>d c>d c-x>s d-again>a d-more>s", ["c-x>s"], "other branches of `a` may be at work"),
    ],
)  # fmt: skip
def test_what_cannot_be_decided_is_named(edges, at, words):
    found = faults(edges)
    assert {edge for edge, _ in found} == set(at)
    assert words in found[0][1]
