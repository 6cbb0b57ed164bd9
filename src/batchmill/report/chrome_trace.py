"""The run as a trace in Chrome's format, which Perfetto opens: a process a node, a track a slot.

An attempt is a slice on the track of its slot, so slices of a track never overlap; what has no slot is an
asynchronous slice. Values are not in it. It is written a page of items at a time."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from itertools import repeat
from math import ceil, floor
from typing import Any

from batchmill.report import text
from batchmill.report.facts import Facts
from batchmill.report.parts import ReportNode
from batchmill.report.plain import Plain
from batchmill.report.rows import AttemptRow, RefusalRow, Row, refusals_of
from batchmill.report.slot_names import SlotNames

RUN = 1  # the process of the run as a whole; nodes have those after it
VISITS = 1  # the track of a node's visits; slots have those after it
Event = dict[str, Any]


def pieces(facts: Facts) -> Iterator[str]:
    """The trace as text, piece by piece: one JSON object with an event on each line."""
    told = {
        "run": text.line(facts.run.name),
        "began": facts.epoch(0.0),
        "source": text.line(facts.run.source),
    }
    yield f'{{"displayTimeUnit": "ms", "otherData": {json.dumps(told)}, "traceEvents": ['
    between = "\n"
    for event in _events(facts):
        yield between + (event if isinstance(event, str) else json.dumps(event))
        between = ",\n"
    yield "\n]}\n"


def _events(facts: Facts) -> Iterator[Event | str]:
    """Each event, or several as text with a comma between."""
    processes = {node.id: number for number, node in enumerate(facts.nodes, RUN + 1)}
    yield from _named(RUN, f"run {facts.run.name}", 0)
    for number, one in enumerate(facts.passes, 1):
        yield {**_slice(f"pass {number}", one.at, one.wall, RUN, VISITS), "args": {"ended": one.ended}}
    for node in facts.nodes:
        yield from _node(node, processes[node.id])
    yield from _Items(processes, facts.slot_names).events(facts.columns())
    yield from _happenings(facts, processes)


def _named(process: int, name: str, place: int) -> Iterator[Event]:
    about = {"ph": "M", "pid": process, "tid": 0, "ts": 0}
    yield {**about, "name": "process_name", "args": {"name": text.line(name)}}
    yield {**about, "name": "process_sort_index", "args": {"sort_index": place}}


def _track(process: int, track: int, name: str) -> Event:
    return {"ph": "M", "pid": process, "tid": track, "ts": 0, "name": "thread_name", "args": {"name": name}}


def _node(node: ReportNode, process: int) -> Iterator[Event]:
    yield from _named(process, node.id, process)
    if node.visits:
        yield _track(process, VISITS, "under way")
    for visit in node.visits:
        args = {"type": node.type, "executor": node.executor, "slots": visit.slots}
        yield {**_slice(node.id, visit.at, visit.wall, process, VISITS), "args": args}


class _Items:
    """The slices of items, and the processes and tracks they are on, each named before it is used."""

    def __init__(self, processes: dict[str, int], names: SlotNames) -> None:
        self._processes, self._names = processes, names
        self._tracks: set[tuple[int, int]] = set()

    def events(self, items: Iterable[Row | Plain]) -> Iterator[Event | str]:
        """The events of all items that ran."""
        for one in items:
            if isinstance(one, Plain):
                yield from self._plain(one)
            elif one.start is not None and one.state not in ("kept", "skipped", "not run"):
                yield from self._row(one, one.start)

    def _row(self, row: Row, start: float) -> Iterator[Event]:
        yield from self._named(row.node)
        process = self._processes[row.node]
        tried = row.tried or (AttemptRow(start, row.wall, row.error, waited=row.waited, slot=row.slot),)
        for number, one in enumerate(tried, 1):
            slot = row.slot if one.slot is None else one.slot
            if slot is not None:
                yield from self._tracked(row.node, process, slot)
            yield from _attempt(row, one, number, slot, process)
        yield from map(_refused, refusals_of(row))

    def _plain(self, items: Plain) -> Iterator[Event | str]:
        """In columns: an object for each of a million items would take most of the time."""
        yield from self._named(items.node)
        process = self._processes[items.node]
        for slot in dict.fromkeys(items.slots):
            yield from self._tracked(items.node, process, slot)
        before = f'{{"ph": "X", "pid": {process}, "tid": '
        ok = '"state": "ok", "attempt": 1'
        columns = zip(items.indexes, items.starts, items.ends, items.slots, self._more(items), strict=False)
        yield ",\n".join(
            [
                f'{before}{slot + VISITS + 1}, "ts": {(begin := ceil(at * 1e6))}, "dur": '
                f'{max(0, floor(end * 1e6) - begin)}, "name": "{index}", '
                f'"args": {{"index": {index}, {ok}{more}}}}}'
                for index, at, end, slot, more in columns
            ]
        )

    def _more(self, items: Plain) -> Iterable[str]:
        """The details of each item, as text."""
        if items.waited is None and not items.turn:
            return repeat("")
        waits = items.waited or repeat(0.0)
        turn = json.dumps(text.line(items.turn))[:-1] if items.turn else ""
        return (
            (f', "waited_s": {wait}' if wait else "")
            + (f', "place": {turn}, item {index - items.base}"' if turn else "")
            for index, wait in zip(items.indexes, waits, strict=False)
        )

    def _named(self, node: str) -> Iterator[Event]:
        if node not in self._processes:
            process = self._processes[node] = len(self._processes) + RUN + 1
            yield from _named(process, node, process)

    def _tracked(self, node: str, process: int, slot: int) -> Iterator[Event]:
        if (process, slot) not in self._tracks:
            self._tracks.add((process, slot))
            name = self._names.name(node, slot) or f"slot {slot}"
            yield _track(process, slot + VISITS + 1, text.line(name))


def _attempt(row: Row, one: AttemptRow, number: int, slot: int | None, process: int) -> Iterator[Event]:
    state = row.state if number == max(1, len(row.tried)) else "tried again"
    args: dict[str, Any] = {"index": row.index, "state": state, "attempt": number}
    for key, value in (("error", text.line(one.error)), ("status", one.status), ("waited_s", one.waited)):
        if value:
            args[key] = value
    if row.address:
        args["place"] = text.line(row.address)
    name = str(row.index) if number == 1 else f"{row.index}, attempt {number}"
    if slot is not None:
        yield {**_slice(name, one.at, one.wall, process, slot + VISITS + 1), "args": args}
        return
    shown = {"cat": "item", "name": name, "pid": process, "tid": 0, "id": f"{text.line(row.place)} {number}"}
    yield {**shown, "ph": "b", "ts": _micro(one.at), "args": args}
    yield {**shown, "ph": "e", "ts": _micro(one.at + one.wall)}


def _slice(name: str, at: float, wall: float, process: int, track: int) -> Event:
    # Times of day are noted less exactly than this, so a begin may seem to lie a little before the end of the
    # one before: both are rounded towards the middle, and slices of a track never overlap.
    begin = ceil(at * 1e6)
    shown = {"ph": "X", "name": text.line(name), "pid": process, "tid": track}
    return {**shown, "ts": begin, "dur": max(0, floor((at + wall) * 1e6) - begin)}


def _micro(at: float) -> int:
    return round(at * 1e6)


def _happenings(facts: Facts, processes: Mapping[str, int]) -> Iterator[Event]:
    """Events of limits, services and workers."""
    for step in sorted(facts.limits, key=lambda one: one.at):
        values = {"at once": step.limit, "a second": step.rate}
        known = {name: value for name, value in values.items() if value is not None}
        shown = {"ph": "C", "name": f"limit {text.line(step.key)}", "pid": RUN, "tid": 0}
        yield {**shown, "ts": _micro(step.at), "args": known}
    for sample in facts.samples():
        for name, value in (("cores", round(sample.cores, 3)), ("memory", sample.rss)):
            shown = {"ph": "C", "name": name, "pid": RUN, "tid": 0}
            yield {**shown, "ts": _micro(sample.at), "args": {name: value}}
    for refusal in facts.refusals():
        yield _refused(refusal)
    for death in facts.deaths:
        process = processes.get(death.node, RUN)
        told = {
            "slot": death.slot, "pid": death.pid, "exit_code": death.exit_code, "signal": death.signal,
            "reason": death.reason or None, "index": death.index, "items": death.items,
            "host": text.line(death.host) or None,
        }  # fmt: skip
        yield _instant("a worker died", death.at, process, told)


def _refused(refusal: RefusalRow) -> Event:
    told = {"status": refusal.status, "retry_after_s": refusal.retry_after}
    return _instant(f"refused by {refusal.key}", refusal.at, RUN, told)


def _instant(name: str, at: float, process: int, told: Mapping[str, Any]) -> Event:
    shown = {"ph": "i", "s": "p", "name": text.line(name), "pid": process, "tid": VISITS, "ts": _micro(at)}
    return {**shown, "args": {key: value for key, value in told.items() if value is not None}}
