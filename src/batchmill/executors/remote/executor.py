"""The executor of clusters."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from batchmill.block import Block
from batchmill.concurrency.cancel import CancelToken
from batchmill.errors import NotPicklable
from batchmill.executors.contract import Channel, ExecutorSettings, Task
from batchmill.executors.describe import describe
from batchmill.executors.process.executor import refuse_all
from batchmill.executors.remote.batch_orders import BatchOrders
from batchmill.executors.remote.contract import Carrier
from batchmill.executors.remote.jobs import (
    host_without,
    packed_job,
    probe_for,
    refuse_secrets,
    run_here,
)
from batchmill.executors.remote.where import carrier_at
from batchmill.executors.running.attempts import Job

Connect = Callable[[Any], Carrier]


class RemoteExecutor:
    """Runs items on the workers of a cluster, as many at once as it has seats, at most ``max_concurrent``.

    ``connect`` gives the carrier for a setting of ``cluster``.
    """

    name = "dask"

    def __init__(self, connect: Connect = carrier_at) -> None:
        self._connect = connect

    def workers(self, settings: ExecutorSettings) -> int:
        seats = max(1, self._connect(settings.cluster).seats())
        return min(settings.max_concurrent or seats, seats)

    def run(
        self, task: Task, channel: Channel, settings: ExecutorSettings, cancel: CancelToken
    ) -> Iterator[Block]:
        carrier = self._connect(settings.cluster)
        refuse_secrets(task, carrier, settings)
        with probe_for(carrier, task, settings) as probe:
            if probe is not None and task.needs_folder and (apart := host_without(carrier, probe)):
                yield from run_here(task, channel, settings, cancel, apart)
                return
            try:
                packed = packed_job(task, settings, carrier, probe)
            except NotPicklable as refusal:
                yield from refuse_all(channel, describe(refusal))
                return
            orders = BatchOrders(Job.of(task, settings), packed, carrier, channel, settings, cancel)
            try:
                orders.start()
                yield from channel.blocks()
            finally:
                orders.close()
