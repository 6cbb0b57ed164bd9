"""The calls of a run: where they are entered while it runs, and its report of them at the end."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from batchmill.errors import StorageError
from batchmill.graph.address import address_of
from batchmill.graph.compile.node import PlannedNode
from batchmill.graph.compile.plan import Plan
from batchmill.journal.runlog import SqliteRunLog
from batchmill.lists import Rows
from batchmill.record import CallsUnderWay, calls_left
from batchmill.record.ledger import LedgerEntry, ledger, total
from batchmill.record.under_way import NUMBER_KEY

_TOGETHER = 500  # calls that are put aside at once


def addresses(plan: Plan) -> list[str]:
    """The addresses of all nodes in the order of the document; those of a sub-workflow follow the node that
    runs it. Nodes inside items are left out, and so are recursive runs."""
    return list(_addresses(plan.whole or plan, "", ()))


def _addresses(plan: Plan, within: str, around: tuple[int, ...]) -> Iterator[str]:
    for node in plan.nodes.values():
        place = address_of(node.id, within=within)
        yield place
        if node.sub is not None and node.spec.batch is None and id(node.sub.plan) not in around:
            yield from _addresses(node.sub.plan, place, (*around, id(plan), id(node.sub.plan)))


def asks_models(plan: Plan) -> bool:
    """Whether any node, inside sub-workflows too, asks language models."""
    return any(node.kind.calls_models for node in all_nodes(plan))


def all_nodes(plan: Plan) -> Iterator[PlannedNode]:
    """Every node, those inside sub-workflows too."""
    for one in plan.all_plans():
        yield from one.nodes.values()


@contextmanager
def calls_of_the_run(log: SqliteRunLog | None, plan: Plan) -> Iterator[CallsUnderWay | None]:
    """Where calls are entered before they are made: beside the journal, without one in a temporary folder.
    Raises :class:`StorageError` where there can be none."""
    if not asks_models(plan):
        yield None
        return
    if log is not None:
        yield log.ledger.under_way
        return
    try:
        folder = tempfile.mkdtemp(prefix="batchmill-calls-")
    except OSError as error:
        raise StorageError(f"no temporary folder can be made: {error.strerror}") from error
    try:
        yield CallsUnderWay(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def all_calls(
    told: Sequence[object], log: SqliteRunLog | None, under_way: CallsUnderWay | None
) -> Sequence[Any]:
    """The calls of the whole run; ``told`` are those that returned with the outcomes of this pass. With a
    journal they are those of every pass, else they include calls of attempts that returned nothing.

    Raises :class:`StorageError`.
    """
    if log is not None:
        count = log.count_calls()
        return told if count <= len(told) and not log.resumed else _listed(call for _, call in log.calls())
    if under_way is None:
        return told
    known = {call["id"] for call in told if isinstance(call, dict) and call.get("id")}
    left = [call for call in calls_left(under_way.folder) if call["id"] not in known]
    for call in left:
        del call[NUMBER_KEY]
    return _listed([*told, *left]) if left else told


def spent_before(log: SqliteRunLog) -> dict[str, Any] | None:
    """The use by the earlier passes of a resumed run; None if they made no calls."""
    return sum_of(call for number, call in log.calls() if number < log.run.passes)


def sum_of(calls: Iterable[dict[str, object]]) -> dict[str, Any] | None:
    """The sum of some calls, with the estimated part if there is one; None where there are none."""
    whole: LedgerEntry = total(ledger(calls))
    if not whole.calls:
        return None
    told, part = whole.as_json(), ("estimated", "estimated_cost") if whole.estimated else ()
    return {name: told[name] for name in ("calls", "tokens", "cost", *part)}


def _listed(calls: Iterable[object]) -> Sequence[Any]:
    """Calls as a list, which is on disk if there are many."""
    rows, part, start = Rows(), list[Any](), 0
    for call in calls:
        part.append(call)
        if len(part) == _TOGETHER:
            rows.put_run(start, part)
            part, start = [], start + _TOGETHER
    rows.put_run(start, part)
    return rows.listed_present()
