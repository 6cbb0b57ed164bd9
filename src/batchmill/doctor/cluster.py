"""A cluster that a run could use: whether it is reached, what it offers, whether items get there and back."""

from __future__ import annotations

import time
from collections.abc import Iterator

from batchmill.batch import BatchSettings, run_batch
from batchmill.doctor.finding import CheckResult
from batchmill.errors import BatchmillError, ExecutorUnavailable, InvalidSetting, MissingExtra
from batchmill.executors.remote.folder_probe import probing
from batchmill.executors.remote.offer import faults, rows
from batchmill.executors.remote.where import disconnect, offer_at
from batchmill.mapping.functions import FunctionTask

AREA = "cluster"


def findings(cluster: str | dict[str, object]) -> Iterator[CheckResult]:
    """The state of the cluster at ``cluster``, and its faults."""
    try:
        with probing() as probe:
            offer = offer_at(cluster, probe)
    except (ExecutorUnavailable, InvalidSetting, MissingExtra) as fault:
        what, _, remedy = str(fault).partition("; ")
        yield CheckResult(AREA, "reached", what, "problem", remedy or "see docs/how-to/cluster.md")
        return
    for name, value in rows(offer):
        yield CheckResult(AREA, name, value)
    broken = False
    for wrong in faults(offer):
        broken = broken or wrong.level == "problem"
        yield CheckResult(AREA, "wrong", wrong.what, wrong.level, wrong.remedy)
    if not broken:
        yield _there_and_back(cluster)


def _there_and_back(cluster: str | dict[str, object]) -> CheckResult:
    """An item really run: a process on a worker is started for it."""
    took = []
    settings = BatchSettings("dask", max_concurrent=1, cluster=cluster)
    try:
        for _ in range(2):
            begin = time.perf_counter()
            done = run_batch(FunctionTask(abs), [-1], settings)
            took.append(1000 * (time.perf_counter() - begin))
    except (BatchmillError, OSError) as fault:
        return CheckResult(AREA, "an item", str(fault), "problem", "see what is wrong above")
    finally:
        disconnect()
    if done.failure is not None:
        return CheckResult(
            AREA, "an item", done.errors[0]["message"], "problem", "look into its worker's log"
        )
    return CheckResult(
        AREA, "an item", f"there and back in {took[0]:.0f} ms, the next one in {took[1]:.0f} ms"
    )
