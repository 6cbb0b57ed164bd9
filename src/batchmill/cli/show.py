"""``batchmill show``: what a run did, its errors, or one of its items."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain, islice
from typing import Any

import click

from batchmill.cli import options
from batchmill.cli.clashes import refuse_together
from batchmill.cli.faults import error_details
from batchmill.cli.item_rows import as_shown
from batchmill.cli.items_again import ItemsAgain
from batchmill.cli.journals import Journals
from batchmill.cli.runs import as_json
from batchmill.cli.streams import DataStream, data_only
from batchmill.cli.titles import is_map, moment, title
from batchmill.errors import UnknownRun
from batchmill.graph.address import address_of
from batchmill.journal.contract import RunRecord
from batchmill.journal.journal import LAST
from batchmill.journal.reading import Reader
from batchmill.journal.records import VisitRecord
from batchmill.runs.batch_api import as_json as batch_as_json
from batchmill.runs.batch_api import in_words
from batchmill.runs.inner_errors import inner_errors
from batchmill.runs.ledger import sum_of
from batchmill.values import to_json
from batchmill.values.words import count, on_one_line, seconds, spending

LONGEST_TITLE = 1000  # characters
MOST_ERRORS = 1000  # lines of errors without --json; who wants more reads JSON


@click.command("show", short_help="Show what a run did, or one of its items.")
@click.argument("run", default=LAST)
@click.option("--item", type=click.IntRange(0), metavar="N", help="Show the item at position N, from 0.")
@click.option(
    "--node", metavar="ID", help="Show this node only; --item without it means the last batch node."
)
@click.option("--errors", is_flag=True, help="Show all failures, inside items too.")
@options.journal
@options.json_flag("Print JSON.")
def command(
    run: str, item: int | None, node: str | None, errors: bool, journal_path: str | None, json_wanted: bool
) -> int:
    """Show what RUN did (its id or the beginning of it, its name, or `last`)."""
    refuse_together("item", "errors", "--item shows one item, and --errors all failures")
    with Journals(journal_path) as journals, data_only() as data:
        reader, found, _ = journals.run(run)
        visits = reader.visits(found)
        if item is not None:
            _show_item(reader, visit_of(visits, node), item, data, json_wanted, mapped=is_map(found))
            return 0
        if node is not None:
            if node not in _without_visit(reader, found, visits):
                visit_of(visits, node)  # which complains of one that the run does not have
            visits = [visit for visit in visits if visit.address == node]
        others = _without_visit(reader, found, reader.visits(found) if node else visits)
        others = {name: told for name, told in others.items() if node in (None, name)}
        if errors:
            _show_errors(reader, visits, others, data, json_wanted)
        else:
            _show_run(reader, found, visits, others, data, json_wanted)
    return 0


def _without_visit(reader: Reader, run: RunRecord, visits: list[VisitRecord]) -> dict[str, dict[str, object]]:
    """The entries of a run's result for nodes without a saved outcome, by address: those of ``finally``, and
    skipped ones."""
    kept = {visit.address for visit in visits}
    inside = {address.rpartition(".")[0] for address in kept}
    found = {name: told for name, told in reader.nodes(run).items() if name not in kept | inside}
    order = {name: number for number, name in enumerate(_ids(run.document))}
    last = len(order)
    return {name: found[name] for name in sorted(found, key=lambda name: order.get(name.split(".")[0], last))}


def _ids(document: object) -> Iterator[str]:
    """The ids of a document's nodes in its order, whether listed or in a pipeline."""
    if isinstance(document, Mapping):
        if isinstance(document.get("id"), str):
            yield document["id"]
            return
        for key in ("nodes", "pipeline", "parallel", "finally"):
            yield from _ids(document.get(key))
    elif isinstance(document, list):
        for one in document:
            yield from _ids(one)


def visit_of(visits: list[VisitRecord], node: str | None) -> VisitRecord:
    """The latest visit of ``node``; without one, that of the last batch node. Raises :class:`UnknownRun`."""
    wanted = [visit for visit in visits if (visit.is_batch if node is None else visit.address == node)]
    if wanted:
        return wanted[-1]
    known = ", ".join(dict.fromkeys(visit.address for visit in visits)) or "none"
    raise UnknownRun(f"the run has no {'batch node' if node is None else f'node {node!r}'}; it has {known}")


def _show_item(
    reader: Reader,
    visit: VisitRecord,
    index: int,
    data: DataStream,
    as_text: bool,
    *,
    mapped: bool,
) -> None:
    found = reader.item(visit, index)
    if found is None:
        raise UnknownRun(f"item {index} of {visit.address} has no outcome; {visit.done} items have one")
    again = ItemsAgain(reader, visit)
    told = (as_shown(found) if mapped else again.completed(found)).as_json()
    place = {"place": again.place} if again.place else {}
    data.write_json({"node": visit.address, **place, **told}, indent=None if as_text else 2)


def _show_errors(
    reader: Reader,
    visits: list[VisitRecord],
    others: Mapping[str, Mapping[str, object]],
    data: DataStream,
    as_list: bool,
) -> None:
    every = chain(_errors(reader, visits), _errors_of_others(others))
    if as_list:
        for piece in _json_list(told for _, told in every):
            data.write(piece)
        return
    for place, one in islice(every, MOST_ERRORS):
        data.write_line(_error_line(place, one))


def _errors(reader: Reader, visits: list[VisitRecord]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The failures in the visits, with their addresses, and failures inside items that did not fail
    themselves: those have the item in ``within``."""
    for visit in visits:
        if not (visit.failed or visit.degraded):
            continue
        for one in reader.items(visit, failed_only=True):
            place = address_of(visit.address, index=one.index if visit.is_batch else None)
            if one.error is not None:
                yield place, {"node": visit.address, **one.as_json()}
                continue
            within = {"node": visit.address, "index": one.index}
            for entry in inner_errors(reader, one):
                yield address_of(entry["node"], index=entry["index"]), {**entry, "within": within}


def _errors_of_others(others: Mapping[str, Mapping[str, object]]) -> Iterator[tuple[str, dict[str, object]]]:
    """The failures of nodes without saved outcomes."""
    for name, told in others.items():
        if told.get("status") == "failed":
            kind, _, message = str(told.get("failure") or "").partition(": ")
            yield name, {"node": name, "index": None, "error": {"type": kind, "message": message}}


def _json_list(values: Iterator[object]) -> Iterator[str]:
    yield "["
    for number, value in enumerate(values):
        yield (", " if number else "") + to_json(value)
    yield "]\n"


def _error_line(place: str, one: dict[str, Any]) -> str:
    error = one.get("error") or {}
    text = on_one_line(str(error.get("message")), 200)
    return f"{place}: {error.get('type')}: {text}{error_details(error)}"


def _show_run(
    reader: Reader,
    run: RunRecord,
    visits: list[VisitRecord],
    others: Mapping[str, Mapping[str, object]],
    data: DataStream,
    as_object: bool,
) -> None:
    waiting = list(map(batch_as_json, reader.batches(run)))
    spent = _spent(reader, run)
    if as_object:
        nodes = [*map(_visit, visits), *(_as_visit(name, told) for name, told in others.items())]
        data.write_json({**as_json(run), "nodes": nodes, "spent": spent, "waiting": waiting})
        return
    for line in _head(run):
        data.write_line(line)
    for visit in visits:
        data.write_line(f"  {visit.address}: {_counts(visit)}")
    for name, told in others.items():
        data.write_line(f"  {name}: {_ended(told)}")
    if waiting:
        data.write_line(in_words(waiting))
    if spent is not None:
        data.write_line(f"spent{' in all' if run.passes > 1 else ''}: {spending(**spent)}")


def _head(run: RunRecord) -> Iterator[str]:
    """What is said of the run itself."""
    again = f", begun {run.passes} times" if run.passes > 1 else ""
    wall = f" in {seconds(run.wall)}" if run.wall is not None else ""
    yield f"run {run.name}: {run.status}{wall}{again}"
    mapped = is_map(run)
    if mapped or run.label:
        yield title(run, LONGEST_TITLE)
    if not mapped:
        yield f"document {run.source}"
    yield f"begun {moment(run.started_at)} in {run.folder}"
    if run.limit is not None:
        yield f"no more than the first {count(run.limit, 'item')} of each batch, by --limit"


def _visit(visit: VisitRecord) -> dict[str, Any]:
    counts = {"total": visit.total, "done": visit.done, "failed": visit.failed}
    counts |= {"degraded": visit.degraded, "skipped": visit.skipped}
    return {"node": visit.address, "batch": visit.is_batch, **counts, "wall": round(visit.wall, 6)}


def _as_visit(name: str, told: Mapping[str, object]) -> dict[str, Any]:
    """A node without outcomes in the form of a visit, with its status."""
    failed = told.get("status") == "failed"
    counts = {"done": int(told.get("status") != "skipped"), "failed": int(failed)}
    counts |= {"degraded": 0, "skipped": 0}
    node = {"node": name, "batch": "count" in told, "total": told.get("count"), **counts}
    return {**node, "wall": told.get("wall", 0.0), "status": told.get("status")}


def _ended(told: Mapping[str, Any]) -> str:
    if told.get("status") == "skipped":
        return "skipped"
    why = f": {on_one_line(str(told['failure']), 200)}" if told.get("failure") else ""
    word = "done" if told.get("status") == "success" else told.get("status")
    return f"{word} in {seconds(told.get('wall', 0.0))}{why}"


def _spent(reader: Reader, run: RunRecord) -> dict[str, Any] | None:
    """The usage of the calls of all passes; None if there were none."""
    return sum_of(call for _, call in reader.calls(run))


def _counts(visit: VisitRecord) -> str:
    if not visit.is_batch:
        return f"{'failed' if visit.failed else 'done'} in {seconds(visit.wall)}"
    every = "" if visit.total is None else f" of {visit.total:,}"
    failed = f", {visit.failed:,} failed" if visit.failed else ""
    degraded = f", {visit.degraded:,} degraded" if visit.degraded else ""
    skipped = f", {visit.skipped:,} skipped" if visit.skipped else ""
    return f"{visit.done:,}{every} items done{failed}{degraded}{skipped}, {seconds(visit.wall)} of work"
