"""Classes that are node types by their shape."""

from __future__ import annotations

import asyncio
import pickle

import cloudpickle
import pytest

from batchmill.attempt import Attempt
from batchmill.flow import AsyncFlow, AsyncNode, BatchNode, Flow, Node, current_recorder
from batchmill.nodes.adapted import adapt, fits


class Plain:
    """Adds one.

    More words.
    """

    def prep(self, shared):
        self.seen = getattr(self, "seen", 0) + 1
        return shared["n"] + self.params["n"]

    def exec(self, prepared):
        return prepared + 1

    def post(self, shared, prepared, result):
        shared["sum"] = result
        shared["seen"] = self.seen
        return "big" if result > 10 else None


class WithSetter:
    def set_params(self, params):
        self.given = params

    def prep(self, shared):
        return None

    def exec(self, prepared):
        return dict(self.given)

    def post(self, shared, prepared, result):
        shared["n"] = 7
        shared["result"] = "mine"


class Asynchronous(Plain):
    """Its `prep` and `post` are those of a sync class."""

    async def exec_async(self, prepared):
        await asyncio.sleep(0)
        return prepared * 10


class AllAsynchronous:
    async def prep_async(self, shared):
        return shared["n"]

    async def exec_async(self, prepared):
        await asyncio.sleep(0)
        return prepared + 1

    async def post_async(self, shared, prepared, result):
        shared["sum"] = result
        return "done"


class Records(Plain):
    def post(self, shared, prepared, result):
        shared["__llm_calls__"].append({"model": "m", "n": shared["n"]})


class RecordsInAListOfItsOwn(Plain):
    def post(self, shared, prepared, result):
        shared["__llm_calls__"] = [{"model": "m"}]


class Flaky(Node):
    """Fails until its last attempt."""

    def __init__(self, max_retries=3):
        super().__init__(max_retries)

    def prep(self, shared):
        return shared["n"]

    def exec(self, prepared):
        if self.cur_retry < prepared:
            raise ValueError(f"attempt {self.cur_retry}")
        return self.cur_retry

    def exec_fallback(self, prepared, error):
        return f"fallback after {error}"

    def post(self, shared, prepared, result):
        shared["seen"] = self.cur_retry
        current_recorder().append({"model": "m"})
        return "went"


class AsyncFlaky(AsyncNode):
    def __init__(self):
        super().__init__(3)

    async def prep_async(self, shared):
        return shared["n"]

    async def exec_async(self, prepared):
        return Flaky.exec(self, prepared)

    async def exec_fallback_async(self, prepared, error):
        return f"fallback after {error}"

    async def post_async(self, shared, prepared, result):
        return Flaky.post(self, shared, prepared, result)


class Squares(BatchNode):
    def prep(self, shared):
        return range(shared["n"])

    def exec(self, item):
        return item * item

    def post(self, shared, prepared, result):
        shared["squares"] = result


class Whole(Flow):
    def __init__(self):
        first = Flaky()
        first - "went" >> Squares()
        super().__init__(first)


class WholeAsync(AsyncFlow):
    def __init__(self):
        first = AsyncFlaky()
        first - "went" >> Squares()
        super().__init__(first)


def test_the_shape_decides():
    assert fits(Plain)
    assert not fits(Plain())
    assert fits(Asynchronous)
    assert fits(AllAsynchronous)
    assert not fits(type("Lacking", (), {"prep": 1, "exec_async": fits, "post": fits}))
    assert not fits(dict)


def test_params_are_in_the_store_and_what_is_written_comes_out():
    node = adapt(Plain, "add")()
    result = node.run({"n": 2}, Attempt())
    assert result.outputs == {"result": 5, "sum": 5, "seen": 1}
    assert result.action == "default"


def test_the_action_is_what_post_returns_and_every_attempt_has_a_fresh_object():
    node = adapt(Plain, "add")()
    node.run({"n": 1}, Attempt())
    result = node.run({"n": 6}, Attempt())
    assert result.action == "big"
    assert result.outputs["seen"] == 1


def test_set_params_is_used_where_there_is_one_and_a_changed_param_is_an_output():
    result = adapt(WithSetter, "x")().run({"n": 1}, Attempt())
    assert result.outputs == {"result": "mine", "n": 7}


def test_type_and_summary_are_the_classs_own():
    node_class = adapt(Plain, "add")
    assert node_class.type == "add"
    assert node_class.summary == "Adds one."
    assert adapt(WithSetter, "x").summary.endswith("test_adapted:WithSetter.")


def test_it_travels_to_other_processes():
    node = adapt(dict, "x")()  # any importable class will do to see it come back
    assert pickle.loads(pickle.dumps(node)).adapted is dict
    again = cloudpickle.loads(cloudpickle.dumps(adapt(Plain, "add")()))
    assert again.run({"n": 2}, Attempt()).outputs["sum"] == 5


def outputs_of(cls, **params):
    return adapt(cls, "x")().run(params, Attempt()).outputs


def test_coroutines_are_awaited_and_need_no_twins_that_are_none():
    assert outputs_of(Asynchronous, n=2) == {"result": 40, "sum": 40, "seen": 1}
    node = adapt(AllAsynchronous, "x")()
    result = node.run({"n": 2}, Attempt())
    assert (result.outputs, result.action) == ({"result": 3, "sum": 3}, "done")
    assert asyncio.run(node.run_async({"n": 4}, Attempt())).outputs == {"result": 5, "sum": 5}
    assert not hasattr(adapt(Plain, "x")(), "run_async")


@pytest.mark.parametrize("cls", [Flaky, AsyncFlaky])
def test_a_class_with_retries_of_its_own_uses_them(cls):
    attempt = Attempt()
    result = adapt(cls, "x")().run({"n": 2}, attempt)
    assert (result.outputs, result.action) == ({"result": 2, "seen": 2}, "went")
    assert attempt.recorder == [{"model": "m"}]
    assert outputs_of(cls, n=3) == {"result": "fallback after attempt 2", "seen": 2}


def test_a_batch_node_runs_all_its_items():
    assert outputs_of(Squares, n=3) == {"result": [0, 1, 4], "squares": [0, 1, 4]}


@pytest.mark.parametrize("cls", [Whole, WholeAsync])
def test_a_flow_runs_all_its_nodes_and_its_result_is_the_last_action(cls):
    assert outputs_of(cls, n=2) == {"result": None, "seen": 2, "squares": [0, 1]}


@pytest.mark.parametrize("cls", [Asynchronous, AsyncFlaky])
def test_async_ones_travel_too(cls):
    again = cloudpickle.loads(cloudpickle.dumps(adapt(cls, "x")()))
    assert again.run({"n": 1}, Attempt()).outputs == outputs_of(cls, n=1)


@pytest.mark.parametrize("cls", [Records, RecordsInAListOfItsOwn])
def test_what_is_put_among_the_calls_is_recorded_and_no_output(cls):
    attempt = Attempt()
    outputs = adapt(cls, "x")().run({"n": 1}, attempt).outputs
    assert set(outputs) == {"result"}
    assert [call["model"] for call in attempt.recorder] == ["m"]
