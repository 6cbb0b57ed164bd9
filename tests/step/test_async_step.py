"""Steps of nodes that await: they can be awaited themselves, and no others can."""

from __future__ import annotations

import asyncio
import copy
import pickle
from collections.abc import Mapping
from typing import Any

import pytest

from batchmill.attempt import Attempt
from batchmill.errors import InvalidParams, UnresolvedReference
from batchmill.nodes import AsyncRunNode, Node, NodeResult, Param
from batchmill.step import Namespace, StepParams, item_step, single_step


class Waits(AsyncRunNode):
    type = "waits"
    summary = "Gives back its params after a while."
    params = (Param("n", "integer", "a number", default=1),)
    open_params = True

    async def run_async(self, params: Mapping[str, Any], attempt: Attempt) -> NodeResult:
        await asyncio.sleep(0)
        return NodeResult({"given": dict(params)}, "elsewhere")


class Both(Node):
    """Has ``run_async`` without the base that is there for it."""

    type = "both"
    summary = "Says which way it was run."
    open_params = True

    def run(self, params: Mapping[str, Any], attempt: Attempt) -> NodeResult:
        return NodeResult({"way": "run"})

    async def run_async(self, params: Mapping[str, Any], attempt: Attempt) -> NodeResult:
        return NodeResult({"way": "run_async"})


class Blocks(Node):
    type = "blocks"
    summary = "Has no other way."

    def run(self, params: Mapping[str, Any], attempt: Attempt) -> NodeResult:
        return NodeResult()


def items(node: Node, params: dict[str, Any] | None = None) -> Any:
    return item_step(node, StepParams(type(node), params or {}), Namespace({"x": [1]}))


def single(node: Node, params: dict[str, Any] | None = None, **more: Any) -> Any:
    return single_step(node, StepParams(type(node), params or {}), Namespace({"x": [1]}), **more)


def test_only_nodes_that_await_make_steps_that_do() -> None:
    assert all(step.awaits for step in (items(Waits()), single(Waits()), items(Both())))
    assert not any(step.awaits for step in (items(Blocks()), single(Blocks())))


def test_both_ways_give_the_same() -> None:
    step = items(Waits(), {"n": "${item.n}", "at": "${__index__}"})
    wanted = {"given": {"n": 4, "at": 2}}
    assert asyncio.run(step.run_async({"n": 4}, 2, Attempt())) == wanted
    assert step.run({"n": 4}, 2, Attempt()) == wanted
    for twin in (copy.deepcopy(step), pickle.loads(pickle.dumps(step))):
        assert asyncio.run(twin.run_async({"n": 4}, 2, Attempt())) == wanted


def test_the_way_that_awaits_is_the_nodes_own() -> None:
    assert asyncio.run(items(Both()).run_async(0, 0, Attempt())) == {"way": "run_async"}
    assert items(Both()).run(0, 0, Attempt()) == {"way": "run"}


def test_a_single_step_gives_its_action_and_takes_what_is_carried() -> None:
    result = asyncio.run(single(Waits(), {"n": 1}, carried={"n": 7}).run_async(None, 0, Attempt()))
    assert (result.outputs, result.action) == ({"given": {"n": 7}}, "elsewhere")


def test_an_item_is_the_attempts_own() -> None:
    item = {"rows": [1]}
    asyncio.run(items(Waits(), {"row": "${item}"}).run_async(item, 0, Attempt()))["given"]["row"][
        "rows"
    ].clear()
    assert item == {"rows": [1]}


@pytest.mark.parametrize(
    ("params", "error"), [({"n": "${item}"}, InvalidParams), ({"n": "${gone}"}, UnresolvedReference)]
)
def test_what_is_wrong_with_params_is_raised_when_awaited(params: dict[str, Any], error: type) -> None:
    with pytest.raises(error):
        asyncio.run(items(Waits(), params).run_async("no number", 0, Attempt()))
