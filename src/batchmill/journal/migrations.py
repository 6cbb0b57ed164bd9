"""The parts of a way from one format to the next that SQL has no words for.

The statements of ``sql/schema_N.sql`` lead from format N - 1 to N; what stands here for N is called after
them, in the same transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from batchmill.journal.encoding import decode, encode
from batchmill.journal.statements import statement

if TYPE_CHECKING:
    import sqlite3


def _enter_recorded_calls(connection: sqlite3.Connection) -> None:
    """Format 2: what stood in the details of outcomes goes into the ledger too.

    Outcomes were copied when a visit was begun anew, so in older visits of a node what is there already is
    passed over.
    """
    seen: set[tuple[Any, ...]] = set()
    latest: dict[tuple[Any, ...], int] = {}
    entered: list[tuple[Any, ...]] = []
    for run, address, turn, is_batch, identity, number, text in connection.execute(
        statement("recorded_in_format_1")
    ):
        visit, item = identity >> 32, identity & 0xFFFFFFFF
        is_latest = latest.setdefault((run, address, turn), visit) == visit
        index = item if is_batch else None
        for place, call in enumerate(_calls(text)):
            call.setdefault("node", "")
            if not call["node"]:
                call.update(node=address, index=index)
            detail = encode(call)
            if (run, address, detail) in seen and not is_latest:
                continue
            seen.add((run, address, detail))
            name = f"{run}.{number}.{address}.{turn}.{index}.{place}.{visit}"
            entered.append((name, run, number, address, 0, turn, index, place, detail))
    connection.executemany(statement("add_call"), entered)


def _calls(detail: str) -> Iterator[dict[str, Any]]:
    """The calls in the detail of an outcome, as format 1 has them."""
    try:
        waiting = list(decode(detail).get("records", ()))
    except (ValueError, TypeError, AttributeError):  # a damaged row: of it nothing was told before either
        return
    while waiting:
        match waiting.pop(0):
            case {"call": dict(call)} | {"record": dict(call)}:
                yield call
            case {"sub": {"calls": list(calls)}}:
                waiting[:0] = calls


MIGRATIONS: Mapping[int, Callable[[sqlite3.Connection], None]] = {2: _enter_recorded_calls}
