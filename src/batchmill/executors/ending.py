"""End the worker processes kept between batches, for callers that do not wait for the end of the program."""

from __future__ import annotations

import sys


def shutdown() -> None:
    """End the worker processes that are kept for later batches, now.

    Later batches start new ones. A batch that another thread is running on processes fails. Without this call
    the processes end after a minute without work, and at the end of the program.
    """
    pool = sys.modules.get("batchmill.executors.process.pool")  # who has workers has imported it
    if pool is not None:
        pool.shutdown()
    where = sys.modules.get("batchmill.executors.remote.where")  # the same of a cluster
    if where is not None:
        where.disconnect()
