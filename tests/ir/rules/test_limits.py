"""Rate limits and budgets that limit nothing, or contradict each other."""

from __future__ import annotations

import pytest

from batchmill.ir.models import read_workflow
from batchmill.ir.outline import outline_of
from batchmill.ir.rules.limits import limit_faults


def faults(*limits, budget=None, **keys):
    nodes = [
        {"id": f"n{number}", "type": "echo", "batch": {"items": [1], "rate_limit": limit}, **keys}
        for number, limit in enumerate(limits)
    ]
    raw = {"nodes": nodes or [{"id": "a", "type": "echo", **keys}]}
    if budget is not None:
        raw["budget"] = budget
    _, structural = read_workflow(raw)
    assert structural == []
    return [
        (".".join(map(str, fault.path)), fault.message) for fault in limit_faults(outline_of(raw, []), budget)
    ]


@pytest.mark.parametrize(
    "limits",
    [
        [{"per_second": 5}],
        [{"per_second": 5, "burst": 2, "tokens_per_minute": 9e5, "max_concurrent": 3, "key": "api"}],
        [{"per_second": 5, "key": "api"}, {"key": "api"}],
        [{"per_second": 5, "key": "api"}, {"per_second": 5.0, "key": "api"}],
        [{"per_second": 5, "key": "api"}, {"per_second": 7, "key": "other"}],
        [{"per_second": 5}, {"per_second": 7}],
    ],
)
def test_sound_limits(limits):
    assert faults(*limits) == []


@pytest.mark.parametrize(
    ("limits", "where", "words"),
    [
        ([{}], "nodes.0.batch.rate_limit", "limits nothing"),
        ([{"key": "x"}], "nodes.0.batch.rate_limit", "no other node has the key `x`"),
        ([{"burst": 2}], "nodes.0.batch.rate_limit.burst", "has no effect without `per_second`"),
        (
            [{"per_second": 5, "key": "x"}, {"per_second": 6, "key": "x"}],
            "nodes.1.batch.rate_limit.per_second",
            "the key `x` has 5 at $.nodes[0].batch.rate_limit.per_second, not 6",
        ),
    ],
)
def test_what_limits_nothing_or_contradicts(limits, where, words):
    found = faults(*limits)
    assert found[0][0] == where
    assert words in found[0][1]


def test_a_node_has_its_limit_in_one_place():
    found = faults({"per_second": 5}, rate_limit={"per_second": 5})
    assert found == [("nodes.0.rate_limit", "the node has a `rate_limit` and its `batch` has another")]


def test_a_budget_has_something_in_it():
    assert faults(budget={"usd": 0}) == []
    assert faults(budget={}) == [("budget", "limits nothing")]
    assert faults({"per_second": 1}, rate_limit=None, budget=None) == []
    assert [where for where, _ in faults(budget=None)] == []
