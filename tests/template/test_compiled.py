"""Structures with templates in them: constants, places of faults, copies."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest

from batchmill.errors import KeyCollision, TemplateSyntaxError, UnresolvedReference
from batchmill.template import Scope, StructureSyntaxError, compile_value, syntax_errors

STRUCTURE = {"a": "${x}", "b": [1, {"c": "t ${y.z} ${x}"}, ["plain"]], "d": {"e": []}, "f": None}
SCOPE = Scope({"x": 7, "y": {"z": "Z"}})


def test_a_structure_keeps_its_shape_and_order() -> None:
    compiled = compile_value(STRUCTURE)
    made = compiled.resolve(SCOPE)
    assert made == {"a": 7, "b": [1, {"c": "t Z 7"}, ["plain"]], "d": {"e": []}, "f": None}
    assert list(made) == list(STRUCTURE)
    assert [one.text for one in compiled.references] == ["x", "y.z", "x"]
    assert [one.text for one in compiled.expressions] == ["${x}", "${y.z}", "${x}"]
    assert [keys for keys, _ in compiled.located] == [("a",), ("b", 1, "c"), ("b", 1, "c")]
    assert not compiled.constant


@pytest.mark.parametrize(
    "value", [{"a": [1, {"b": None}]}, [], "text", "$HOME", 3, None, True, {"only": {"x": []}, "y": "$${z}"}]
)
def test_constants_are_fresh_every_time(value: Any) -> None:
    compiled = compile_value(value)
    assert compiled.constant
    first, second = compiled.resolve(SCOPE), compiled.resolve(SCOPE)
    assert first == second
    assert pickle.dumps(first) == pickle.dumps(second)
    if isinstance(first, (dict, list)):
        assert not {id(one) for one in containers(first)} & {id(one) for one in containers(second)}
        assert not {id(one) for one in containers(first)} & {id(one) for one in containers(value)}


def test_containers_beside_templates_are_fresh_too() -> None:
    compiled = compile_value(STRUCTURE)
    first = compiled.resolve(SCOPE)
    first["d"]["e"].append(1)
    first["b"][2].append(1)
    first["b"][1]["new"] = 1
    assert compiled.resolve(SCOPE) == compile_value(STRUCTURE).resolve(SCOPE)
    assert STRUCTURE["d"] == {"e": []}


def containers(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [value, *(found for one in value.values() for found in containers(one))]
    if isinstance(value, list):
        return [value, *(found for one in value for found in containers(one))]
    return []


def test_escapes_in_constants() -> None:
    assert compile_value(["$${a}", "b $${c}"]).resolve(SCOPE) == ["${a}", "b ${c}"]


def test_a_change_of_the_source_is_not_seen() -> None:
    source: dict[str, Any] = {"a": ["${x}"]}
    compiled = compile_value(source)
    source["a"].append("${gone}")
    assert compiled.resolve(SCOPE) == {"a": [7]}
    assert pickle.loads(pickle.dumps(compiled)).resolve(SCOPE) == {"a": [7]}


def test_faults_say_where() -> None:
    broken = {"inputs": {"n": "${a", "m": "ok"}, "list": [1, "${b.}"], "${": 1}
    with pytest.raises(StructureSyntaxError) as caught:
        compile_value(broken)
    assert caught.value.path == ("inputs", "n")
    assert caught.value.position == 0
    assert str(caught.value).startswith("inputs.n: the ${ is never closed")
    assert isinstance(caught.value, TemplateSyntaxError)
    again = pickle.loads(pickle.dumps(caught.value))
    assert (again.path, str(again)) == (caught.value.path, str(caught.value))
    assert [fault.path for fault in syntax_errors(broken)] == [("inputs", "n"), ("list", 1), ("${",)]
    assert syntax_errors(STRUCTURE) == []
    with pytest.raises(StructureSyntaxError, match=r"^a filter is expected"):
        compile_value("${a |}")


def test_depth_is_limited() -> None:
    deep: Any = "${x}"
    for _ in range(150):
        deep = [deep]
    assert compile_value(deep).expressions
    for _ in range(5000):
        deep = [deep]
    with pytest.raises(StructureSyntaxError, match="more than 200 levels"):
        compile_value(deep)


def test_copies_are_cheap() -> None:
    compiled = compile_value(STRUCTURE)
    assert copy.deepcopy(compiled) is compiled
    assert copy.copy(compiled) is compiled
    assert len(pickle.dumps(compiled)) < len(pickle.dumps(STRUCTURE)) + 100
    assert pickle.loads(pickle.dumps(compiled)).resolve(SCOPE) == compiled.resolve(SCOPE)


class TestKeys:
    """Templates in the keys of objects."""

    def resolved(self, value, at=(), **names):
        return compile_value(value, at=at).resolve(Scope(names))

    def test_they_are_resolved_like_those_in_values_at_any_depth(self):
        written = {"${x}": [{"p-${y.z}": "${x}", "plain": 1}], "$${x}": 0}
        found = self.resolved(written, x="a", y={"z": 7})
        assert found == {"a": [{"p-7": "a", "plain": 1}], "${x}": 0}
        assert list(found) == ["a", "${x}"]

    @pytest.mark.parametrize(
        ("value", "key"), [(3, "3"), (True, "True"), (1.5, "1.5"), ("", ""), ("a b", "a b")]
    )
    def test_a_key_is_text(self, value, key):
        assert self.resolved({"${x}": 1}, x=value) == {key: 1}

    @pytest.mark.parametrize("value", [None, [1], {"a": 1}])
    def test_what_makes_no_key_is_an_error_with_its_place(self, value):
        with pytest.raises(UnresolvedReference, match=r"\$\{x\}.*key of headers\.inner"):
            self.resolved({"inner": {"${x}": 1}}, at=("headers",), x=value)

    def test_two_keys_that_become_the_same_are_an_error_with_both_and_the_place(self):
        with pytest.raises(KeyCollision, match=r"body\.0: the keys 'a' and '\$\{x\}' both become 'a'"):
            self.resolved([{"a": 1, "${x}": 2}], at=("body",), x="a")

    def test_each_item_gets_its_own(self):
        compiled = compile_value({"${item}": {"n": "${item}"}})
        assert [compiled.resolve(Scope({"item": one})) for one in "ab"] == [
            {"a": {"n": "a"}},
            {"b": {"n": "b"}},
        ]

    def test_a_reference_in_a_key_is_one_of_the_structure(self):
        compiled = compile_value({"k": {"${a.b}": "${c}"}}, at=("data",))
        assert [path.text for path in compiled.references] == ["a.b", "c"]
        assert [place for place, _ in compiled.located] == [("data", "k", "${a.b}"), ("data", "k", "${a.b}")]
        again = pickle.loads(pickle.dumps(compiled))
        assert again.resolve(Scope({"a": {"b": "x"}, "c": 1})) == {"k": {"x": 1}}

    def test_what_is_missing_is_told_or_stays_in_a_permissive_scope(self):
        with pytest.raises(UnresolvedReference, match="nope"):
            self.resolved({"p${nope}": 1})
        scope = Scope({}, permissive=True)
        assert compile_value({"p${nope}": 1}).resolve(scope) == {"p${nope}": 1}
        assert scope.unresolved == ["${nope}"]

    def test_one_that_cannot_be_read_is_told_with_its_place(self):
        with pytest.raises(StructureSyntaxError, match=r"^data\.\$\{x: the \$\{ is never closed"):
            compile_value({"${x": 1}, at=("data",))
