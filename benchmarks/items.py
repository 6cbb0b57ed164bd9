"""What is done to an item. Imported by name in worker processes, so it imports next to nothing."""

from __future__ import annotations

import math
import random
import time
from dataclasses import dataclass, field
from typing import Any


def noop(item: Any) -> Any:
    """Give the item back."""
    return item


def burn(seconds: float) -> float:
    """Use ``seconds`` of CPU of the calling thread."""
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass
    return seconds


def count_up(steps: int) -> int:
    """``steps`` steps of pure Python: the same work on every interpreter."""
    total = 0
    for step in range(steps):
        total += step & 7
    return total


def rest(seconds: float) -> float:
    """Wait ``seconds`` without using the CPU."""
    time.sleep(seconds)
    return seconds


@dataclass
class WithConstant:
    """A callable that carries a large constant, as a node with a model or a table does."""

    constant: bytes

    def __call__(self, item: int) -> int:
        return self.constant[item] + item


@dataclass
class Step:
    """One node of a chain: a few hundred bytes of params."""

    name: str
    params: dict[str, Any]


def _chain_steps() -> list[Step]:
    return [
        Step(f"step-{i}", {"text": "x" * 200, "fields": [f"field-{k}" for k in range(20)], "limit": {"n": i}})
        for i in range(3)
    ]


@dataclass
class Chain:
    """Three nodes of about 2 KB together, called as one."""

    steps: list[Step] = field(default_factory=_chain_steps)

    def __call__(self, item: int) -> int:
        return item + len(self.steps)


SHAPES = ("random", "first", "last", "drift", "lognormal")


def durations(shape: str, n: int, scale: float = 1.0) -> list[float]:
    """Seconds of CPU per item for ``n`` items of one of :data:`SHAPES`; the same on every call.

    ``random``, ``first`` and ``last`` hold 1 % items that are 100 times as long (20 ms against 0.2 ms);
    ``drift`` rises from 20 µs to 5 ms; ``lognormal`` has a median of 0.2 ms and a sigma of 1.5.
    """
    source = random.Random(shape)
    if shape == "drift":
        return [scale * (20e-6 + (5e-3 - 20e-6) * i / max(1, n - 1)) for i in range(n)]
    if shape == "lognormal":
        return [scale * source.lognormvariate(math.log(0.2e-3), 1.5) for _ in range(n)]
    few = max(1, n // 100)
    long, short = [20e-3 * scale] * few, [0.2e-3 * scale] * (n - few)
    if shape == "first":
        return long + short
    if shape == "last":
        return short + long
    if shape == "random":
        mixed = long + short
        source.shuffle(mixed)
        return mixed
    raise ValueError(f"no shape {shape!r}; there are {', '.join(SHAPES)}")
