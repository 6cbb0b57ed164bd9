"""The tries of ``exec`` go through the engine's attempts."""

from __future__ import annotations

from batchmill.errors import NodeError
from batchmill.flow import Node
from batchmill.flow.tries import Tries


def test_as_many_as_the_node_says_and_as_far_apart() -> None:
    tries = Tries(3, 2.5)
    assert [tries.again(retry, ValueError()) for retry in range(3)] == [2.5, 2.5, None]
    assert [Tries(50, 0).again(retry, ValueError()) for retry in (0, 48, 49)] == [0, 0, None]


def test_a_failure_that_would_come_again_is_the_last() -> None:
    assert Tries(3, 2.5).again(0, NodeError("no", retryable=False)) is None


def test_a_counter_that_is_set_back_does_not_make_it_endless() -> None:
    class Stubborn(Node):
        calls = 0

        def exec(self, prep_res: object) -> None:
            Stubborn.calls += 1
            self.cur_retry = 0
            raise ValueError

        def exec_fallback(self, prep_res: object, exc: Exception) -> str:
            return "gave up"

        def post(self, shared: object, prep_res: object, exec_res: object) -> object:
            return exec_res

    assert Stubborn(max_retries=4).run({}) == "gave up"
    assert Stubborn.calls == 4
