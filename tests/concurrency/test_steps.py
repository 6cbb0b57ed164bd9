"""The steps of an end are all done."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from batchmill.concurrency.steps import do_all


def test_each_step_is_done_in_order_and_the_last_fault_is_raised_with_the_one_before() -> None:
    done: list[int] = []

    def step(number: int, fault: BaseException | None = None) -> Callable[[], None]:
        def do() -> None:
            done.append(number)
            if fault is not None:
                raise fault

        return do

    steps = [step(1), step(2, KeyError("first")), step(3), step(4, KeyboardInterrupt()), step(5)]
    with pytest.raises(KeyboardInterrupt) as raised:
        do_all(steps)
    assert done == [1, 2, 3, 4, 5]
    assert isinstance(raised.value.__context__, KeyError)


def test_without_a_fault_none_is_raised() -> None:
    done: list[int] = []
    do_all([lambda: done.append(1), lambda: done.append(2)])
    assert done == [1, 2]
