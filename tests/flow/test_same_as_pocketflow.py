"""What a PocketFlow program relies on. The same expectations run against PocketFlow where it is installed."""

from __future__ import annotations

import asyncio
import copy
import importlib.util
import pickle
import sys
import traceback
import warnings
from types import ModuleType
from typing import Any

import pytest

ORIGINAL = ["pocketflow"] if importlib.util.find_spec("pocketflow") else []  # compared where it is installed


@pytest.fixture(params=["batchmill.flow", *ORIGINAL])
def lib(request: pytest.FixtureRequest) -> ModuleType:
    return importlib.import_module(request.param)


def recorded(work: Any) -> tuple[Any, list[str]]:
    """What ``work`` returns and the texts of the warnings it gives."""
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        result = work()
    assert all(one.category is UserWarning for one in seen)
    return result, [str(one.message) for one in seen]


def said(texts: list[str], *expected: str) -> bool:
    """Whether the warnings begin like those, and ours also name the class of the node."""
    return len(texts) == len(expected) and all(map(str.startswith, texts, expected))


def step(lib: ModuleType, name: str, action: Any = None) -> Any:
    """A node that notes its name in the store and returns ``action``."""

    class Step(lib.Node):  # type: ignore[name-defined,misc]
        def post(self, shared: Any, prep_res: Any, exec_res: Any) -> Any:
            shared.setdefault("seen", []).append(name)
            return action(shared) if callable(action) else action

    return Step()


def test_a_node_prepares_executes_and_posts(lib):
    class Double(lib.Node):
        def prep(self, shared):
            return shared["n"]

        def exec(self, n):
            return n * 2

        def post(self, shared, n, doubled):
            shared["out"] = (n, doubled)
            return "done"

    shared = {"n": 4}
    assert Double().run(shared) == "done"
    assert shared == {"n": 4, "out": (4, 8)}


def test_a_bare_base_node_does_nothing(lib):
    node = lib.BaseNode()
    assert node.run({}) is None
    assert (node.params, node.successors) == ({}, {})
    assert node.prep({}) is None
    assert node.exec(1) is None
    assert node.post({}, 1, 2) is None


def test_nodes_keep_the_arguments_they_were_made_with(lib):
    node = lib.Node(3, 0.5)
    assert (node.max_retries, node.wait) == (3, 0.5)
    assert (lib.Node().max_retries, lib.Node().wait) == (1, 0)
    assert lib.AsyncParallelBatchNode(max_retries=4, wait=2).max_retries == 4


def test_arrows_return_the_node_they_lead_to(lib):
    a, b, c = lib.Node(), lib.Node(), lib.Node()
    assert (a >> b >> c) is c
    assert (a - "other" >> c) is c
    assert a.successors == {"default": b, "other": c}
    assert b.next(c, "x") is c


def test_overwriting_a_successor_warns(lib):
    a = lib.Node()
    a >> lib.Node()
    _, texts = recorded(lambda: a >> lib.Node())
    assert said(texts, "Overwriting successor for action 'default'")
    a - "x" >> lib.Node()
    _, texts = recorded(lambda: a - "x" >> lib.Node())
    assert said(texts, "Overwriting successor for action 'x'")


def test_an_action_is_text(lib):
    with pytest.raises(TypeError, match=r"^Action must be a string$"):
        lib.Node() - 3


def test_running_a_node_with_successors_warns(lib):
    node = lib.Node()
    node >> lib.Node()
    assert said(recorded(lambda: node.run({}))[1], "Node won't run successors. Use Flow.")


def test_running_an_async_node_with_successors_warns(lib):
    node = lib.AsyncNode()
    node >> lib.Node()
    texts = recorded(lambda: asyncio.run(node.run_async({})))[1]
    assert said(texts, "Node won't run successors. Use AsyncFlow.")


def test_an_async_node_cannot_be_run_in_the_sync_way(lib):
    with pytest.raises(RuntimeError, match=r"^Use run_async\.$"):
        lib.AsyncNode().run({})
    with pytest.raises(RuntimeError, match=r"^Use run_async\.$"):
        lib.Flow(lib.AsyncNode()).run({})
    with pytest.raises(RuntimeError, match=r"^Use run_async\.$"):
        lib.AsyncFlow(lib.AsyncNode()).run({})


def test_a_flow_follows_actions_round_a_loop(lib):
    count = step(lib, "count", lambda shared: "again" if len(shared["seen"]) < 5 else "enough")
    end = step(lib, "end", "over")
    count - "again" >> count
    count - "enough" >> end
    shared: dict[str, Any] = {}
    assert lib.Flow(start=count).run(shared) == "over"
    assert shared["seen"] == ["count"] * 5 + ["end"]


def test_an_action_without_successor_ends_the_flow_with_a_warning(lib):
    node = step(lib, "a", "lost")
    node - "found" >> step(lib, "b")
    node - "kept" >> step(lib, "c")
    result, texts = recorded(lambda: lib.Flow(node).run({}))
    assert result == "lost"
    assert said(texts, "Flow ends: 'lost' not found in ['found', 'kept']")


def test_no_action_means_default_and_is_called_none_in_the_warning(lib):
    node = step(lib, "a")
    node - "found" >> step(lib, "b")
    assert said(recorded(lambda: lib.Flow(node).run({}))[1], "Flow ends: 'None' not found in ['found']")


def test_a_node_without_successors_ends_the_flow_silently(lib):
    assert recorded(lambda: lib.Flow(step(lib, "a", "whatever")).run({})) == ("whatever", [])


def test_start_sets_the_first_node(lib):
    flow, shared = lib.Flow(), {}
    flow.start(step(lib, "a")).next(step(lib, "b")) >> step(lib, "c")
    flow.run(shared)
    assert shared["seen"] == ["a", "b", "c"]
    assert isinstance(flow.start_node, lib.Node)
    assert lib.Flow().run({}) is None


def test_flows_nest_and_branch_by_the_last_action_inside(lib):
    inner = lib.Flow(step(lib, "in", "left"))
    inner - "left" >> step(lib, "l")
    inner - "right" >> step(lib, "r")
    shared: dict[str, Any] = {}
    lib.Flow(lib.Flow(inner)).run(shared)
    assert shared["seen"] == ["in", "l"]


def test_a_flow_has_prep_and_post_of_its_own(lib):
    class Whole(lib.Flow):
        def prep(self, shared):
            shared["began"] = True
            return "prepared"

        def post(self, shared, prep_res, exec_res):
            return prep_res, exec_res

    shared: dict[str, Any] = {}
    assert Whole(step(lib, "a", "end")).run(shared) == ("prepared", "end")
    assert shared == {"began": True, "seen": ["a"]}


def test_nodes_work_on_copies_that_share_their_containers(lib):
    class Keeper(lib.Node):
        def __init__(self):
            super().__init__()
            self.total, self.log = 0, []

        def exec(self, _):
            self.total += 1
            self.log.append(self.total)

    keeper = Keeper()
    flow = lib.Flow(keeper)
    flow.run({})
    flow.run({})
    assert (keeper.total, keeper.log) == (0, [1, 1])
    keeper.run({})
    assert (keeper.total, keeper.log) == (1, [1, 1, 1])


def test_params_go_down_to_nodes_and_nested_flows_and_not_onto_the_original(lib):
    class Reads(lib.Node):
        def post(self, shared, prep_res, exec_res):
            shared.setdefault("params", []).append(dict(self.params))
            self.params["left"] = "by the node before"

    first, second = Reads(), Reads()
    first >> second
    inner = lib.Flow(first)
    inner >> Reads()
    flow = lib.Flow(inner)
    flow.set_params({"k": 1})
    shared: dict[str, Any] = {}
    flow.run(shared)
    assert shared["params"] == [{"k": 1}, {"k": 1, "left": "by the node before"}, {"k": 1}]
    assert (first.params, flow.params) == ({}, {"k": 1})


def test_methods_set_on_an_instance_are_used(lib):
    node = lib.Node()
    node.prep = lambda shared: "p"
    node.exec = lambda prep_res: prep_res + "e"
    node.post = lambda shared, prep_res, exec_res: exec_res
    assert lib.Flow(node).run({}) == "pe"


def test_private_steps_may_be_overridden(lib):
    class Timed(lib.Node):
        def _exec(self, prep_res):
            return "timed", super()._exec(prep_res)

        def exec(self, prep_res):
            return 1

        def post(self, shared, prep_res, exec_res):
            return exec_res

    class Loud(lib.Flow):
        def _orch(self, shared, params=None):
            return "loud", super()._orch(shared, params)

        def get_next_node(self, curr, action):
            return super().get_next_node(curr, "default")

    node = Timed()
    assert node.run({}) == ("timed", 1)
    node >> step(lib, "b", "end")
    assert Loud(node).run({}) == ("loud", "end")


def test_the_last_failure_goes_to_the_fallback_inside_the_except_block(lib):
    class Falls(lib.Node):
        def exec(self, prep_res):
            raise ValueError(f"at {self.cur_retry}")

        def exec_fallback(self, prep_res, exc):
            return prep_res, str(exc), self.cur_retry, sys.exc_info()[1] is exc, traceback.format_exc()[:9]

        def prep(self, shared):
            return "item"

        def post(self, shared, prep_res, exec_res):
            return exec_res

    assert Falls(max_retries=3).run({}) == ("item", "at 2", 2, True, "Traceback")


def test_without_a_fallback_the_last_failure_is_raised_as_it_is(lib):
    class Fails(lib.Node):
        def exec(self, prep_res):
            raise LookupError(self.cur_retry)

    with pytest.raises(LookupError) as caught:
        lib.Flow(Fails(max_retries=4)).run({})
    assert caught.value.args == (3,)


def test_what_is_no_exception_proper_is_not_tried_again(lib):
    class Ends(lib.Node):
        def exec(self, prep_res):
            raise KeyboardInterrupt(self.cur_retry)

    with pytest.raises(KeyboardInterrupt) as caught:
        Ends(max_retries=4).run({})
    assert caught.value.args == (0,)


def test_the_wait_comes_between_attempts_only(lib, monkeypatch):
    waits: list[float] = []
    monkeypatch.setattr("time.sleep", waits.append)

    class Fails(lib.Node):
        def exec(self, prep_res):
            raise LookupError

    with pytest.raises(LookupError):
        Fails(max_retries=3, wait=7).run({})
    assert waits == [7, 7]


def test_post_and_the_caller_may_read_the_retry_that_exec_ended_at(lib):
    class Second(lib.Node):
        def exec(self, prep_res):
            if self.cur_retry < 1:
                raise ValueError

        def post(self, shared, prep_res, exec_res):
            return self.cur_retry

    node = Second(max_retries=5)
    assert node.run({}) == 1
    assert node.cur_retry == 1


def test_a_node_may_give_up_early_by_moving_its_own_counter(lib):
    class GivesUp(lib.Node):
        calls = 0

        def exec(self, prep_res):
            type(self).calls += 1
            self.cur_retry = self.max_retries - 1
            raise ValueError

        def exec_fallback(self, prep_res, exc):
            return "gave up"

        def post(self, shared, prep_res, exec_res):
            return exec_res

    assert GivesUp(max_retries=9).run({}) == "gave up"
    assert GivesUp.calls == 1


def test_a_batch_node_executes_each_item_with_its_own_retries(lib):
    class Halves(lib.BatchNode):
        def prep(self, shared):
            return iter(shared["items"])

        def exec(self, item):
            if item % 2 and self.cur_retry == 0:
                raise ValueError
            return item, self.cur_retry

        def post(self, shared, prep_res, exec_res):
            return exec_res

    result = Halves(max_retries=2).run({"items": [0, 1, 2, 3]})
    assert result == [(0, 0), (1, 1), (2, 0), (3, 1)]
    assert type(result) is list


@pytest.mark.parametrize("nothing", [None, [], ()])
def test_a_batch_of_nothing_is_an_empty_list(lib, nothing):
    class Batch(lib.BatchNode):
        def prep(self, shared):
            return nothing

        def post(self, shared, prep_res, exec_res):
            return prep_res, exec_res

    assert Batch().run({}) == (nothing, [])


def test_items_of_a_batch_share_the_node(lib):
    class Remembers(lib.BatchNode):
        def prep(self, shared):
            self.before = []
            return "abc"

        def exec(self, item):
            self.before.append(item)
            return "".join(self.before)

        def post(self, shared, prep_res, exec_res):
            return exec_res

    assert Remembers().run({}) == ["a", "ab", "abc"]


def test_a_batch_flow_runs_once_per_entry_with_the_entry_over_its_params(lib):
    class Reads(lib.Node):
        def post(self, shared, prep_res, exec_res):
            shared.setdefault("params", []).append(self.params)

    class Each(lib.BatchFlow):
        def prep(self, shared):
            return [{"k": k} for k in "ab"] + [{}]

        def post(self, shared, prep_res, exec_res):
            return len(prep_res), exec_res

    flow = Each(start=Reads())
    flow.set_params({"k": "own", "base": 0})
    shared: dict[str, Any] = {}
    assert flow.run(shared) == (3, None)
    assert shared["params"] == [{"k": "a", "base": 0}, {"k": "b", "base": 0}, {"k": "own", "base": 0}]


def test_batch_flows_nest_and_multiply_their_entries(lib):
    class Files(lib.BatchFlow):
        def prep(self, shared):
            return [{"file": f"{self.params['folder']}/{name}"} for name in "xy"]

    class Folders(lib.BatchFlow):
        def prep(self, shared):
            return [{"folder": "a"}, {"folder": "b"}]

    class Reads(lib.Node):
        def exec(self, prep_res):
            seen.append((self.params["folder"], self.params["file"]))

    seen: list[Any] = []
    assert Folders(Files(Reads())).run({}) is None
    assert seen == [("a", "a/x"), ("a", "a/y"), ("b", "b/x"), ("b", "b/y")]


def test_a_batch_flow_of_nothing_posts_an_empty_list(lib):
    class Each(lib.BatchFlow):
        def post(self, shared, prep_res, exec_res):
            return prep_res

    assert Each(lib.Node()).run({}) == []


def test_an_async_node_awaits_its_steps_and_retries(lib):
    class Waits(lib.AsyncNode):
        async def prep_async(self, shared):
            await asyncio.sleep(0)
            return shared["n"]

        async def exec_async(self, n):
            await asyncio.sleep(0)
            calls.append(n)
            raise ValueError("no")

        async def exec_fallback_async(self, n, exc):
            await asyncio.sleep(0)
            return n, str(exc), len(calls)

        async def post_async(self, shared, prep_res, exec_res):
            return exec_res

    calls: list[int] = []
    assert asyncio.run(Waits(max_retries=3).run_async({"n": 7})) == (7, "no", 3)


def test_an_async_flow_mixes_both_kinds_of_nodes_and_nests(lib):
    class Async(lib.AsyncNode):
        async def post_async(self, shared, prep_res, exec_res):
            shared.setdefault("seen", []).append("async")
            return "go"

    inner = lib.AsyncFlow(Async())
    inner.start_node - "go" >> lib.Flow(step(lib, "sync", "back"))
    inner - "back" >> step(lib, "end", "over")
    shared: dict[str, Any] = {}
    assert asyncio.run(lib.AsyncFlow(inner).run_async(shared)) == "over"
    assert shared["seen"] == ["async", "sync", "end"]


def test_an_async_flow_has_async_prep_and_post(lib):
    class Whole(lib.AsyncFlow):
        async def prep_async(self, shared):
            return "prepared"

        async def post_async(self, shared, prep_res, exec_res):
            return prep_res, exec_res

    assert asyncio.run(Whole(step(lib, "a", "end")).run_async({})) == ("prepared", "end")


@pytest.mark.parametrize("name", ["AsyncBatchNode", "AsyncParallelBatchNode"])
def test_async_batches_keep_the_order_of_items(lib, name):
    class Batch(getattr(lib, name)):  # type: ignore[misc]
        async def prep_async(self, shared):
            return [3, 1, 2]

        async def exec_async(self, item):
            await asyncio.sleep(item / 50)
            began.append(item)
            return item * 10

        async def post_async(self, shared, prep_res, exec_res):
            return exec_res

    began: list[int] = []
    assert asyncio.run(Batch().run_async({})) == [30, 10, 20]
    assert began == ([3, 1, 2] if name == "AsyncBatchNode" else [1, 2, 3])


@pytest.mark.parametrize("name", ["AsyncBatchFlow", "AsyncParallelBatchFlow"])
def test_async_batch_flows_hand_entries_down(lib, name):
    class Each(getattr(lib, name)):  # type: ignore[misc]
        async def prep_async(self, shared):
            return [{"k": k} for k in range(3)]

        async def post_async(self, shared, prep_res, exec_res):
            return prep_res, exec_res

    class Reads(lib.AsyncNode):
        async def exec_async(self, prep_res):
            await asyncio.sleep(0.003 - self.params["k"] / 1000)
            return self.params["k"]

        async def post_async(self, shared, prep_res, exec_res):
            shared[exec_res] = dict(self.params)

    flow = Each(Reads())
    flow.set_params({"base": 1})
    shared: dict[Any, Any] = {}
    assert asyncio.run(flow.run_async(shared)) == ([{"k": 0}, {"k": 1}, {"k": 2}], None)
    assert shared == {k: {"base": 1, "k": k} for k in range(3)}


@pytest.mark.parametrize("name", ["AsyncBatchNode", "AsyncParallelBatchNode"])
def test_an_item_that_fails_in_an_async_batch_raises_its_own_error(lib, name):
    class Batch(getattr(lib, name)):  # type: ignore[misc]
        async def prep_async(self, shared):
            return [1, 2, 3]

        async def exec_async(self, item):
            if item == 2:
                raise LookupError(item)

    with pytest.raises(LookupError) as caught:
        asyncio.run(Batch().run_async({}))
    assert caught.value.args == (2,)


def test_the_classes_stand_in_the_same_order(lib):
    names = [
        "BaseNode", "Node", "BatchNode", "Flow", "BatchFlow", "AsyncNode", "AsyncBatchNode",
        "AsyncParallelBatchNode", "AsyncFlow", "AsyncBatchFlow", "AsyncParallelBatchFlow",
    ]  # fmt: skip
    original = {
        "Node": ["Node", "BaseNode"],
        "AsyncParallelBatchNode": ["AsyncParallelBatchNode", "AsyncNode", "BatchNode", "Node", "BaseNode"],
        "AsyncFlow": ["AsyncFlow", "Flow", "AsyncNode", "Node", "BaseNode"],
        "AsyncBatchFlow": [
            "AsyncBatchFlow",
            "AsyncFlow",
            "BatchFlow",
            "Flow",
            "AsyncNode",
            "Node",
            "BaseNode",
        ],
    }
    for name, expected in original.items():
        order = [kind.__name__ for kind in getattr(lib, name).__mro__]
        assert [kind for kind in order if kind in names] == expected


def test_the_store_is_the_programs_own_object_throughout(lib):
    class Same(lib.Node):
        def prep(self, shared):
            return id(shared)

        def post(self, shared, prep_res, exec_res):
            return prep_res, id(shared), len(shared)

    shared: dict[str, Any] = {"a": 1}
    assert lib.Flow(Same()).run(shared) == (id(shared), id(shared), 1)
    assert shared == {"a": 1}


def test_nodes_can_be_copied_and_pickled_with_their_links(lib):
    a, b = lib.Node(max_retries=2), lib.Node()
    a >> b
    for twin in (copy.deepcopy(a), pickle.loads(pickle.dumps(a))):
        assert twin.max_retries == 2
        assert twin.successors["default"] is not b
    assert copy.copy(a).successors is a.successors


def test_an_async_parallel_flow_shares_what_its_nodes_hold(lib):
    class Sum(lib.AsyncNode):
        def __init__(self):
            super().__init__()
            self.totals = {}

        async def exec_async(self, _):
            await asyncio.sleep(0)
            self.totals[self.params["n"]] = self.params["n"] * 10

    class Each(lib.AsyncParallelBatchFlow):
        async def prep_async(self, shared):
            return [{"n": n} for n in range(3)]

    node = Sum()
    asyncio.run(Each(start=node).run_async({}))
    assert node.totals == {0: 0, 1: 10, 2: 20}


@pytest.mark.parametrize("kind", ["AsyncParallelBatchFlow", "AsyncParallelBatchNode"])
def test_one_that_fails_leaves_the_others_running(lib, kind):
    async def save(shared, n):
        if n == 0:
            raise ValueError("boom")
        await shared["go"].wait()
        shared["saved"].append(n)

    class Save(lib.AsyncNode):
        async def post_async(self, shared, prep_res, exec_res):
            await save(shared, self.params["n"])

    class Flow(lib.AsyncParallelBatchFlow):
        async def prep_async(self, shared):
            return [{"n": n} for n in range(4)]

    class Node(lib.AsyncParallelBatchNode):
        async def prep_async(self, shared):
            return [(shared, n) for n in range(4)]

        async def exec_async(self, given):
            await save(*given)

    async def main():
        shared = {"saved": [], "go": asyncio.Event()}
        with pytest.raises(ValueError, match="boom"):
            await (Flow(start=Save()) if kind == "AsyncParallelBatchFlow" else Node()).run_async(shared)
        shared["go"].set()
        await asyncio.wait(asyncio.all_tasks() - {asyncio.current_task()}, timeout=30)
        return shared["saved"]

    assert asyncio.run(main()) == [1, 2, 3]


def test_a_generator_of_exec_is_given_to_post_as_it_is(lib):
    class Streams(lib.Node):
        def exec(self, _):
            yield from ("a", "b")

        def post(self, shared, prep_res, exec_res):
            shared["first"] = next(exec_res)
            shared["rest"] = list(exec_res)

    shared: dict[str, Any] = {}
    Streams().run(shared)
    assert shared == {"first": "a", "rest": ["b"]}


def test_what_a_batch_nodes_exec_yields_can_be_gone_through(lib):
    class Pieces(lib.BatchNode):
        def prep(self, shared):
            return ["ab", "c"]

        def exec(self, text):
            yield from text

        def post(self, shared, prep_res, exec_res):
            shared["all"] = [piece for pieces in exec_res for piece in pieces]

    shared: dict[str, Any] = {}
    Pieces().run(shared)
    assert shared == {"all": ["a", "b", "c"]}
