"""Delete runs (``gc``), but never one that a process is running."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterable, Sequence

from batchmill.errors import RunLocked
from batchmill.journal.contract import RunRecord
from batchmill.journal.database import connect, faults
from batchmill.journal.journal import Journal
from batchmill.journal.places import own_place
from batchmill.journal.rows import first_id
from batchmill.journal.statements import one_row, statement


def to_forget(runs: Sequence[RunRecord], keep: int | None, older_than: float | None) -> list[RunRecord]:
    """The ones of ``runs``, the latest first, beyond the first ``keep``, or that began more than
    ``older_than`` seconds ago; with both arguments, those that are both."""
    limit = None if older_than is None else time.time() - older_than
    late = [run for n, run in enumerate(runs) if keep is None or n >= keep]
    return [run for run in late if limit is None or run.started_at < limit]


def forget(journal: Journal, runs: Iterable[RunRecord]) -> list[RunRecord]:
    """Delete runs of this journal with everything that belongs to them, except those that are running;
    returns the deleted ones. Gives the space back to the disk.

    Raises :class:`~batchmill.errors.StorageError`.
    """
    gone = [run for run in runs if _forgotten(journal, run)]
    if gone:
        connection = connect(journal.path, create=False)
        try:
            with faults(journal.path):
                connection.execute("VACUUM")
        finally:
            connection.close()
    return gone


def _forgotten(journal: Journal, run: RunRecord) -> bool:
    """Delete one run; False if some process runs it."""
    try:
        lock = journal.lock(run.name)
    except RunLocked:
        return False
    try:
        for digest in _deleted(journal, run):
            journal.files.remove(digest)
        if run.outputs:
            shutil.rmtree(journal.outputs_of(run.outputs), ignore_errors=True)
        shutil.rmtree(journal.calls / run.name, ignore_errors=True)
        shutil.rmtree(journal.items / run.name, ignore_errors=True)
        for name in ("work", "kept"):
            shutil.rmtree(own_place(run.folder, name, run.name), ignore_errors=True)
    finally:
        lock.release()
    return True


def _deleted(journal: Journal, run: RunRecord) -> list[str]:
    """Delete a run's rows in one transaction; returns the files that are no longer referred to."""
    connection = connect(journal.path, create=False)
    try:
        with faults(journal.path):
            connection.execute("BEGIN IMMEDIATE")
            visits = [row[0] for row in connection.execute(statement("visit_ids"), (run.id,))]
            for visit in visits:
                for name in ("delete_outcomes", "delete_waits", "delete_commands", "delete_efforts"):
                    connection.execute(statement(name), (first_id(visit), first_id(visit + 1)))
            digests = [row[0] for row in connection.execute(statement("files_of"), (run.id,))]
            for name in (
                "delete_visits",
                "delete_calls",
                "delete_events",
                "delete_nodes",
                "delete_heartbeat",
                "delete_samples",
                "delete_service_batches",
                "delete_service_requests",
                "delete_files",
                "delete_run",
            ):
                connection.execute(statement(name), (run.id,))
            used = statement("file_is_used")
            unused = [one for one in digests if one_row(connection, used, (one,)) is None]
            connection.execute("COMMIT")
            return unused
    finally:
        connection.close()
