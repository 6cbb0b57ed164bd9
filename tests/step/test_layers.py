"""Layers of the namespace: what branches see of one another, and what is there where they meet."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from batchmill.step import LLM_CALLS_KEY, Namespace
from batchmill.step.namespace import MOST_LAYERS, NodeOutputs, joined


def test_a_layer_sees_what_is_below_and_keeps_its_own():
    root = Namespace({"n": 1})
    root.put("a", {"x": 1})
    left, right = root.layer(), root.layer()
    left.put("b", {"x": 2})
    assert (left.values["a"], left.values["b"], left.values["n"]) == ({"x": 1}, {"x": 2}, 1)
    assert "b" not in right.values
    assert "b" not in root.values


def test_where_branches_meet_all_is_seen():
    root = Namespace({})
    root.put("a", {"x": 1})
    left, right = root.layer(), root.layer()
    left.put("b", {"x": 2})
    right.set("c", NodeOutputs({"error": "no"}, frozenset({"error"})))
    both = joined([left, right])
    assert set(both.values) == {"a", "b", "c", LLM_CALLS_KEY}
    assert dict(both.failed) == {"c": frozenset({"error"})}


def test_of_several_visits_the_latest_counts_whatever_the_order():
    root = Namespace({})
    root.set("a", NodeOutputs({"x": 1}, visit=1))
    old, new = root.layer(), root.layer()
    new.set("a", NodeOutputs({"x": 2}, visit=2))
    old.set("a", NodeOutputs({"x": 1}, visit=1))
    assert joined([old, new]).values["a"] == {"x": 2}
    assert joined([new, old]).values["a"] == {"x": 2}


def test_calls_of_branches_come_in_document_order():
    root = Namespace({})
    root.record(["a"], place=0, visit=1)
    left, right = root.layer(), root.layer()
    right.record(["b"], place=1, visit=1)
    left.record(["c"], place=2, visit=1)
    assert left.values[LLM_CALLS_KEY] == ["a", "c"]
    assert joined([left, right]).values[LLM_CALLS_KEY] == ["a", "b", "c"]


def test_a_dropped_node_has_no_outputs_and_a_failed_one_keeps_what_it_says():
    root = Namespace({})
    root.put("a", {"x": 1})
    root.set("b", NodeOutputs({"error": "no"}, frozenset({"error"})))
    above = root.layer()
    above.drop(["a", "b", "never ran"])
    assert set(above.values) == {"b", LLM_CALLS_KEY}
    assert "a" in root.values


def test_many_layers_do_not_make_a_deep_pile():
    view = Namespace({})
    for number in range(10 * MOST_LAYERS):
        view.put(f"n{number}", {"x": number})
        view = view.layer()
    assert view._depth <= MOST_LAYERS
    assert len(view.values) == 10 * MOST_LAYERS + 1
    assert view.values["n0"] == {"x": 0}


def test_many_meetings_do_not_make_a_deep_pile():
    view = Namespace({})
    for number in range(5 * MOST_LAYERS):
        left, right = view.layer(), view.layer()
        left.put(f"l{number}", {"x": number})
        right.put(f"r{number}", {"x": number})
        view = joined([left, right])
    assert view._depth <= MOST_LAYERS
    assert len(view.values) == 10 * MOST_LAYERS + 1


@given(
    st.lists(
        st.tuples(st.sampled_from(["put", "fork", "join"]), st.integers(0, 5), st.integers(0, 5)), max_size=60
    )
)
def test_layers_hold_what_plain_copies_would(events):
    """The reference copies the whole store at each fork."""
    views, plain = [Namespace({})], [{}]
    for number, (kind, first, second) in enumerate(events):
        one, other = first % len(views), second % len(views)
        if kind == "put":
            view = views[one].layer()
            view.set(f"n{number % 7}", NodeOutputs({"x": number}, visit=number + 1))
            views.append(view)
            plain.append({**plain[one], f"n{number % 7}": number})
        elif kind == "fork":
            views.append(views[one].layer())
            plain.append(dict(plain[one]))
        else:
            views.append(joined([views[one], views[other]]))
            both = {**plain[one]}
            for name, value in plain[other].items():
                both[name] = max(value, both.get(name, -1))
            plain.append(both)
    for view, expected in zip(views, plain, strict=True):
        found = {name: value["x"] for name, value in view.values.items() if name != LLM_CALLS_KEY}
        assert found == expected
