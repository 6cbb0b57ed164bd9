"""The result of a batch: values aligned with the items, errors as plain data, and how it ran."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar, cast, overload

from batchmill.block import Block
from batchmill.outcome import ErrorInfo, Outcome, cancelled

R = TypeVar("R")


@dataclass(slots=True)
class Timing:
    """Sums over the items of a batch, in seconds."""

    items: int = 0
    total: float = 0.0
    least: float = 0.0
    most: float = 0.0

    def add(self, walls: Sequence[float]) -> None:
        """Count the wall times of finished items."""
        if not walls:
            return
        least = most = walls[0]
        if len(walls) > 1:
            least, most = min(walls), max(walls)
        self.least = least if not self.items else min(self.least, least)
        self.most = max(self.most, most)
        self.total += sum(walls)
        self.items += len(walls)

    def as_json(self) -> dict[str, float]:
        """The sums in milliseconds, named as in pflow's metadata."""
        return {
            "total_items_ms": round(self.total * 1e3, 3),
            "avg_item_ms": round(self.total * 1e3 / self.items, 3) if self.items else 0.0,
            "min_item_ms": round(self.least * 1e3, 3),
            "max_item_ms": round(self.most * 1e3, 3),
        }


class Count(int):
    """The number of items. Call it with a value to count the results that equal the value, like a sequence's
    method ``count``."""

    _values: Sequence[Any]

    @classmethod
    def of(cls, values: Sequence[object]) -> Count:
        """Count some values."""
        made = cls(len(values))
        made._values = values
        return made

    def __call__(self, value: object) -> int:
        return self._values.count(value)


@dataclass(repr=False)
class BatchResult(Sequence[R | None], Generic[R]):
    """One value per item, in input order; None if the item failed or was not run.

    ``errors`` has an entry ``{index, item, type, message, attempts, kind, traceback}`` for each item without
    a value, in index order; ``traceback`` is that of the user's code, as text. ``error_count`` does not count
    entries of kind ``cancelled`` (never started, or ended by force). ``failure`` says why the batch as a
    whole failed, None if it did not. ``recorded`` has the records of the items (LLM calls), each with its
    item's index, in item order.
    """

    values: list[R | None] = field(default_factory=list)
    items: list[Any] = field(default_factory=list)
    failed: dict[int, Outcome] = field(default_factory=dict)
    recorded: tuple[tuple[int, Any], ...] = ()
    metadata: dict[str, Any] = field(default_factory=dict)
    failure: str | None = None
    stopped: bool = False

    @property
    def records(self) -> tuple[Any, ...]:
        """The records of all items, in item order."""
        return tuple(record for _, record in self.recorded)

    @property
    def count(self) -> Count:
        """All items, also those never started; ``count(value)`` counts results that equal a value."""
        return Count.of(self.values)

    @property
    def success_count(self) -> int:
        return len(self.values) - len(self.failed)

    @property
    def error_count(self) -> int:
        kinds = (outcome.error.kind for outcome in self.failed.values() if outcome.error)
        return sum(1 for kind in kinds if kind != "cancelled")

    @property
    def errors(self) -> list[dict[str, Any]]:
        return [self.failed[index].as_error(self.items[index]) for index in sorted(self.failed)]

    @property
    def first_failure(self) -> ErrorInfo | None:
        """The error of the first item that ran and failed, None if no item did."""
        found = (self.failed[index].error for index in sorted(self.failed))
        return next((error for error in found if error is not None and error.kind != "cancelled"), None)

    @property
    def succeeded(self) -> list[R]:
        """The values of the items that succeeded, in input order."""
        kept = [value for index, value in enumerate(self.values) if index not in self.failed]
        return cast("list[R]", kept)

    def __repr__(self) -> str:
        failed = f", {len(self.failed):,} without a value" if self.failed else ""
        return f"<BatchResult of {len(self.values):,} item{'' if len(self.values) == 1 else 's'}{failed}>"

    def __len__(self) -> int:
        return len(self.values)

    @overload
    def __getitem__(self, index: int) -> R | None: ...
    @overload
    def __getitem__(self, index: slice) -> list[R | None]: ...
    def __getitem__(self, index: int | slice) -> Any:
        return self.values[index]

    def __eq__(self, other: object) -> bool:
        if isinstance(other, BatchResult):
            return self.values == other.values and self.errors == other.errors
        if isinstance(other, (list, tuple)):
            return self.values == list(other)
        return NotImplemented

    __hash__ = None  # type: ignore[assignment]  # mutable, like a list


class Gathering:
    """Puts blocks, which arrive in any order, into one result. Used by one thread."""

    def __init__(self) -> None:
        self.values: list[Any] = []
        self.items: list[Any] = []
        self.special: dict[int, Outcome] = {}

    def add(self, block: Block) -> None:
        """Put a block in its place."""
        end = block.start + len(block)
        if len(self.values) < end:
            missing = end - len(self.values)
            self.values.extend([None] * missing)
            self.items.extend([None] * missing)
        self.values[block.start : end] = block.values
        self.items[block.start : end] = block.items[: len(block)]
        for outcome in block.special.values():
            self.special[outcome.index] = outcome

    def add_cancelled(self, items: Iterable[object], start: int) -> None:
        """Add items at the end that no worker ever read; the first one has the index ``start``."""
        for item in items:
            self.special[len(self.values)] = cancelled(len(self.values))
            self.values.append(None)
            self.items.append(item)

    @property
    def count(self) -> int:
        """The number of items."""
        return len(self.values)

    @property
    def complete(self) -> bool:
        """Whether every item has a value."""
        return all(one.error is None for one in self.special.values())

    def failed(self) -> dict[int, Outcome]:
        """The outcomes that are errors, by index."""
        return {index: one for index, one in self.special.items() if one.error is not None}

    def recorded(self) -> tuple[tuple[int, Any], ...]:
        """The records of the items, each with its item's index, in item order."""
        outcomes = [self.special[index] for index in sorted(self.special)]
        return tuple((outcome.index, record) for outcome in outcomes for record in outcome.records)
