"""Translate a document into eight languages: one after another, all at once, and in sections.

The model is a stub that takes as long as a slow model would, some languages longer than others, and is
now and then too busy to answer. Run it with:

    python docs/examples/pocketflow/translate.py
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable

from batchmill import AsyncBatchNode, AsyncNode, AsyncParallelBatchNode

# Seconds for the whole document. Together they are 5.4 times the longest, so that is the most that
# whole documents at once can win.
SECONDS = {
    "Chinese": 0.37,
    "Japanese": 0.34,
    "Russian": 0.29,
    "Spanish": 0.22,
    "German": 0.21,
    "French": 0.20,
    "Portuguese": 0.19,
    "Korean": 0.18,
}
SECTIONS = 12
DOCUMENT = "\n\n".join(f"Section {number}. Some text to be translated." for number in range(SECTIONS))


async def ask_model(text: str, language: str, share: float, attempt: int) -> str:
    """The stub: ``share`` is how much of the document ``text`` is. The first request for Russian fails."""
    if language == "Russian" and attempt == 0:
        raise ConnectionError("the model is busy")
    await asyncio.sleep(SECONDS[language] * share)
    return "\n".join(f"[{language}] {line}" if line else "" for line in text.splitlines())


class Whole:
    """One item per language: the whole document."""

    async def prep_async(self, shared):
        return [(language, shared["document"], 1.0) for language in SECONDS]

    async def exec_async(self, item):
        language, text, share = item
        return language, await ask_model(text, language, share, self.cur_retry)

    async def post_async(self, shared, items, translated):
        shared["translations"] = dict(translated)


class Sections(Whole):
    """One item per language and section; what comes back is in order, so joining is all there is to do."""

    async def prep_async(self, shared):
        sections = shared["document"].split("\n\n")
        return [(language, text, 1 / len(sections)) for language in SECONDS for text in sections]

    async def post_async(self, shared, items, translated):
        texts: dict[str, list[str]] = {}
        for language, text in translated:
            texts.setdefault(language, []).append(text)
        shared["translations"] = {language: "\n\n".join(parts) for language, parts in texts.items()}


class WholeInTurn(Whole, AsyncBatchNode):
    """Languages one after another."""


class WholeAtOnce(Whole, AsyncParallelBatchNode):
    """All languages at once."""


class SectionsAtOnce(Sections, AsyncParallelBatchNode):
    """Sections of all languages at once."""


WAYS: dict[str, Callable[[], AsyncNode]] = {
    "one after another": lambda: WholeInTurn(max_retries=3),
    "whole documents at once": lambda: WholeAtOnce(max_retries=3),
    "sections, 32 at once": lambda: SectionsAtOnce(max_retries=3, max_concurrent=32),
    "sections, 96 at once": lambda: SectionsAtOnce(max_retries=3, max_concurrent=96),
}


def translations(way: str) -> dict[str, str]:
    """The document in every language, made in one of the ways."""
    shared = {"document": DOCUMENT}
    asyncio.run(WAYS[way]().run_async(shared))
    return shared["translations"]


def best_seconds(way: str, runs: int = 3) -> float:
    """The shortest of a few runs: what other work on the machine adds is not the program's."""
    taken = []
    for _ in range(runs):
        began = time.perf_counter()
        translations(way)
        taken.append(time.perf_counter() - began)
    return min(taken)


def main() -> None:
    first = 0.0
    for way in WAYS:
        seconds = best_seconds(way)
        first = first or seconds
        sys.stdout.write(f"{way:<24} {seconds:6.2f} s  {first / seconds:5.1f} x\n")


if __name__ == "__main__":
    main()
