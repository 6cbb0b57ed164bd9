"""Rows of the journal: what keeping an item costs, and how soon a run with many results goes on."""

from __future__ import annotations

import json
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks import mappers
from benchmarks.workload import OURS, Ready, Side, Target, Workload, cpu_micros, expect, wall_micros

PER_COMMIT = 5000  # rows: about what comes in within the 100 ms between two commits
BLOCK = 64  # items that a worker hands over together
_TABLE = "CREATE TABLE row (id INTEGER PRIMARY KEY, item TEXT, value TEXT, wall REAL)"
_INSERT = "INSERT INTO row VALUES (?, ?, ?, ?)"


def _items(n: int) -> list[dict[str, Any]]:
    return [{"name": f"row-{i}", "n": i} for i in range(n)]


def _values(n: int) -> list[dict[str, Any]]:
    return [{"echo": f"row-{i}"} for i in range(n)]


@contextmanager
def _ours(n: int) -> Iterator[Ready]:
    from batchmill.block import Block
    from batchmill.journal.contract import ContentKey, RunRecord
    from batchmill.journal.journal import Journal

    items, values = _items(n), _values(n)
    blocks = [
        Block(
            at, values[at : at + BLOCK], [1e-6] * len(values[at : at + BLOCK]), {}, items[at : at + BLOCK],
            began={0: at * 1e-6}, worker=1, cpu=1e-3,
        )
        for at in range(0, n, BLOCK)
    ]  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:

        def work() -> None:
            log = Journal(Path(folder) / "runs.sqlite").begin(RunRecord("flow.json", folder, {}))
            kept = log.batch("each", ContentKey(b"key", {}), n)
            for block in blocks:
                kept.record(block)
            log.close()

        yield Ready(work)


def _plain(per_commit: int) -> Any:
    @contextmanager
    def opening(n: int) -> Iterator[Ready]:
        items, values = _items(n), _values(n)
        with tempfile.TemporaryDirectory() as folder:
            connection = sqlite3.connect(Path(folder) / "raw.sqlite", isolation_level=None)
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute(_TABLE)

            def work() -> None:
                connection.execute("DELETE FROM row")
                for start in range(0, n, per_commit):
                    end = min(n, start + per_commit)
                    rows = [(i, json.dumps(items[i]), json.dumps(values[i]), 1e-6) for i in range(start, end)]
                    connection.execute("BEGIN IMMEDIATE")
                    connection.executemany(_INSERT, rows)
                    connection.execute("COMMIT")
                expect(connection.execute("SELECT count(*) FROM row").fetchone()[0], n, "rows")

            yield Ready(work)
            connection.close()

    return opening


ROW = Workload(
    name="journal-row",
    title="one item saved in the journal",
    measures="CPU for an item and its outputs, small objects, as JSON into a committed row",
    unit="µs",
    better="lower",
    score=cpu_micros,
    sizes={"full": 100_000, "quick": 30_000, "smoke": 200},
    sides=(
        Side(OURS, _ours, "ours"),
        Side("sqlite3, a commit per row", _plain(1), "peer", 0.1),
        Side("sqlite3, a commit per 5,000 rows", _plain(PER_COMMIT), "limit"),
    ),
    aim=(Target(3.5),),
    least=(Target(6.0),),
)


def _document(n: int) -> dict[str, Any]:
    batch = {"items": {"range": [n]}, "collect": "none", "executor": "thread"}
    node = {"id": "each", "type": "echo", "params": {"message": "${item}"}, "batch": batch}
    return {"nodes": [node]}


@contextmanager
def _resumed(n: int) -> Iterator[Ready]:
    """A run of ``n`` items of which the last has no result."""
    run, resume = mappers.our_face("run"), mappers.our_face("resume")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "runs.sqlite"
        run(_document(n), journal=path)

        def before() -> None:
            connection = sqlite3.connect(path)
            connection.execute("DELETE FROM outcome WHERE position = ?", (n - 1,))
            connection.execute("UPDATE run SET status = 'running'")
            connection.commit()
            connection.close()

        def work() -> None:
            expect(resume(journal=path).resumed["kept"], n - 1, "kept")

        yield Ready(work, before=before)


RESUME = Workload(
    name="journal-resume",
    title="resuming a run with 1,000,000 finished items",
    measures="time for each of them until the only one without a result has run; all are matched by content",
    unit="µs",
    better="lower",
    score=wall_micros,
    sizes={"full": 1_000_000, "quick": 100_000, "smoke": 200},
    sides=(Side(OURS, _resumed, "ours"),),
    aim=(Target(5),),
    least=(Target(15),),
)

ROWS = (ROW, RESUME)
