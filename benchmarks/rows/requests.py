"""Rows of requests to a server that takes its time: only what is around the waits counts."""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from benchmarks import mappers
from benchmarks.measure import grown
from benchmarks.slow_server import serving
from benchmarks.workload import (
    OURS,
    MissingError,
    Opening,
    Ready,
    Sample,
    Score,
    Side,
    Target,
    Workload,
    expect,
    figure,
    times_ideal,
)

WAIT, AT_ONCE = 0.05, 100
LLM_WAIT, LLM_AT_ONCE = 1.0, 10

Get = Callable[[str], Any]


def _times_ideal(seconds: float, at_once: int) -> Score:
    def score(sample: Sample) -> float:
        return sample.wall / (seconds * max(1.0, sample.n / at_once))

    return score


def _document(node: dict[str, Any], n: int, at_once: int) -> dict[str, Any]:
    batch = {"items": {"range": [n]}, "executor": "thread", "max_concurrent": at_once}
    return {"nodes": [{"id": "each", "batch": batch, **node}]}


def _run_of_ours(node: Callable[[str], dict[str, Any]], seconds: float, at_once: int) -> Opening:
    @contextmanager
    def opening(n: int) -> Iterator[Ready]:
        run = mappers.our_face("run")
        with serving(seconds) as url:

            def work() -> None:
                result = run(_document(node(url), n, at_once))
                expect((result.status, result.nodes["each"]["success_count"]), ("success", n), "requests")

            yield Ready(work)

    return opening


def _http(url: str) -> dict[str, Any]:
    return {"type": "http", "params": {"url": url + "/items/${item}"}}


def _llm(url: str) -> dict[str, Any]:
    params = {"model": "m", "base_url": f"{url}/v1", "prompt": "number ${item}"}
    return {"type": "llm", "params": params}


def _in_threads(client: Callable[[], AbstractContextManager[Get]]) -> Opening:
    """A side that gets with one client in plain threads."""

    @contextmanager
    def opening(n: int) -> Iterator[Ready]:
        with serving(WAIT) as url, client() as get, ThreadPoolExecutor(AT_ONCE) as pool:

            def work() -> None:
                urls = [f"{url}/items/{number}" for number in range(n)]
                expect([one["n"] for one in pool.map(get, urls)], [1] * n, "answers")

            yield Ready(work)

    return opening


@contextmanager
def _urllib3() -> Iterator[Get]:
    import urllib3

    with urllib3.PoolManager(maxsize=AT_ONCE) as pools:
        yield lambda url: pools.request("GET", url).json()


@contextmanager
def _requests() -> Iterator[Get]:
    try:
        import requests  # type: ignore[import-untyped,unused-ignore]  # a peer, which may be missing
    except ImportError as error:
        raise MissingError("no package requests") from error
    with requests.Session() as session:
        session.mount("http://", requests.adapters.HTTPAdapter(pool_maxsize=AT_ONCE))
        yield lambda url: session.get(url).json()


@contextmanager
def _httpx() -> Iterator[Get]:
    try:
        import httpx
    except ImportError as error:
        raise MissingError("no package httpx") from error
    with httpx.Client(limits=httpx.Limits(max_connections=AT_ONCE), timeout=60) as client:
        yield lambda url: client.get(url).json()


@contextmanager
def _aiohttp(n: int) -> Iterator[Ready]:
    """aiohttp on an event loop of its own, awaited together."""
    if importlib.util.find_spec("aiohttp") is None:
        raise MissingError("no package aiohttp")
    with serving(WAIT) as url:

        async def got() -> list[int]:
            aiohttp = importlib.import_module("aiohttp")
            async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=AT_ONCE)) as session:

                async def get(number: int) -> int:
                    async with session.get(f"{url}/items/{number}") as answer:
                        return int((await answer.json())["n"])

                return await asyncio.gather(*map(get, range(n)))

        yield Ready(lambda: expect(asyncio.run(got()), [1] * n, "answers"))


GETS = Workload(
    name="http-gets",
    title="1,000 HTTP GETs of 50 ms, 100 at once",
    measures="wall time as a multiple of the waits alone; ours as nodes of a document",
    unit="× ideal",
    better="lower",
    score=_times_ideal(WAIT, AT_ONCE),
    sizes={"full": 1000, "quick": 500, "smoke": 20},
    sides=(
        Side(OURS, _run_of_ours(_http, WAIT, AT_ONCE), "ours"),
        Side("urllib3 in threads", _in_threads(_urllib3)),
        Side("requests in threads", _in_threads(_requests)),
        Side("httpx in threads", _in_threads(_httpx)),
        Side("aiohttp, awaited", _aiohttp),
    ),
    aim=(Target(1.2),),
    least=(Target(1.5),),
)


def _sdk_in_threads() -> Opening:
    """The SDK by itself."""

    @contextmanager
    def opening(n: int) -> Iterator[Ready]:
        try:
            import openai
        except ImportError as error:
            raise MissingError("no package openai") from error
        with (
            serving(LLM_WAIT) as url,
            openai.OpenAI(api_key="none", base_url=f"{url}/v1", max_retries=0) as client,
            ThreadPoolExecutor(LLM_AT_ONCE) as pool,
        ):

            def ask(number: int) -> str:
                messages: Any = [{"role": "user", "content": f"number {number}"}]
                answer = client.chat.completions.create(model="m", messages=messages)
                return str(answer.choices[0].message.content)

            yield Ready(lambda: expect(list(pool.map(ask, range(n))), ["hello"] * n, "answers"))

    return opening


CALLS = Workload(
    name="llm-calls",
    title="10 LLM calls of 1 s at once",
    measures="wall time as a multiple of one call; ours as nodes of a document",
    unit="× ideal",
    better="lower",
    score=_times_ideal(LLM_WAIT, LLM_AT_ONCE),
    sizes={"full": 10, "quick": 10, "smoke": 2},
    sides=(
        Side(OURS, _run_of_ours(_llm, LLM_WAIT, LLM_AT_ONCE), "ours"),
        Side("openai in threads", _sdk_in_threads()),
    ),
    aim=(Target(1.1),),
    least=(Target(1.2),),
)

MANY = 1000


def _many_of_ours() -> Opening:
    """The nodes of a document, with how far memory rose meanwhile."""

    @contextmanager
    def opening(n: int) -> Iterator[Ready]:
        with _run_of_ours(_llm, LLM_WAIT, MANY)(n) as ready:
            yield Ready(lambda: grown(ready.work))

    return opening


def _sdk_awaited() -> Opening:
    """The SDK's client that awaits, by itself."""

    @contextmanager
    def opening(n: int) -> Iterator[Ready]:
        with serving(LLM_WAIT) as url:

            async def asked() -> list[str]:
                import openai

                async with openai.AsyncOpenAI(
                    api_key="none", base_url=f"{url}/v1", max_retries=0, timeout=300
                ) as client:

                    async def ask(number: int) -> str:
                        messages: Any = [{"role": "user", "content": f"number {number}"}]
                        answer = await client.chat.completions.create(model="m", messages=messages)
                        return str(answer.choices[0].message.content)

                    return await asyncio.gather(*map(ask, range(n)))

            def work() -> None:
                expect(asyncio.run(asked()), ["hello"] * n, "answers")

            if importlib.util.find_spec("openai") is None:
                raise MissingError("no package openai")
            yield Ready(lambda: grown(work))

    return opening


def _many(name: str, measures: str, unit: str, score: Score, bound: float) -> Workload:
    return Workload(
        name=name,
        title="1,000 LLM calls of 1 s at once",
        measures=measures,
        unit=unit,
        better="lower",
        score=score,
        sizes={"full": MANY, "quick": 200, "smoke": 2},
        sides=(Side(OURS, _many_of_ours(), "ours"), Side(AWAITED, _sdk_awaited())),
        aim=(Target(bound, AWAITED),),
        least=(Target(1.5, AWAITED),),
        fresh=True,
    )


AWAITED = "openai, awaited"
MANY_CALLS = _many(
    "llm-many", "wall time as a multiple of one call, imports included", "× ideal", times_ideal(LLM_WAIT), 1.1
)
MANY_CALLS_MEMORY = _many(
    "llm-many-memory", "growth of peak resident memory, MB, imports included", "MB", figure("growth_mb"), 1.2
)

ROWS = (GETS, CALLS, MANY_CALLS, MANY_CALLS_MEMORY)
