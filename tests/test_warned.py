"""Warnings are plain data, told once each, and listed in an order that does not depend on what ran first."""

from __future__ import annotations

import threading

import pytest

from batchmill.warned import Warned, Warnings


@pytest.mark.parametrize(
    ("warned", "text"),
    [
        (Warned("c", "no"), "the document: no"),
        (Warned("c", "no", "do", "$"), "the document: no; do"),
        (Warned("c", "no", path="$.a", line=3, column=4), "$.a (line 3, column 4): no"),
        (Warned("c", "no", path="$.a", source="sub.yaml"), "sub.yaml: $.a: no"),
        (Warned("c", "no", path="$.nodes[0]", node="a[3].b"), "a[3].b: no"),
    ],
)
def test_in_words(warned, text):
    assert str(warned) == text


def test_each_kind_is_told_once_and_many_items_of_a_node_are_one():
    told = []
    warnings = Warnings(told.append)
    for index in range(5):
        warnings.add(Warned("cut", f"{index} bytes are missing", node=f"a[{index}]"))
        warnings.add(Warned("cut", "of a node inside", node=f"a[{index}].b"))
    warnings.add(Warned("cut", "first", path="$.x"))
    warnings.add(Warned("cut", "second", path="$.x"))
    warnings.add(Warned("cut", "second", path="$.x"))
    assert [one.message for one in told] == ["0 bytes are missing", "of a node inside", "first", "second"]


def test_those_of_the_document_come_first_and_those_of_nodes_in_its_order():
    warnings = Warnings()
    for number in (10, 9, 100):
        warnings.add(Warned("c", "m", path=f"$.nodes[{number}]", node=f"n{number}"))
    warnings.add(Warned("c", "later", path="$.z"))
    warnings.add(Warned("c", "sooner", path="$.a"))
    assert [one.node or one.message for one in warnings.listed()] == ["later", "sooner", "n9", "n10", "n100"]


def test_any_thread_may_add():
    told = []
    warnings = Warnings(told.append)

    def add():
        for number in range(200):
            warnings.add(Warned("c", str(number)))

    threads = [threading.Thread(target=add) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(told) == len(warnings.listed()) == 200
