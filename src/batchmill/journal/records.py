"""Records read from a journal, as plain data."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice, repeat
from typing import Any, NamedTuple

from batchmill.journal.contract import DEGRADED, FAILED, NOT_KEPT, NOT_RUN, OK
from batchmill.journal.encoding import decode

STATES = {OK: "ok", FAILED: "failed", DEGRADED: "degraded", NOT_RUN: "skipped"}
PLAIN = (OK, NOT_KEPT, NOT_RUN)


@dataclass(frozen=True, slots=True)
class VisitRecord:
    """One visit of a node: ``total`` items, None if unknown, of which ``done`` have an outcome; ``failed`` of
    those have failed, ``degraded`` ones had a failure inside, and ``skipped`` ones were not run because of
    ``when``. ``wall`` is their sum in seconds. ``timed`` outcomes have a start time; the highest number of a
    worker is ``workers - 1``."""

    id: int
    address: str
    turn: int
    is_batch: bool
    total: int | None
    done: int
    failed: int
    wall: float
    degraded: int = 0
    timed: int = 0
    workers: int = 0
    skipped: int = 0


class UnsavedItem(NamedTuple):
    """A long item that is not stored, because the source of its batch still has it: the ``digest`` of its
    JSON text, see :func:`~batchmill.journal.digest.digest_of_text`, and the number of ``characters`` of
    that."""

    digest: str
    characters: int


@dataclass(frozen=True, slots=True)
class ItemRecord:
    """The outcome of an item.

    - ``item``: plain data, or an :class:`UnsavedItem`.
    - ``state``: ``ok``, ``failed``, ``degraded`` (done, but something inside failed), ``skipped`` (not run,
      as its condition was false) or ``not kept`` (done, with a value that JSON cannot hold; ``value`` is what
      can be shown).
    - ``error``: ``type``, ``message``, ``kind`` and ``traceback``.
    - ``began``: seconds since the epoch; ``worker``: the number of its worker. None if unknown.
    - ``tried``: the attempts of an item that had more than one, as in the schema.
    - ``for_limit``, ``for_permit``: the seconds that it waited for those. ``cpu``: its CPU seconds if
      measured for it alone.
    - ``commands_cpu``, ``bytes_out``: the CPU seconds of its commands, and their bytes on stdout.
    """

    index: int
    state: str
    item: Any
    value: Any
    wall: float
    attempts: int = 1
    error: dict[str, Any] | None = None
    records: list[Any] = field(default_factory=list)
    began: float | None = None
    worker: int | None = None
    tried: list[list[Any]] = field(default_factory=list)
    for_limit: float = 0.0
    for_permit: float = 0.0
    cpu: float | None = None
    commands_cpu: float | None = None
    bytes_out: int | None = None

    @property
    def is_plain(self) -> bool:
        """Whether it was done at the first attempt, and when and where is known."""
        known = self.began is not None and self.worker is not None
        return self.state == "ok" and self.attempts == 1 and known and not self.tried

    def as_json(self) -> dict[str, Any]:
        """The outcome as plain data."""
        told = {"index": self.index, "state": self.state, "item": self.item, "value": self.value}
        error = {} if self.error is None else {"error": self.error}
        return {**told, "attempts": self.attempts, "wall": round(self.wall, 6), **error}


@dataclass(frozen=True, slots=True)
class Glance:
    """The part of an outcome that shows the progress of a run; the fields are those of :class:`ItemRecord`,
    and the pass it was ``made_in``."""

    index: int
    state: str
    made_in: int
    wall: float
    began: float | None
    attempts: int = 1
    error: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Glances:
    """Consecutive outcomes of a visit, ``first`` to ``last``: the columns ``walls``, ``began`` and
    ``made_in`` of ordinary ones, and the ``others``. ``gapless`` says that no position between is missing,
    ``certain`` that all in columns have an exactly stored result."""

    first: int
    last: int
    gapless: bool
    certain: bool
    walls: Sequence[float]
    began: Sequence[float | None]
    made_in: Sequence[int]
    others: Sequence[Glance]
    rows: Sequence[tuple[Any, ...]]

    def one_by_one(self) -> Iterator[Glance]:
        """All of them, in order."""
        return (glance(*row) for row in self.rows)


def glances_of(rows: Sequence[tuple[Any, ...]]) -> Glances:
    """The page of these rows of ``look_at_outcomes``, at least one."""
    plain = [row for row in rows if row[5] is None and row[1] in PLAIN]
    _, states, made_in, walls, began, _ = zip(*plain, strict=True) if plain else ((),) * 6
    first, last = int(rows[0][0]), int(rows[-1][0])
    others = [glance(*row) for row in rows if row[5] is not None or row[1] not in PLAIN]
    certain = not any(state != OK for state in states)
    gapless = last - first + 1 == len(rows)
    return Glances(first, last, gapless, certain, walls, began, made_in, others, rows)


def glance(
    index: int, state: int, made_in: int, wall: float, began: float | None, more: str | None
) -> Glance:
    """A row of ``look_at_outcomes``."""
    detail = decode(more) if more else {}
    attempts = int(detail.get("attempts", 1))
    return Glance(
        index, STATES.get(state, "not kept"), made_in, float(wall), began, attempts, detail.get("error")
    )


class MachineSample(NamedTuple):
    """The use of all processes of a run in the ``seconds`` up to ``at`` (seconds since the epoch): ``cpu`` in
    CPU seconds, ``rss`` in bytes at the end, ``processes`` their number."""

    at: float
    seconds: float
    cpu: float
    rss: int
    processes: int

    @property
    def cores(self) -> float:
        """CPU seconds a second."""
        return self.cpu / self.seconds if self.seconds > 0 else 0.0


@dataclass(frozen=True, slots=True)
class Figures:
    """Items with a result and nothing else to report, in the order of their positions, as columns of equal
    length. The fields are those of :class:`ItemRecord`; a column with a default is None if no item has any.
    """

    indexes: array[int]
    walls: array[float]
    began: array[float]
    workers: array[int]
    for_limit: array[float] | None = None
    for_permit: array[float] | None = None
    cpu: Sequence[float | None] | None = None
    commands_cpu: Sequence[float | None] | None = None
    bytes_out: Sequence[int | None] | None = None

    def items(self) -> Iterator[ItemRecord]:
        """The items one by one."""
        nothing, unknown = repeat(0.0), repeat(None)
        columns = zip(
            self.indexes, self.walls, self.began, self.workers, self.for_limit or nothing,
            self.for_permit or nothing, self.cpu or unknown, self.commands_cpu or unknown,
            self.bytes_out or unknown, strict=False,
        )  # fmt: skip
        for index, wall, began, worker, for_limit, for_permit, *took in columns:
            waits = for_limit, for_permit
            yield ItemRecord(
                index, STATES[OK], None, None, wall, 1, None, [], began, worker, [], *waits, *took
            )


def figures_of(items: Sequence[ItemRecord]) -> Figures:
    """The columns of plain items. Raises TypeError for a value that is not a number."""
    return figures_of_rows(
        [
            (
                one.index, None, None, None, one.wall, None, one.began, one.worker, one.for_limit,
                one.for_permit, one.cpu, one.commands_cpu, one.bytes_out,
            )
            for one in items
        ]
    )  # fmt: skip


def figures_of_rows(rows: Sequence[tuple[object, ...]]) -> Figures:
    """The columns of rows of ``read_columns``. Raises TypeError or OverflowError for a value that is not a
    number."""
    index, _, _, _, wall, _, began, worker, for_limit, for_permit, *took = islice(zip(*rows, strict=True), 13)
    cpu, commands_cpu, bytes_out = (None if set(column) == {None} else column for column in took)
    return Figures(
        array("q", index), array("d", wall), array("d", began), array("q", worker),
        _waits(for_limit), _waits(for_permit), cpu, commands_cpu, bytes_out,
    )  # fmt: skip


def _waits(column: Sequence[float | None]) -> array[float] | None:
    if not any(column):
        return None
    return array("d", [wait or 0.0 for wait in column])
