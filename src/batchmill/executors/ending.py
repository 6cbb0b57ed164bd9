"""Ending what is kept between batches, where somebody does not want to wait for the end of the program."""

from __future__ import annotations

import sys


def shutdown() -> None:
    """End the worker processes that are kept for later batches, now.

    Later batches start new ones. A batch that another thread runs on processes meanwhile fails. At the end of
    the program, and after a minute without work, they end by themselves.
    """
    pool = sys.modules.get("batchmill.executors.process.pool")  # who has workers has imported it
    if pool is not None:
        pool.shutdown()
    where = sys.modules.get("batchmill.executors.remote.where")  # the same of a cluster
    if where is not None:
        where.disconnect()
