"""Where a run saves what is done inside unfinished items that run a sub-workflow."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from batchmill.errors import StorageError
from batchmill.graph.compile.plan import Plan
from batchmill.graph.visits.record_codec import CODEC
from batchmill.journal.folders import make_private
from batchmill.journal.items_under_way import ItemsUnderWay
from batchmill.journal.journal import Journal
from batchmill.journal.runlog import SqliteRunLog
from batchmill.runs.ledger import all_nodes
from batchmill.values.masking import Masker


@contextmanager
def items_of_the_run(log: SqliteRunLog | None, plan: Plan, masker: Masker) -> Iterator[ItemsUnderWay | None]:
    """The folder beside the journal; None for a run that cannot be resumed, or has no such items. Raises
    :class:`StorageError` if it cannot be made."""
    if log is None or log.temporary or not _has_such_items(plan):
        yield None
        return
    journal = Journal(log.path)
    folder = journal.items / log.name
    try:
        make_private(folder)
    except OSError as error:
        raise StorageError(f"the folder {folder} cannot be made: {error.strerror}") from error
    try:
        yield ItemsUnderWay(str(folder), log.run.passes, CODEC, masker, log.durable, log.reuse.again)
    finally:
        for one in (folder, journal.items):
            with suppress(OSError):  # items that failed have left something
                os.rmdir(one)


def forget_items(items: ItemsUnderWay | None) -> None:
    """Remove all of it: the run has a result for each item."""
    if items is not None:
        shutil.rmtree(items.folder, ignore_errors=True)


def _has_such_items(plan: Plan) -> bool:
    return any(node.sub is not None and node.spec.batch is not None for node in all_nodes(plan))
