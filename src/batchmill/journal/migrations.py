"""The steps of a format upgrade that SQL cannot express.

The statements of ``sql/schema_N.sql`` lead from format N - 1 to N; the functions here for N run after them,
in the same transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from batchmill.journal.encoding import decode, encode
from batchmill.journal.statements import statement

if TYPE_CHECKING:
    import sqlite3


def _enter_recorded_calls(connection: sqlite3.Connection) -> None:
    """Format 2: enter the calls in the details of outcomes into the ledger too.

    Outcomes were copied when a visit was begun anew. A call is identified by its own figures, so each is
    entered at its first place; other records are entered as they stand in the latest visit of a node.
    """
    rows = connection.execute(statement("recorded_in_format_1")).fetchall()
    latest = {(run, address, turn): identity >> 32 for run, address, turn, _, identity, _, _ in rows}
    positions: dict[tuple[int, str], int] = {}
    entered: dict[tuple[object, ...], tuple[object, ...]] = {}
    for run, address, turn, is_batch, identity, number, text in rows:
        visit, item = identity >> 32, identity & 0xFFFFFFFF
        position = positions.setdefault((run, address), len(positions))
        index = item if is_batch else None
        for place, (is_call, call) in enumerate(_recorded(text)):
            if not is_call and latest[run, address, turn] != visit:
                continue
            known_by = (run, address, encode(call)) if is_call else (visit, item, place)
            signed = call if call.get("node") else {**call, "node": address, "index": index}
            name = f"{run}.{number}.{address}.{turn}.{index}.{place}"
            row = (name, run, number, address, position, turn, index, place, encode(signed))
            entered.setdefault(known_by, row)
    connection.executemany(statement("add_call"), entered.values())


def _recorded(detail: str) -> Iterator[tuple[bool, dict[str, object]]]:
    """The records of an outcome in format 1; whether each is a call, and its fields."""
    try:
        waiting = list(decode(detail).get("records", ()))
    except (ValueError, TypeError, AttributeError):  # a damaged row: of it nothing was told before either
        return
    while waiting:
        match waiting.pop(0):
            case {"call": dict(call)}:
                yield True, call
            case {"record": dict(record)}:
                yield False, record
            case {"sub": {"calls": list(calls)}}:
                waiting[:0] = calls


MIGRATIONS: Mapping[int, Callable[[sqlite3.Connection], None]] = {2: _enter_recorded_calls}
