"""The files from which items are read, and which of them the run itself writes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

from batchmill.batch.stream_buffer import StreamBuffer
from batchmill.events import Noticed
from batchmill.file_table import Entry, without
from batchmill.graph.frame import NodeFrame
from batchmill.items.sources import ChunkedIterable
from batchmill.sourced import all_bare


def others(around: NodeFrame, names: Sequence[object]) -> Sequence[Any]:
    """The names of files that the run neither writes now nor will write."""
    bare_names = all_bare(names)
    own = around.services.files.among(bare_names)
    if not own:
        return names
    left_out = ", ".join(str(bare_names[one]) for one in own)
    around.services.bus.emit(Noticed(f"left out, as files of this run: {left_out}"))
    return without(names, own)


def chosen_of(around: NodeFrame, paths: list[str]) -> list[str]:
    """The same of paths that a pattern has found, to be read."""
    return list(others(around, paths))


def without_own(items: Iterable[object], kind: str, around: NodeFrame) -> Iterable[object]:
    """Names of files without those that belong to the run or that it will write."""
    if kind not in ("lines", "stdin") or not isinstance(
        items, ChunkedIterable
    ):  # patterns have chosen already
        return items
    chosen = partial(others, around)
    return ChunkedIterable(lambda: map(chosen, items.read()), wake=items.wake, files=items.files)


def entered_files(
    items: Iterable[object] | StreamBuffer, around: NodeFrame, place: str
) -> list[Entry | None]:
    """The files that the items are read from, entered into the table of the run's files."""
    if not isinstance(items, ChunkedIterable):
        return []
    entered: list[Entry | None] = []
    try:
        for file in items.files:
            entered.append(around.services.files.reading(file, f"`{place}`"))
    except BaseException:
        for entry in entered:
            around.services.files.done(entry)
        raise
    return entered
