"""Rows of the whole memory of a program that asks a model many times at once: imports, what waits, results.

Ours is a document run by the command, with its journal; beside it the program that a user of the SDK writes.
"""

from __future__ import annotations

import importlib.util
import json
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.environments import python_of
from benchmarks.slow_server import serving
from benchmarks.workload import OURS, MissingError, Opening, Ready, Side, Target, Workload, expect, figure

SECONDS = 1.0
AWAITED = "openai, awaited"
STATUS = "/proc/self/status"

_PEAK = f"""
import atexit, sys
def told():
    with open({STATUS!r}, encoding="ascii") as status:
        peak = next(line.split()[1] for line in status if line.startswith("VmHWM"))
    print("peak", peak, file=sys.__stderr__)
atexit.register(told)
"""

_COMMAND = """
from batchmill.__main__ import main
main()
"""

_AWAITED = """
import asyncio
import openai

async def main(url, n):
    gate = asyncio.Semaphore(n)
    limits = type(openai.DEFAULT_CONNECTION_LIMITS)(max_connections=n, max_keepalive_connections=n)
    http = openai.DefaultAsyncHttpxClient(limits=limits)
    async with openai.AsyncOpenAI(
        api_key="none", base_url=url, max_retries=0, timeout=300, http_client=http
    ) as client:

        async def ask(number):
            async with gate:
                messages = [{"role": "user", "content": f"number {number}"}]
                answer = await client.chat.completions.create(model="m", messages=messages)
                return answer.choices[0].message.content

        return await asyncio.gather(*map(ask, range(n)))

n = int(sys.argv[2])
assert asyncio.run(main(sys.argv[1], n)) == ["hello"] * n
"""


def _document(url: str, n: int) -> dict[str, object]:
    params = {"model": "m", "base_url": url, "prompt": "number ${item}"}
    most = n if n <= 1000 else f"{n}-{n}-{n}"  # a number goes up to 1000
    batch = {"items": {"range": [n]}, "executor": "thread", "max_concurrent": most}
    return {"nodes": [{"id": "each", "type": "llm", "params": params, "batch": batch}]}


def _ours(folder: Path, url: str, n: int) -> list[str]:
    document = folder / "document.json"
    document.write_text(json.dumps(_document(url, n)))
    return [_COMMAND, "run", "--quiet", str(document)]


def _awaited(folder: Path, url: str, n: int) -> list[str]:
    return [_AWAITED, url, str(n)]


def _whole(program: Callable[[Path, str, int], list[str]]) -> Opening:
    """A side that runs a program, its text and its arguments, in a fresh interpreter."""

    @contextmanager
    def opening(n: int) -> Iterator[Ready]:
        if not Path(STATUS).exists():
            raise MissingError(f"no {STATUS}, which has the peak of a process's memory")
        if importlib.util.find_spec("openai") is None:
            raise MissingError("no package openai")
        python = python_of("own")
        with serving(SECONDS) as url, TemporaryDirectory() as folder:
            code, *arguments = program(Path(folder), f"{url}/v1", n)

            def work() -> dict[str, float]:
                ended = subprocess.run(
                    [python, "-c", _PEAK + code, *arguments],
                    cwd=folder, capture_output=True, text=True, check=False,
                )  # fmt: skip
                expect(ended.returncode, 0, ended.stderr[-500:])
                return {"peak_mb": int(ended.stderr.split()[-1]) * 1024 / 1e6}

            yield Ready(work)

    return opening


def _row(name: str, many: int, quick: int) -> Workload:
    return Workload(
        name=name,
        title=f"{many:,} LLM calls of 1 s at once, the whole program",
        measures="peak of resident memory of the whole process, MB; ours by `batchmill run`, with a journal",
        unit="MB",
        better="lower",
        score=figure("peak_mb"),
        sizes={"full": many, "quick": quick, "smoke": 2},
        sides=(Side(OURS, _whole(_ours), "ours"), Side(AWAITED, _whole(_awaited))),
        aim=(Target(1.2, AWAITED),),
        least=(Target(1.5, AWAITED),),
        timeout=300.0,
    )


ROWS = (_row("llm-whole-1000", 1000, 1000), _row("llm-whole-5000", 5000, 2000))
