"""What a copy of a graph has of its own and what it shares."""

from __future__ import annotations

import asyncio
import pickle
import threading
from collections import OrderedDict, defaultdict, deque, namedtuple
from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest

from batchmill.flow import AsyncNode, AsyncParallelBatchFlow, BatchFlow, BatchNode, Flow, Node
from batchmill.flow.isolation import alone, isolated
from batchmill.flow.item_tasks import exec_task


@dataclass
class Stats:
    calls: int = 0
    names: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Fixed:
    names: list[str]


Pair = namedtuple("Pair", "left right")


def with_state(**attributes):
    node = Node()
    vars(node).update(attributes)
    return node


@pytest.mark.parametrize(
    "state",
    [
        [1, [2]],
        {"a": {"b": []}},
        {1, 2},
        deque([[1]], maxlen=3),
        bytearray(b"abc"),
        defaultdict(list, a=[1]),
        OrderedDict(a=[1]),
        Stats(1, ["a"]),
        Fixed(["a"]),
        SimpleNamespace(a=[1]),
        ([1], 2),
        Pair([1], "x"),
    ],
    ids=lambda state: type(state).__name__,
)
def test_state_is_copied_with_its_type(state):
    twin = isolated(with_state(state=state)).state
    assert twin is not state
    assert type(twin) is type(state)
    assert twin == state


def test_copies_go_all_the_way_down():
    node = with_state(state={"a": [Stats(names=["x"])]})
    twin = isolated(node)
    twin.state["a"][0].names.append("y")
    assert node.state["a"][0].names == ["x"]


@pytest.mark.parametrize(
    "tool",
    [
        threading.Lock(),
        asyncio.Semaphore(2),
        asyncio.Queue(),
        threading.local(),
        print,
        object(),
        type("Client", (), {})(),
        (1, "x"),
        frozenset({1}),
        open,
        Stats,
    ],
    ids=lambda tool: type(tool).__name__,
)
def test_everything_else_is_shared(tool):
    node = with_state(tool=tool, tools={"a": [tool]}, named=Stats(names=[tool]))
    twin = isolated(node)
    assert twin.tool is tool
    assert twin.tools["a"][0] is tool
    assert twin.named.names[0] is tool


def test_what_is_one_object_stays_one():
    log: list[int] = []
    a, b = with_state(log=log), with_state(log=log, both=[log, log])
    a >> b
    b >> a
    twin = isolated(a)
    other = twin.successors["default"]
    assert other.successors["default"] is twin
    assert twin.log is other.log is other.both[0] is other.both[1]
    assert twin.log is not log


def test_a_list_that_holds_itself_is_copied_too():
    loop: list[object] = []
    loop.append(loop)
    twin = isolated(with_state(loop=loop)).loop
    assert twin[0] is twin
    assert twin is not loop


def test_nested_flows_and_nodes_in_attributes_are_copied():
    inner, held = Node(), Node()
    flow = Flow(Flow(inner))
    flow.held = [held]
    twin = isolated(flow)
    assert twin.start_node.start_node is not inner
    assert twin.held[0] is not held


@pytest.mark.slow
def test_flows_of_any_length_can_be_copied():
    first = node = Node()
    for _ in range(20_000):
        node = node >> Node()
    assert isolated(first) is not first


def test_a_node_alone_has_no_successors():
    node = with_state(log=[])
    node >> Node()
    twin = alone(node)
    assert (twin.successors, len(node.successors)) == ({}, 1)
    assert twin.log is not node.log


class Remembers(AsyncNode):
    """Writes its params into everything a node can hold, and reads them back later."""

    def __init__(self):
        super().__init__()
        self.log: list[int] = []
        self.stats = Stats()

    async def prep_async(self, shared):
        self.mine = self.params["n"]
        self.params["seen"] = self.mine
        self.log.append(self.mine)
        self.stats.calls += 1
        await asyncio.sleep(0.001)

    async def post_async(self, shared, prep_res, exec_res):
        await asyncio.sleep(0.001)
        shared["runs"].append(
            (self.mine, self.params["n"], self.params["seen"], list(self.log), self.stats.calls)
        )


class Entries(AsyncParallelBatchFlow):
    async def prep_async(self, shared):
        return [{"n": n} for n in range(30)]


def test_flows_that_run_at_the_same_time_do_not_see_each_others_state():
    first = Remembers()
    first >> Remembers()
    shared: dict = {"runs": []}
    asyncio.run(Entries(start=first, isolate=True).run_async(shared))
    assert sorted(shared["runs"]) == sorted([(n, n, n, [n], 1) for n in range(30)] * 2)
    assert (first.log, first.stats, first.params) == ([], Stats(), {})


@pytest.mark.parametrize("options", [{}, {"isolate": False}, {"max_concurrent": 100}, {"timeout": 60}])
def test_without_an_executor_copies_are_as_shallow_as_pocketflows(options):
    first = Remembers()
    asyncio.run(Entries(start=first, **options).run_async({"runs": []}))
    assert first.log == list(range(30))


class Sums(BatchNode):
    """Collects in a dictionary of its own."""

    def __init__(self, **options):
        super().__init__(**options)
        self.sums = {}

    def prep(self, shared):
        return range(30)

    def exec(self, n):
        self.sums[n] = self.cur_retry


@pytest.mark.parametrize(
    ("options", "kept"),
    [
        ({}, True),
        ({"max_concurrent": 4}, True),
        ({"error_handling": "continue"}, True),
        ({"executor": "thread"}, False),
        ({"executor": "thread", "isolate": False}, True),
        ({"executor": "process"}, False),
    ],
)
def test_who_names_an_executor_gets_copies_of_batch_nodes(options, kept):
    node = Sums(**options)
    node.run({})
    assert node.sums == (dict.fromkeys(range(30), 0) if kept else {})


@pytest.mark.parametrize(
    ("options", "kept"), [({}, True), ({"max_concurrent": 4}, True), ({"executor": "thread"}, False)]
)
def test_and_of_batch_flows(options, kept):
    class Notes(Node):
        def __init__(self):
            super().__init__()
            self.log = []

        def exec(self, _):
            self.log.append(self.params["n"])

    class Each(BatchFlow):
        def prep(self, shared):
            return [{"n": n} for n in range(10)]

    node = Notes()
    Each(node, **options).run({})
    assert sorted(node.log) == (list(range(10)) if kept else [])


def test_what_is_set_on_the_flow_itself_stays_the_flows():
    class Collects(Entries):
        def __init__(self, start):
            super().__init__(start)
            self.ends = []

        async def _orch_async(self, shared, params=None):
            action = await super()._orch_async(shared, params)
            self.ends.append(params["n"])
            return action

    flow = Collects(Remembers())
    asyncio.run(flow.run_async({"runs": []}))
    assert sorted(flow.ends) == list(range(30))


def test_a_semaphore_on_a_node_limits_all_runs_together():
    class Limited(AsyncNode):
        def __init__(self):
            super().__init__()
            self.gate = asyncio.Semaphore(2)

        async def exec_async(self, prep_res):
            nonlocal now, most
            async with self.gate:
                now += 1
                most = max(most, now)
                await asyncio.sleep(0)
                now -= 1

    now = most = 0
    asyncio.run(Entries(Limited()).run_async({}))
    assert most == 2


class Counted(BatchNode):
    """Counts its copies, and has all its workers at work before it goes on."""

    def __init__(self, workers=1, **options):
        super().__init__(**options)
        self.log: list[int] = []
        self.copies: deque[str] = deque()
        self.all_here = threading.Barrier(workers)

    def __copy__(self):
        self.copies.append(threading.current_thread().name)
        twin = object.__new__(type(self))
        vars(twin).update(vars(self), copies=deque())
        return twin

    def prep(self, shared):
        return range(4)

    def exec(self, item):
        self.all_here.wait(10)
        self.log.append(item)
        return list(self.log)

    def post(self, shared, prep_res, exec_res):
        shared["logs"] = exec_res


def test_every_worker_thread_has_one_copy_and_nobody_else():
    node, shared = Counted(4, executor="thread", max_concurrent=4), {}
    node >> Node()
    with pytest.warns(UserWarning, match="successors"):
        node.run(shared)
    assert shared["logs"] == [[0], [1], [2], [3]]
    assert len(node.copies) == 4
    assert set(node.copies) == {"batchmill-worker"}
    assert node.log == []


def test_one_after_another_items_run_on_the_node_itself():
    node, shared = Counted(executor="sequential"), {}
    node.run(shared)
    assert (shared["logs"][-1], node.log, list(node.copies)) == ([0, 1, 2, 3], [0, 1, 2, 3], [])


def test_a_task_that_travels_leaves_the_successors_behind():
    for task in (
        Counted().as_task(),
        exec_task(Node(), 1, share=False),
        exec_task(AsyncNode(), 1, share=True),
        Flow(Node()).as_task(),
    ):
        kept = vars(task).get("node") or task.flow
        kept.successors["default"] = threading.Lock()  # could not travel
        kept.all_here = None
        again = pickle.loads(pickle.dumps(task))
        twin = vars(again).get("node") or again.flow
        assert (type(again), twin.successors, list(kept.successors)) == (type(task), {}, ["default"])
