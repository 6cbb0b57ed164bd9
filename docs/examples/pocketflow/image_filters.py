"""Three filters over three images as a batch flow: waiting for storage, and computing.

Images are made up and held as rows of (red, green, blue); nothing but the standard library is needed.
Storage is a stub that takes its time. Run it with:

    python docs/examples/pocketflow/image_filters.py
"""

from __future__ import annotations

import asyncio
import sys
import time
import zlib
from collections.abc import Callable, Iterator

from batchmill import AsyncBatchFlow, AsyncNode, AsyncParallelBatchFlow, BatchFlow, Flow, Node

Pixel = tuple[int, int, int]
Image = list[list[Pixel]]

IMAGES = ("cat", "dog", "bird")
STORAGE_SECONDS = 0.1  # to read or to write one image
SIZE = 160  # pixels on a side where the filters compute


def make_image(name: str, size: int) -> Image:
    """A made-up image that differs by name."""
    seed = zlib.crc32(name.encode())
    return [[((x * seed) % 256, (y * seed) % 256, (x * y) % 256) for x in range(size)] for y in range(size)]


def grayscale(image: Image) -> Image:
    return [[((r * 299 + g * 587 + b * 114) // 1000,) * 3 for r, g, b in row] for row in image]


def sepia(image: Image) -> Image:
    return [
        [(min(255, (r + g + b) * 2 // 5), (r + g + b) // 3, (r + g + b) // 4) for r, g, b in row]
        for row in image
    ]


def blur(image: Image) -> Image:
    """The mean of each pixel and its neighbours, the image continued round its edges."""
    size = len(image)

    def mean(x: int, y: int) -> Pixel:
        around = [image[(y + dy) % size][(x + dx) % size] for dy in (-1, 0, 1) for dx in (-1, 0, 1)]
        return sum(p[0] for p in around) // 9, sum(p[1] for p in around) // 9, sum(p[2] for p in around) // 9

    return [[mean(x, y) for x in range(size)] for y in range(size)]


FILTERS: dict[str, Callable[[Image], Image]] = {"grayscale": grayscale, "sepia": sepia, "blur": blur}


def digest(image: Image) -> int:
    """A checksum to compare images by."""
    return zlib.crc32(bytes(value for row in image for pixel in row for value in pixel))


def entries() -> Iterator[dict[str, str]]:
    """Params of each run of the flow."""
    return ({"image": image, "filter": name} for image in IMAGES for name in FILTERS)


# Waiting: storage is slow, the images are small. Coroutines wait together.


class Load(AsyncNode):
    async def exec_async(self, prep_res):
        await asyncio.sleep(STORAGE_SECONDS)
        return make_image(self.params["image"], 8)

    async def post_async(self, shared, prep_res, image):
        shared[self.params["image"], self.params["filter"], "read"] = image


class Apply(Node):
    def prep(self, shared):
        return shared.pop((self.params["image"], self.params["filter"], "read"))

    def exec(self, image):
        return FILTERS[self.params["filter"]](image)

    def post(self, shared, prep_res, image):
        shared[self.params["image"], self.params["filter"], "made"] = image


class Save(AsyncNode):
    async def prep_async(self, shared):
        return shared.pop((self.params["image"], self.params["filter"], "made"))

    async def exec_async(self, image):
        await asyncio.sleep(STORAGE_SECONDS)
        return digest(image)

    async def post_async(self, shared, prep_res, checksum):
        shared["saved"][self.params["image"], self.params["filter"]] = checksum


class Stored(AsyncBatchFlow):
    """Every image through every filter, one after another."""

    async def prep_async(self, shared):
        return list(entries())


class StoredAtOnce(AsyncParallelBatchFlow):
    """The same, all at once."""

    async def prep_async(self, shared):
        return list(entries())


# Computing: the filters have work to do. That takes cores, and processes to use them.


class Compute(Node):
    def exec(self, prep_res):
        return digest(FILTERS[self.params["filter"]](make_image(self.params["image"], SIZE)))

    def post(self, shared, prep_res, checksum):
        shared["saved"][self.params["image"], self.params["filter"]] = checksum


class Computed(BatchFlow):
    """The filters over large images, six times each."""

    def prep(self, shared):
        return list(entries()) * 6


def stored(kind: type[AsyncBatchFlow | AsyncParallelBatchFlow]) -> Flow:
    """The flow from reading to writing, as a batch flow of that kind."""
    load = Load()
    load >> Apply() >> Save()
    return kind(start=load)


WAYS: dict[str, Callable[[], Flow]] = {
    "waiting, one after another": lambda: stored(Stored),
    "waiting, all at once": lambda: stored(StoredAtOnce),
    "computing, one after another": lambda: Computed(Compute()),
    "computing, on threads": lambda: Computed(Compute(), executor="thread"),
    "computing, on processes": lambda: Computed(Compute(), executor="process"),
}


def checksums(way: str) -> dict[tuple[str, str], int]:
    """What was saved, made in one of the ways."""
    shared: dict = {"saved": {}}
    flow = WAYS[way]()
    if isinstance(flow, AsyncNode):
        asyncio.run(flow.run_async(shared))
    else:
        flow.run(shared)
    return shared["saved"]


def best_seconds(way: str, runs: int = 3) -> float:
    """The shortest of a few runs: what other work on the machine adds is not the program's."""
    taken = []
    for _ in range(runs):
        began = time.perf_counter()
        checksums(way)
        taken.append(time.perf_counter() - began)
    return min(taken)


def main() -> None:
    first: dict[str, float] = {}
    for way in WAYS:
        seconds = best_seconds(way)
        base = first.setdefault(way.split(",")[0], seconds)
        sys.stdout.write(f"{way:<30} {seconds:6.2f} s  {base / seconds:5.1f} x\n")


if __name__ == "__main__":
    main()
