"""Scopes: two levels of names, JSON parsed once, and copies that travel."""

from __future__ import annotations

import copy
import pickle
import threading
from typing import Any

import pytest

from batchmill.template import Scope, compile_value
from batchmill.template import scope as module


def test_a_child_has_names_on_top() -> None:
    base = Scope({"a": 1, "b": 2})
    child = base.child({"b": 3, "item": 4})
    assert (child["a"], child["b"], child["item"]) == (1, 3, 4)
    assert base["b"] == 2
    assert list(child) == ["b", "item", "a"]
    assert "a" in child
    assert "item" not in base
    grandchild = child.child({"item": 5})
    assert (grandchild["item"], grandchild["b"]) == (5, 3)
    with pytest.raises(KeyError):
        child["none"]


def test_a_child_sees_what_is_added_below() -> None:
    values: dict[str, Any] = {}
    child = Scope(values).child({"item": 1})
    values["later"] = 2
    assert child["later"] == 2


def test_children_keep_their_own_list_of_what_did_not_resolve() -> None:
    base = Scope({}, permissive=True)
    first, second = base.child({}), base.child({})
    compile_value("${x}").resolve(first)
    assert (first.unresolved, second.unresolved, base.unresolved) == (["${x}"], [], [])


def count_parses(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    parsed: list[str] = []
    real = module.opened

    def counted(text: str) -> Any:
        parsed.append(text)
        return real(text)

    monkeypatch.setattr(module, "opened", counted)
    return parsed


def test_json_is_parsed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    parsed = count_parses(monkeypatch)
    base = Scope({"src": '{"rows": [1, 2]}'})
    compiled = compile_value("${src.rows[0]} ${src.rows[1]} ${src.rows | count}")
    for _ in range(3):
        assert compiled.resolve(base.child({"item": 1})) == "1 2 2"
    assert parsed == ['{"rows": [1, 2]}']


def test_json_of_an_item_is_forgotten_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    parsed = count_parses(monkeypatch)
    base = Scope({})
    compiled = compile_value("${item.a} ${item.a}")
    for number in range(2):
        assert compiled.resolve(base.child({"item": f'{{"a": {number}}}'})) == f"{number} {number}"
    assert parsed == ['{"a": 0}', '{"a": 1}']
    assert base._texts._parsed == {}


def test_memory_for_parsed_texts_is_bounded() -> None:
    texts = module.ParsedTexts()
    for number in range(1000):
        assert texts.parse(f"[{number}]") == [number]
    assert len(texts._parsed) <= 64


def test_threads_share_parsed_texts() -> None:
    base = Scope({"src": '{"rows": [1, 2, 3]}'})
    compiled = compile_value("${src.rows[*]}")
    results: list[Any] = []
    threads = [
        threading.Thread(target=lambda: results.append(compiled.resolve(base.child({})))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [[1, 2, 3]] * 8


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda scope: pickle.loads(pickle.dumps(scope))])
def test_a_scope_can_be_copied(copied: Any) -> None:
    scope = Scope({"a": '{"b": 1}'}, failed={"c": frozenset({"d"})}, permissive=True).child({"item": [2]})
    assert compile_value("${a.b}").resolve(scope) == 1
    other = copied(scope)
    assert compile_value("${a.b}${item}${x}").resolve(other) == "1[2]${x}"
    assert other.failed == {"c": frozenset({"d"})}
    assert (other.unresolved, scope.unresolved) == (["${x}"], [])
