"""What executors differ in is told of each there is, and of no other."""

from typing import get_args

from batchmill.executors.registry import KINDS
from batchmill.ir.models.batch import ExecutorName
from batchmill.mapping.keywords import Executor
from batchmill.traits import TRAITS


def test_every_list_of_executors_is_the_same() -> None:
    assert set(TRAITS) == set(KINDS) == set(get_args(ExecutorName)) == set(get_args(Executor))


def test_what_takes_an_executors_place_in_a_worker_stays_in_the_process() -> None:
    for traits in TRAITS.values():
        assert traits.in_process == (not traits.within_worker)
        assert traits.in_process or TRAITS[traits.within_worker].in_process
