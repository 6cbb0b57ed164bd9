"""What a row of the comparison is: the work, who does it, how it is scored and what is aimed at.

A :class:`Workload` is one row. Each :class:`Side` of it does the same work by other means: batchmill,
a peer, or a limit written by hand. A side opens its pools and makes its items outside the measured
time and yields a :class:`Ready`; only ``Ready.work`` is measured.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Literal

Figures = Mapping[str, float]
Role = Literal["ours", "peer", "limit"]
Size = Literal["full", "quick", "smoke"]

WORKERS = 2
"""Worker processes or threads of every side, where a row does not say otherwise: the same on all machines."""

OURS = "batchmill"


class MissingError(Exception):
    """Raised when a side cannot run here: a package or program is not installed, a feature not there yet."""


class WrongResultError(Exception):
    """Raised when a side gave other results than the work asks for; its time would mean nothing."""


@dataclass(frozen=True, slots=True)
class Ready:
    """A side with its pools warm. ``before`` runs untimed before each sample, ``work`` is timed.

    ``work`` returns figures of its own to be kept with the sample (megabytes, counts), or None.
    """

    work: Callable[[], Figures | None]
    before: Callable[[], object] | None = None


Opening = Callable[[int], AbstractContextManager[Ready]]
"""Opens a side for a number of items."""


@dataclass(frozen=True, slots=True)
class Side:
    """One way to do the work of a row.

    ``share`` is the part of the row's items this side is given (slow ones get fewer; figures are per
    item). ``environment`` names the virtual environment it runs in, ``own`` is this interpreter's.
    """

    name: str
    open: Opening
    role: Role = "peer"
    share: float = 1.0
    environment: str = "own"

    def items(self, n: int) -> int:
        """How many items this side gets of a row's ``n``."""
        return max(1, round(n * self.share))


@dataclass(frozen=True, slots=True)
class Sample:
    """One measurement: seconds of wall time, seconds of CPU of the side's whole process tree."""

    wall: float
    cpu: float
    n: int
    figures: Figures = field(default_factory=dict)


Score = Callable[[Sample], float]


@dataclass(frozen=True, slots=True)
class Target:
    """A bound: ``factor`` times the median score of the side ``of``, or ``factor`` itself without one."""

    factor: float
    of: str | None = None


@dataclass(frozen=True, slots=True)
class Workload:
    """One row. ``sizes`` gives the number of items for a full, a quick and a smoke run.

    ``aim`` and ``least`` each hold bounds that must all be met. ``fresh`` rows open a new process for
    every sample. ``timeout`` is in seconds and for one sample.
    """

    name: str
    title: str
    measures: str
    unit: str
    better: Literal["lower", "higher"]
    score: Score
    sizes: Mapping[Size, int]
    sides: tuple[Side, ...]
    aim: tuple[Target, ...] = ()
    least: tuple[Target, ...] = ()
    fresh: bool = False
    timeout: float = 120.0

    def side(self, name: str) -> Side:
        """The side called ``name``; KeyError when there is none."""
        for side in self.sides:
            if side.name == name:
                return side
        raise KeyError(name)


@dataclass(frozen=True, slots=True)
class Pending:
    """A row that cannot be measured yet, and why."""

    name: str
    title: str
    reason: str


def expect(found: Any, wanted: Any, what: str) -> None:
    """Raise :class:`WrongResultError` unless ``found`` equals ``wanted``."""
    if found != wanted:
        raise WrongResultError(f"{what}: {found!r} where {wanted!r} is due")


def cpu_micros(sample: Sample) -> float:
    """Microseconds of CPU per item, parent and workers together."""
    return sample.cpu / sample.n * 1e6


def wall_micros(sample: Sample) -> float:
    """Microseconds of wall time per item."""
    return sample.wall / sample.n * 1e6


def wall_millis(sample: Sample) -> float:
    """Milliseconds of wall time for the whole sample."""
    return sample.wall * 1e3


def items_per_second(sample: Sample) -> float:
    """Items per second of wall time."""
    return sample.n / sample.wall


def times_ideal(seconds: float) -> Score:
    """Wall time as a multiple of ``seconds``, the least a full-size sample can take."""
    return lambda sample: sample.wall / seconds


def figure(name: str) -> Score:
    """A figure the side reported itself."""
    return lambda sample: sample.figures[name]
