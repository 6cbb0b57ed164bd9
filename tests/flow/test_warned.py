"""Where warnings of flows point, and which node they name."""

from __future__ import annotations

import asyncio
import warnings

import pytest

from batchmill import AsyncFlow, AsyncNode, Flow, Node


class Decide(Node):
    def post(self, shared, prep_res, exec_res):
        return "nowhere"


class DecideAsync(AsyncNode):
    async def post_async(self, shared, prep_res, exec_res):
        return "nowhere"


def linked(node):
    node - "here" >> Node()
    return node


def overwrites():
    node = Decide()
    node >> Node()
    node >> Node()  # mark: overwrites


def ends():
    Flow(linked(Decide())).run({})  # mark: ends


def ends_async():
    async def main():
        await AsyncFlow(linked(DecideAsync())).run_async({})  # mark: ends async

    asyncio.run(main())


def alone():
    linked(Decide()).run({})  # mark: alone


def alone_async():
    asyncio.run(linked(DecideAsync()).run_async({}))  # mark: alone async


@pytest.mark.parametrize(
    ("call", "mark", "text"),
    [
        (overwrites, "overwrites", "Overwriting successor for action 'default' of Decide"),
        (ends, "ends", "Flow ends: 'nowhere' not found in ['here'], after Decide"),
        (ends_async, "ends async", "Flow ends: 'nowhere' not found in ['here'], after DecideAsync"),
        (alone, "alone", "Node won't run successors. Use Flow. (Decide)"),
        (alone_async, None, "Node won't run successors. Use AsyncFlow. (DecideAsync)"),
    ],
)
def test_they_name_the_class_and_the_users_line(call, mark, text):
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        call()
    (one,) = seen
    assert str(one.message) == text
    if mark is not None:  # without a frame of the user's it is the event loop's
        with open(__file__) as file:
            lines = file.readlines()
        assert one.filename == __file__
        assert lines[one.lineno - 1].rstrip().endswith(f"# mark: {mark}")
