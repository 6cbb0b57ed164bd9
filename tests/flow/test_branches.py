"""Several nodes after one, and one after several, in threads and in an event loop."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from batchmill import AsyncFlow, AsyncNode, AsyncParallelBatchFlow, BatchFlow, Flow, Node
from batchmill.errors import InvalidSetting


class Step(Node):
    """Notes its name, after ``meets``, if anything, has let it."""

    def __init__(self, name: str, action: Any = None, meets: Any = None) -> None:
        super().__init__()
        self.name = name
        self.action = action
        self.meets = meets

    def exec(self, _: Any) -> Any:
        if self.meets is not None:
            self.meets.wait()
        return self.name.upper()

    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> Any:
        shared.setdefault("seen", []).append(self.name)
        return self.action(shared) if callable(self.action) else self.action


class AsyncStep(AsyncNode):
    """The same, awaited."""

    def __init__(self, name: str, action: Any = None, meets: Any = None) -> None:
        super().__init__()
        self.name = name
        self.action = action
        self.meets = meets

    async def exec_async(self, _: Any) -> Any:
        if self.meets is not None:
            self.meets.set()
            while not all(one.is_set() for one in self.meets.others):
                await asyncio.sleep(0)
        return self.name.upper()

    async def post_async(self, shared: Any, prep_res: Any, exec_res: Any) -> Any:
        return Step.post(self, shared, prep_res, exec_res)  # type: ignore[arg-type]  # it is the same


KINDS = [Step, AsyncStep]


def seen(start: Any) -> str:
    """The names of the nodes in the order that they ended, neighbours of two branches sorted."""
    shared: dict[str, Any] = {}
    first = start[0] if isinstance(start, list) else start
    if isinstance(first, AsyncStep):
        asyncio.run(AsyncFlow(start).run_async(shared))
    else:
        Flow(start).run(shared)
    return "".join(shared["seen"])


@pytest.mark.parametrize("kind", KINDS)
def test_nodes_of_a_list_follow_together_and_are_followed_once(kind):
    a, b, c, d, e = map(kind, "abcde")
    assert (a >> [b, c] >> d >> e) is e
    assert seen(a) in ("abcde", "acbde")


@pytest.mark.parametrize("kind", KINDS)
def test_a_branch_may_be_long_and_a_list_may_lead_to_one(kind):
    a, b, c, d, x = map(kind, "abcdx")
    a >> (b, c)
    b >> x
    assert ([x, c] >> d) is d
    assert seen(a) in ("abcxd", "acbxd", "abxcd")


@pytest.mark.parametrize("kind", KINDS)
def test_branches_within_a_branch_meet_where_all_do(kind):
    a, b, c, d, e, f = map(kind, "abcdef")
    a >> [b, c]
    b >> [d, e]
    [d, e, c] >> f
    told = seen(a)
    assert (told[0], told[-1], len(told), sorted(told)) == ("a", "f", 6, list("abcdef"))


@pytest.mark.parametrize("kind", KINDS)
def test_a_join_waits_for_no_branch_that_turned_elsewhere(kind):
    a, c, d, e = map(kind, "acde")
    b = kind("b", "bad")
    a >> [b, c] >> d
    b - "bad" >> e
    told = seen(a)
    assert sorted(told) == list("abcde")
    assert told[-1] == "d"


@pytest.mark.parametrize("kind", KINDS)
def test_a_join_may_lead_back(kind):
    a, b, c = map(kind, "abc")
    d = kind("d", lambda shared: "again" if shared["seen"].count("d") < 2 else "enough")
    a >> [b, c] >> d
    d - "again" >> a
    d - "enough" >> None
    told = seen(a)
    assert ([told[0], told[3], told[4], told[7]], len(told)) == (["a", "d", "a", "d"], 8)


@pytest.mark.parametrize("kind", KINDS)
def test_nodes_that_lead_to_one_another_run_one_at_a_time(kind):
    once = lambda shared: "default" if len(shared["seen"]) < 3 else "end"  # noqa: E731
    a, b = kind("a", once), kind("b", once)
    a >> b
    b >> a
    for node in (a, b):
        node - "end" >> None
    assert seen([a, b]) in ("aba", "abab")


def test_branches_run_at_the_same_time():
    both = threading.Barrier(2, timeout=10)
    a = Step("a")
    a >> [Step("b", meets=both), Step("c", meets=both)]
    assert sorted(seen(a)) == ["a", "b", "c"]


def test_branches_are_awaited_at_the_same_time():
    class Meets(asyncio.Event):
        others: list[asyncio.Event]

    first, second = Meets(), Meets()
    first.others, second.others = [second], [first]
    assert sorted(seen([AsyncStep("b", meets=first), AsyncStep("c", meets=second)])) == ["b", "c"]


class Fails(Step):
    def exec(self, _: Any) -> Any:
        raise ValueError(self.name)


def test_a_failure_ends_the_flow_once_the_other_branch_is_through_its_node(given_time: Any):
    begun, failed, late = threading.Event(), threading.Event(), Step("late")
    heard = 0.0  # seconds that the flow has to hear of the failure

    class Slow(Step):
        def exec(self, _: Any) -> Any:
            begun.set()
            assert failed.wait(30)

    class FailsFirst(Fails):
        def exec_fallback(self, prep_res: Any, exc: Exception) -> Any:
            assert begun.wait(10)
            threading.Timer(heard, failed.set).start()
            raise exc

    a = Step("a")
    slow = Slow("slow")
    a >> [FailsFirst("x"), slow]
    slow >> late

    def check(seconds: float) -> None:
        nonlocal heard
        heard = seconds
        begun.clear()
        failed.clear()
        shared: dict[str, Any] = {}
        with pytest.raises(ValueError, match="x"):
            Flow(a).run(shared)
        assert shared["seen"] == ["a", "slow"]

    given_time(check)


@pytest.mark.parametrize("wrong", [[], [None], [Step]])
def test_what_is_no_list_of_nodes_is_refused(wrong):
    with pytest.raises(InvalidSetting, match="must hold nodes"):
        Step("a") >> wrong


def test_the_action_of_branches_is_theirs_where_it_is_one():
    shared: dict[str, Any] = {}
    assert Flow([Step("a", "x"), Step("b", "x")]).run(shared) == "x"
    assert Flow([Step("a", "x"), Step("b", "y")]).run(shared) is None


class Square(Node):
    def prep(self, shared: Any) -> Any:
        return self.params["n"]

    def exec(self, n: int) -> int:
        return n * n

    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> Any:
        shared.setdefault("squares", []).append(exec_res)


class Negative(Square):
    def exec(self, n: int) -> int:
        return -n


class Each(BatchFlow):
    def prep(self, shared: Any) -> Any:
        return [{"n": n} for n in range(3)]

    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> Any:
        shared["results"] = exec_res


class EachAwaited(AsyncParallelBatchFlow):
    async def prep_async(self, shared: Any) -> Any:
        return [{"n": n} for n in range(3)]

    async def post_async(self, shared: Any, prep_res: Any, exec_res: Any) -> Any:
        shared["results"] = exec_res


@pytest.mark.parametrize("executor", [None, "sequential", "thread", "process"])
@pytest.mark.slow
def test_results_of_the_entries_of_a_batch_flow(executor):
    first = Square()
    first >> [Square(), Negative()]
    for start, results in ((Square(), [0, 1, 4]), (first, [[0, 0], [1, -1], [4, -2]])):
        shared: dict[str, Any] = {}
        Each(start, executor=executor, results=True).run(shared)
        assert shared["results"] == results
        asyncio.run(EachAwaited(start, executor=executor, results=True).run_async(shared))
        assert shared["results"] == results
    assert sorted(shared["squares"]) == sorted([0, 0, 0, 1, 1, -1, 4, 4, -2] * 2)


def test_results_without_asking_for_them_are_those_of_pocketflow():
    shared: dict[str, Any] = {}
    Each(Square()).run(shared)
    assert shared["results"] is None
    Each(Square(), executor="sequential").run(shared)
    assert shared["results"] == [None] * 3
    with pytest.raises(InvalidSetting, match="results must be"):
        Each(Square(), results="yes")
