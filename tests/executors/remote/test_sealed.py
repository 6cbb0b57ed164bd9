"""Values that pass through an agent unopened."""

from __future__ import annotations

import pickle

import pytest

from batchmill.errors import InternalError
from batchmill.executors.pickling import pickler
from batchmill.executors.remote.sealed import SealedItems, SealedTask


def sealed(*items: object) -> SealedItems:
    return SealedItems(bytes(pickler.dumps(list(items), [])), 0, len(items))


def there(value: object) -> object:
    return pickle.loads(bytes(pickler.dumps(value, [])))


def test_what_arrives_are_the_items() -> None:
    items = sealed(1, "two", {"three": 3})
    assert len(items) == 3
    assert there(items) == [1, "two", {"three": 3}]
    assert there(items[1:]) == ["two", {"three": 3}]
    assert there(items[1:][0:1]) == ["two"]
    assert there([items[1:][1]]) == [{"three": 3}]
    assert there(items[3:9]) == []


def test_there_is_no_item_beyond_the_last() -> None:
    with pytest.raises(IndexError):
        sealed(1)[1]


def test_a_task_arrives_as_itself_and_does_not_run_on_the_way() -> None:
    task = SealedTask(pickle.dumps([1, 2]))
    assert there(task) == [1, 2]
    with pytest.raises(InternalError):
        task.run(1, 0, None)  # type: ignore[arg-type]  # it is not looked at
