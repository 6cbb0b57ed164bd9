"""The results of a batch that may have failed items: a list with errors beside it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar

from batchmill.batch import BatchResult
from batchmill.errors import BatchFailed
from batchmill.values.tracebacks import at_own_line

T = TypeVar("T")


class BatchResults(list[T]):
    """One value per item, in item order, None if the item failed.

    ``errors`` has an entry ``{index, item, type, message, attempts, kind, traceback}`` per failed item, in
    index order. ``metadata`` says how the batch ran.
    """

    def __init__(
        self,
        values: Iterable[T] = (),
        errors: Iterable[dict[str, Any]] = (),
        metadata: dict[str, object] | None = None,
    ) -> None:
        super().__init__(values)
        self.errors = list(errors)
        self.metadata = metadata or {}

    @classmethod
    def of(cls, result: BatchResult[Any], values: Iterable[object]) -> BatchResults[Any]:
        """The results of an engine's result, with ``values`` instead of its own."""
        return BatchResults(values, result.errors, result.metadata)

    def checked(self, failure: str | None, cause: BaseException | None = None) -> BatchResults[T]:
        """Return itself, or raise :class:`BatchFailed` from ``cause`` if ``failure`` is not None."""
        if failure is None:
            return self
        first = next((error for error in self.errors if error["kind"] != "cancelled"), None)
        if first is not None:
            tried = f"{first['attempts']} attempt{'s' if first['attempts'] != 1 else ''}"
            failure += f"; first: item {first['index']} after {tried}: {first['type']}: {first['message']}"
            failure += at_own_line(first["traceback"])
        raise BatchFailed(failure, self) from cause
