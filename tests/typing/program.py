"""A user's program, checked with ``mypy --strict``: typed stores and params, and none at all."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Generator
from dataclasses import dataclass
from typing import Any, TypedDict

import batchmill
from batchmill import BatchResult, ItemResult
from batchmill.flow import (
    AsyncBatchFlow,
    AsyncBatchNode,
    AsyncFlow,
    AsyncNode,
    AsyncParallelBatchFlow,
    AsyncParallelBatchNode,
    BaseNode,
    BatchFlow,
    BatchNode,
    BatchOptions,
    BatchResults,
    DocumentNode,
    Flow,
    Node,
    current_recorder,
)


class Text(TypedDict):
    """A shared store with known keys."""

    text: str
    words: list[str]


class Limits(TypedDict):
    """Params with known keys."""

    most: int


class Split(Node[Text, Limits, str, list[str]]):
    def prep(self, shared: Text) -> str:
        return shared["text"]

    def exec(self, prep_res: str) -> list[str]:
        current_recorder().append({"model": "none"})
        most: int = self.params["most"]
        return prep_res.split()[: most + self.cur_retry]

    def exec_fallback(self, prep_res: str, exc: Exception) -> list[str]:
        return [prep_res, str(exc)]

    def post(self, shared: Text, prep_res: str, exec_res: list[str]) -> str:
        shared["words"] = exec_res
        return "done"


class Plain(Node):
    """No type arguments: the store is a dict."""

    def prep(self, shared: dict[str, Any]) -> int:
        return len(shared)

    def exec(self, count: int) -> int:
        return count + 1

    def post(self, shared: dict[str, Any], count: int, more: int) -> None:
        shared["more"] = more


class Lengths(BatchNode[Text, Limits]):
    def __init__(self) -> None:
        super().__init__(max_retries=3, wait=0.5, executor="process", max_concurrent=2, timeout=10)

    def prep(self, shared: Text) -> list[str]:
        return shared["words"]

    def exec(self, word: str) -> int:
        return len(word)

    def post(self, shared: Text, words: list[str], lengths: BatchResults[int]) -> None:
        failed: list[dict[str, Any]] = lengths.errors
        longest: int = max(lengths)
        shared["text"] = f"{longest} {failed}"


class Ask(AsyncParallelBatchNode):
    batch_options = BatchOptions(max_concurrent=5, on_failure="finish")

    async def prep_async(self, shared: dict[str, Any]) -> list[str]:
        return list(shared)

    async def exec_async(self, question: str) -> str:
        await asyncio.sleep(0)
        return question.upper()

    async def exec_fallback_async(self, question: str, exc: Exception) -> str:
        return f"{question}: {exc}"

    async def post_async(
        self, shared: dict[str, Any], questions: list[str], answers: list[str]
    ) -> str | None:
        shared["answers"] = dict(zip(questions, answers, strict=True))
        return None


class Each(BatchFlow):
    def prep(self, shared: dict[str, Any]) -> list[dict[str, Any]]:
        return [{"name": name} for name in shared]


class EachAsync(AsyncBatchFlow[Text, Limits]):
    async def prep_async(self, shared: Text) -> list[Limits]:
        return [{"most": len(word)} for word in shared["words"]]


class EachAtOnce(AsyncParallelBatchFlow):
    async def prep_async(self, shared: dict[str, Any]) -> list[dict[str, Any]]:
        return [{"name": name} for name in shared]


@dataclass
class Counter:
    """A store need not be a dict."""

    n: int = 0


class Count(AsyncNode[Counter]):
    async def post_async(self, shared: Counter, prep_res: Any, exec_res: Any) -> str:
        shared.n += 1
        return "again" if shared.n < 3 else "enough"


def connected() -> Flow[Text, Limits]:
    split, plain = Split(max_retries=2), Lengths()
    last: Lengths = split - "done" >> plain
    assert isinstance(last, BaseNode)
    flow = Flow[Text, Limits](start=split)
    flow.set_params({"most": 3})
    return flow


def half(n: int) -> float:
    return n / 2


async def fetch(n: int) -> str:
    return str(n)


def split(text: str) -> Generator[str, None, None]:
    yield from text


async def lines(text: str) -> AsyncGenerator[str, None]:
    yield text


def add(a: int, b: int) -> int:
    return a + b


def hear(one: ItemResult) -> None:
    print(one.index, one.value)


async def awaited() -> None:
    halves: BatchResult[float] = await batchmill.amap(half, [1], on_result=hear)
    texts: BatchResult[str] = await batchmill.amap(fetch, [1])
    async with batchmill.aimap(fetch, [1], ordered=False) as values:
        async for value in values:
            text: str | None = value
            print(text, halves, texts)


def mapped() -> None:
    halves: BatchResult[float] = batchmill.map(
        half, range(3), executor="process", max_concurrent=2, timeout=5
    )
    texts: BatchResult[str] = batchmill.map(fetch, [1, 2], error_handling="continue", tolerate={"count": 1})
    parts: BatchResult[list[str]] = batchmill.map(split, ["a b"], memory_limit="512MB", chunk_size="auto")
    more: BatchResult[list[str]] = batchmill.map(lines, ["a b"], rate_limit={"per_second": 5})
    nodes: BatchResult[Any] = batchmill.map(Plain(), [{}], max_concurrent="auto")
    first: float | None = halves[0]
    number: int = halves.count + texts.count("1") + len(parts) + len(more) + len(nodes)
    for value in batchmill.imap(fetch, iter([1]), ordered=False, executor="thread"):
        text: str | None = value
        print(first, number, text)
    stream = batchmill.imap(half, [1])
    errors: list[dict[str, Any]] = stream.errors
    stream.close()
    print(errors, texts.succeeded)
    sums: BatchResult[int] = batchmill.starmap(add, [(1, 2)], retry_on=(OSError, ValueError), progress=True)
    with batchmill.imap(half, [1], indexed=True, on_result=hear) as pairs:
        for index, part in pairs:
            place: int = index
            print(place, part)
    kept: BatchResult[Any] = batchmill.map(half, [1], return_exceptions=True)
    print(sums, kept)
    batchmill.shutdown()


async def main() -> None:
    count = Count()
    count - "again" >> count
    await AsyncFlow[Counter](count).run_async(Counter())
    store: dict[str, Any] = {"a": 1}
    await Ask(max_retries=2).run_async(store)
    await EachAtOnce(Plain(), max_concurrent=3, error_handling="continue", tolerate={"percent": 5}).run_async(
        store
    )
    await AsyncBatchNode(executor="thread").run_async(store)
    text = Text(text="a b", words=["a"])
    await EachAsync(Split()).run_async(text)
    action: str | None = connected().run(text)
    print(action, Each(Plain() >> DocumentNode("echo", message="${more}"), executor="process").run(store))


if __name__ == "__main__":
    asyncio.run(main())
