"""What a run changed in its store, applied elsewhere."""

from __future__ import annotations

import copy
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchmill.flow.changes import changes_since, imprint


def carried_over(before, change):
    """Change a copy of ``before``, ship the changes, apply them to ``before``; and how it should look."""
    store = copy.deepcopy(before)
    mark = imprint(store)
    change(store)
    changes = pickle.loads(pickle.dumps(changes_since(mark, store)))
    if changes is not None:
        changes.onto(before)
    return before, store


@pytest.mark.parametrize(
    "change",
    [
        lambda s: s.update(new=1),
        lambda s: s.update(number=2),
        lambda s: s.pop("number"),
        lambda s: s["list"].append({"x": 1}),
        lambda s: s["list"].clear(),
        lambda s: s["list"].insert(0, "first"),
        lambda s: s.update(list=[*s["list"], "end"]),
        lambda s: s["list"][1].update(deep=True),
        lambda s: s["dict"]["in"].append(3),
        lambda s: s["dict"].setdefault("out", {}).update(a=[1]),
        lambda s: s["set"].add(9),
        lambda s: s["set"].discard(1),
        lambda s: s.update(set=[1]),
        lambda s: s.update(dict=None),
        lambda s: s.clear(),
        lambda s: None,
    ],
)
def test_every_kind_of_change_arrives(change):
    before = {"number": 1, "list": [0, {"a": 1}], "dict": {"in": [1, 2]}, "set": {1, 2}, "text": "x"}
    arrived, wanted = carried_over(before, change)
    assert arrived == wanted


def test_what_did_not_change_does_not_travel():
    tool = object()
    store = {"big": list(range(100)), "tool": tool, "deep": {"tool": tool}}
    mark = imprint(store)
    assert changes_since(mark, store) is None
    store["deep"]["n"] = 1
    changes = changes_since(mark, store)
    assert changes is not None
    target = {"big": "kept", "tool": "kept", "deep": {"tool": "kept"}}
    changes.onto(target)
    assert target == {"big": "kept", "tool": "kept", "deep": {"tool": "kept", "n": 1}}


def applied_in_turn(store, *changes):
    """Several runs from the same store, as workers do it, and their changes one after the other."""
    found = []
    for change in changes:
        twin = copy.deepcopy(store)
        mark = imprint(twin)
        change(twin)
        found.append(changes_since(mark, twin))
    for change in found:
        change.onto(store)
    return store


def test_entries_of_two_runs_meet():
    assert applied_in_turn(
        {"log": ["start"], "by_name": {}},
        lambda s: (s["log"].append(1), s["by_name"].update(a=1), s.setdefault("late", []).append("x")),
        lambda s: (s["log"].append(2), s["by_name"].update(b=2), s.setdefault("late", []).append("y")),
    ) == {"log": ["start", 1, 2], "by_name": {"a": 1, "b": 2}, "late": ["x", "y"]}


def test_where_two_runs_set_the_same_key_the_later_entry_stands():
    assert applied_in_turn({"n": 0}, lambda s: s.update(n=1), lambda s: s.update(n=2)) == {"n": 2}


def test_a_change_onto_something_of_another_type_makes_its_own():
    found = changes_since(imprint({"a": []}), {"a": [1], "b": {1}, "c": {"d": 1}})
    target = {"a": "text", "b": "text", "c": "text"}
    found.onto(target)
    assert target == {"a": [1], "b": {1}, "c": {"d": 1}}


values = st.recursive(
    st.none() | st.integers() | st.text(max_size=3) | st.sets(st.integers(), max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3),
    max_leaves=8,
)


@given(
    st.dictionaries(st.text(max_size=2), values, max_size=4),
    st.dictionaries(st.text(max_size=2), values, max_size=4),
)
def test_any_store_turned_into_any_other_arrives(before, after):
    def become(store):
        store.clear()
        store.update(copy.deepcopy(after))

    arrived, wanted = carried_over(before, become)
    assert arrived == wanted
