"""The row of copying: threads need a chain of their own each, and should get it once."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from benchmarks import mappers
from benchmarks.items import Chain
from benchmarks.mappers import Function, Mapper, Run
from benchmarks.workload import (
    OURS,
    WORKERS,
    Figures,
    Opening,
    Ready,
    Role,
    Side,
    Target,
    Workload,
    expect,
    figure,
)


class CountedChain(Chain):
    """A chain that counts how often it is copied or unpickled."""

    copies = 0

    def __deepcopy__(self, memo: dict[int, Any]) -> CountedChain:
        CountedChain.copies += 1
        return CountedChain(copy.deepcopy(self.steps, memo))

    def __setstate__(self, state: dict[str, Any]) -> None:
        CountedChain.copies += 1
        self.__dict__.update(state)


def _bare() -> Function:
    return CountedChain()


def _in_a_node() -> Any:
    """The chain inside a node: a plain callable is shared by threads, as any function is."""
    base: Any = mappers.our_face("Node")

    class ChainNode(base):  # type: ignore[misc] # a base that is looked up when the side is opened
        """Runs the chain it holds."""

        def __init__(self) -> None:
            super().__init__()
            self.chain = CountedChain()

        def exec(self, prep_res: int) -> int:
            """Run it."""
            return self.chain(prep_res)

    return ChainNode()


def counted(mapper: Mapper, make: Callable[[], Any] = _bare) -> Opening:
    """A side that maps a chain and reports ``copies``: how often it was copied for each of the threads."""

    @contextmanager
    def opening(n: int) -> Iterator[Ready]:
        items = range(n)
        with mapper() as run:

            def work() -> Figures:
                chain = make()
                CountedChain.copies = 0
                expect(list(run(chain, items)), [i + 3 for i in items], "results")
                return {"copies": CountedChain.copies / WORKERS}

            yield Ready(work)

    return opening


def copied_for_each_item(copied: Callable[[Any], Any]) -> Mapper:
    """One copy an item, in a plain loop."""

    @contextmanager
    def opened() -> Iterator[Run]:
        def run(function: Function, items: Sequence[Any]) -> list[Any]:
            return [copied(function)(item) for item in items]

        yield run

    return opened


def from_cached_bytes() -> Callable[[Any], Any]:
    """Copies by unpickling bytes that were pickled once for each chain."""
    cached: dict[int, bytes] = {}

    def copied(chain: Any) -> Any:
        if id(chain) not in cached:
            cached.clear()
            cached[id(chain)] = pickle.dumps(chain)
        return pickle.loads(cached[id(chain)])

    return copied


def _side(name: str, mapper: Mapper, role: Role = "peer", share: float = 1.0) -> Side:
    return Side(name, counted(mapper), role, share)


ROW = Workload(
    name="chain-copies",
    title="copying a 2 KB chain of three nodes, threads",
    measures="copies made for each of two threads in one batch",
    unit="copies a thread",
    better="lower",
    score=figure("copies"),
    sizes={"full": 10_000, "quick": 5000, "smoke": 20},
    sides=(
        Side(OURS, counted(mappers.ours("thread"), _in_a_node), "ours"),
        _side("deepcopy for each item", copied_for_each_item(copy.deepcopy), share=0.5),
        _side("unpickled for each item", copied_for_each_item(from_cached_bytes())),
        _side("shared by all", mappers.one_by_one(), "limit"),
    ),
    aim=(Target(1.0),),
    least=(Target(1.0),),
)

ROWS = (ROW,)
