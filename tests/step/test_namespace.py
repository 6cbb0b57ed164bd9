"""The run's store: what templates find in it, and what a step takes along."""

from __future__ import annotations

from typing import Any

import pytest

from batchmill.errors import UnresolvedReference
from batchmill.step import LLM_CALLS_KEY, Namespace
from batchmill.step.namespace import NodeOutputs
from batchmill.template import Scope, compile_value

BATCH = {
    "results": [1],
    "succeeded": [1],
    "errors": [],
    "count": 1,
    "batch_metadata": {"executor": "thread"},
}


def resolved(template: str, scope: Scope) -> Any:
    return compile_value(template).resolve(scope)


def taken(namespace: Namespace, *templates: str) -> Scope:
    return namespace.snapshot(compile_value(list(templates)).references)


def test_inputs_stand_at_the_root_and_outputs_under_the_id() -> None:
    namespace = Namespace({"name": "zoe"})
    namespace.put("a", {"x": 1})
    assert resolved("${name}:${a.x}", namespace.scope()) == "zoe:1"


def test_recorded_calls_read_like_a_list_in_document_order() -> None:
    namespace = Namespace({})
    namespace.record(["b"], place=1, visit=1)
    namespace.record(["a2"], place=0, visit=2)
    namespace.record(["a1", "a1'"], place=0, visit=1)
    assert namespace.values[LLM_CALLS_KEY] == ["a1", "a1'", "a2", "b"]


def test_a_later_visit_replaces_outputs_and_forgets_the_failure() -> None:
    namespace = Namespace({})
    namespace.set("a", NodeOutputs({"error": "no", "x": 0}, frozenset({"error"})))
    assert resolved("${a.x ?? 9}", namespace.scope()) == 9
    assert resolved("${a.error ?? 9}", namespace.scope()) == "no"
    namespace.put("a", {"x": 1})
    assert resolved("${a.x ?? 9}", namespace.scope()) == 1
    with pytest.raises(UnresolvedReference):
        resolved("${a.error}", namespace.scope())


def test_a_snapshot_holds_what_the_references_reach_and_no_more() -> None:
    namespace = Namespace({"a": 1, "b": 2})
    scope = taken(namespace, "${a}")
    assert list(scope) == ["a"]


def test_a_snapshot_is_not_changed_by_what_happens_later() -> None:
    namespace = Namespace({"a": 1})
    scope = taken(namespace, "${a}")
    namespace.put("a", {"x": 2})
    assert resolved("${a}", scope) == 1


def test_a_snapshot_knows_which_nodes_failed() -> None:
    namespace = Namespace({})
    namespace.set("a", NodeOutputs({"x": 0}, frozenset()))
    assert resolved("${a.x ?? 5}", taken(namespace, "${a.x ?? 5}")) == 5


@pytest.mark.parametrize(
    ("template", "kept"),
    [
        ("${b.count}", {"count", "batch_metadata"}),
        ("${b.results[0]}", {"count", "batch_metadata", "results"}),
        ("${b.errors}", {"count", "batch_metadata", "errors"}),
        ("${b}", set(BATCH)),
        ("${b[${which}]}", set(BATCH)),
    ],
)
def test_item_lists_of_a_batch_travel_only_where_they_are_asked_for(template: str, kept: set[str]) -> None:
    namespace = Namespace({"which": "count"})
    namespace.put("b", dict(BATCH))
    assert set(taken(namespace, template)["b"]) == kept


def test_an_ordinary_node_with_results_travels_whole() -> None:
    namespace = Namespace({})
    namespace.put("b", {"results": [1], "count": 1})
    assert set(taken(namespace, "${b.count}")["b"]) == {"results", "count"}


def test_a_name_that_is_not_there_is_left_to_whoever_resolves() -> None:
    scope = taken(Namespace({}), "${missing}")
    with pytest.raises(UnresolvedReference):
        resolved("${missing}", scope)


def test_permissive_is_handed_down() -> None:
    scope = taken(Namespace({}, permissive=True), "${missing}")
    assert resolved("${missing}", scope) == "${missing}"
    assert scope.unresolved == ["${missing}"]
