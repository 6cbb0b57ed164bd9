"""A task, items and keywords: what ``map`` and its kin have in common."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from batchmill.batch.engine import Batch
from batchmill.batch.results.batch_result import BatchResult
from batchmill.concurrency.cancel import CancelToken
from batchmill.errors import BatchFailed
from batchmill.executors.contract import Task
from batchmill.executors.running.cause import cause_of
from batchmill.mapping.keywords import prepared, settings_of
from batchmill.mapping.reporting import OnResult, Reporting, in_place
from batchmill.mapping.stream import Stream, said


class Mapped:
    """One batch, to be run once.

    ``cancel`` ends it by force. ``apart`` says that one of our own threads runs it, see
    :class:`~batchmill.batch.engine.Batch`. Raises :class:`~batchmill.errors.InvalidSetting`.
    """

    def __init__(
        self,
        task: Task,
        items: Iterable[object],
        given: Mapping[str, object],
        *,
        cancel: CancelToken | None = None,
        apart: bool = False,
        on_result: OnResult | None = None,
    ) -> None:
        self._items = items
        self._settings = settings_of(given)
        self._task = prepared(task, given)
        self._reporting = Reporting.of(given)
        if on_result is not None:
            self._reporting.on_result = on_result
        self._cancel = cancel
        self._apart = apart

    def result(self) -> BatchResult[Any]:
        """Run it to its end. Raises what :func:`~batchmill.map` does."""
        reporting = self._reporting
        batch = self._batch(ordered=False, at_once=reporting.at_once)
        with reporting.over(batch.total):
            result = batch.gather(reporting.saw)
        if reporting.return_exceptions:
            for index, outcome in result.failed.items():
                if result.values[index] is None:  # it was never taken by a worker
                    result.values[index] = in_place(outcome).value
            return result
        failures = self._settings.failures
        if result.failure is not None and (failures.fail_fast or result.stopped or failures.tolerates):
            raise BatchFailed(_first_error(result), result) from cause_of(result.first_failure)
        return result

    def stream(self, ordered: bool, indexed: bool) -> Stream[Any]:
        """Its results as they come."""
        return Stream(self._batch(ordered), self._reporting, indexed=indexed)

    def _batch(self, ordered: bool, at_once: bool = True) -> Batch:
        return Batch(
            self._task,
            self._items,
            self._settings,
            ordered=ordered,
            cancel=self._cancel,
            apart=self._apart,
            at_once=at_once,
        )


def _first_error(result: BatchResult[object]) -> str:
    real = [error for error in result.errors if error["kind"] != "cancelled"]
    return f"{result.failure}; first: {said(real[0])}" if real else str(result.failure)
