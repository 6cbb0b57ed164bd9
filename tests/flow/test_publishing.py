"""Pieces that ``exec`` publishes while it works."""

from __future__ import annotations

import asyncio

import pytest

from batchmill.events import NodeFinished, NodeStarted, Published
from batchmill.flow import AsyncFlow, AsyncNode, AsyncParallelBatchNode, BatchNode, Flow, Node, publish


class Write(Node):
    def exec(self, _):
        yield "a"
        if self.cur_retry == 0:
            raise ValueError("once more")
        yield "b"

    def post(self, shared, prep_res, exec_res):
        shared["text"] = exec_res


class Letters(BatchNode):
    def prep(self, shared):
        return ["ab", "cd"]

    def exec(self, word):
        publish(word[0])
        return word.upper()

    def post(self, shared, prep_res, exec_res):
        shared["words"] = list(exec_res)


class YieldedLetters(Letters):
    def exec(self, word):
        yield word[0]


def pieces(node, **more):
    events, shared = [], {}
    node.run(shared, listeners=[events.append], **more)
    return [one for one in events if isinstance(one, Published)], shared


def test_a_generator_publishes_what_it_yields_and_is_tried_again():
    heard, shared = pieces(Flow(Write(max_retries=2)))
    assert heard == [
        Published("Write", "a"),
        Published("Write", "a", attempt=2),
        Published("Write", "b", attempt=2),
    ]
    assert shared["text"] == ["a", "b"]


def test_without_a_listener_it_goes_to_post_as_in_pocketflow():
    shared = {}
    Flow(Write()).run(shared)
    assert next(shared["text"]) == "a"


@pytest.mark.parametrize("kind", [Letters, YieldedLetters])
@pytest.mark.parametrize("executor", [None, "sequential", "thread", "process"])
def test_items_publish_on_every_executor(kind, executor):
    node = kind(**({} if executor is None else {"executor": executor, "max_concurrent": 2}))
    heard, shared = pieces(Flow(node))
    name = kind.__name__
    assert sorted(heard, key=lambda one: one.index) == [Published(name, "a", 0), Published(name, "c", 1)]
    assert shared["words"] == ([["a"], ["c"]] if kind is YieldedLetters else ["AB", "CD"])
    assert not shared.get("__llm_calls__")


def test_pieces_are_no_part_of_what_is_kept(tmp_path):
    node = Letters(executor="process", max_concurrent=1)
    heard, shared = pieces(Flow(node), journal=tmp_path / "runs.sqlite")
    assert [one.piece for one in heard] == ["a", "c"]
    assert shared["words"] == ["AB", "CD"]


def test_in_an_event_loop_pieces_come_as_they_are_made():
    told = []

    class Ask(AsyncNode):
        async def exec_async(self, _):
            for word in ("once", "upon"):
                yield word
                assert told[-1] == (word, "Ask"), "before it goes on"

        async def post_async(self, shared, prep_res, exec_res):
            shared["text"] = exec_res

    class Each(AsyncParallelBatchNode):
        async def prep_async(self, shared):
            return [1, 2]

        async def exec_async(self, n):
            publish(n)

    ask = Ask()
    ask >> Each()
    shared = {}
    asyncio.run(AsyncFlow(ask).run_async(shared, on_piece=lambda piece, node: told.append((piece, node))))
    assert told == [("once", "Ask"), ("upon", "Ask"), (1, "Each"), (2, "Each")]
    assert shared["text"] == ["once", "upon"]


def test_listeners_hear_when_nodes_begin_and_end():
    events = []
    first = Letters()
    first >> Node()
    Flow(first).run({}, listeners=[events.append])
    told = [(type(one).__name__, one.node) for one in events if isinstance(one, (NodeStarted, NodeFinished))]
    assert told == [
        ("NodeStarted", "Letters"),
        ("NodeFinished", "Letters"),
        ("NodeStarted", "Node"),
        ("NodeFinished", "Node"),
    ]
    assert next(one for one in events if isinstance(one, NodeFinished)).succeeded == 2


def test_without_anybody_publishing_does_nothing():
    Letters().run({})
    with pytest.raises(RuntimeError, match="inside `exec`"):
        publish(1)
