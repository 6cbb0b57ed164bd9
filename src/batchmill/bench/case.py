"""One way to run a workload, and the measurements of the runs of one process."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from batchmill.executors.cores import usable_cores
from batchmill.executors.local.thread import DEFAULT_CONCURRENCY
from batchmill.traits import TRAITS, Traits


@dataclass(frozen=True, slots=True)
class Case:
    """``jobs`` None is the executor's default; ``interpreter`` the path of a Python, ``build`` its name."""

    executor: str
    jobs: int | None
    interpreter: str
    build: str

    @property
    def traits(self) -> Traits:
        """The traits of the executor."""
        return TRAITS[self.executor]

    @property
    def at_once(self) -> int:
        """How many items may run at once, where the document does not say it."""
        if not self.traits.side_by_side:
            return 1
        return self.jobs or self.processes or DEFAULT_CONCURRENCY

    @property
    def label(self) -> str:
        """Such as ``process, 2 jobs``."""
        if self.jobs is None or not self.traits.side_by_side:
            return self.executor
        return f"{self.executor}, {self.jobs} {'job' if self.jobs == 1 else 'jobs'}"

    @property
    def processes(self) -> int:
        """How many worker processes it may start, 0 for none."""
        traits = self.traits
        return (self.jobs or usable_cores()) if traits.own_processes or traits.starts_here else 0


@dataclass(frozen=True, slots=True)
class RunStep:
    """One run to make: of the first ``limit`` items of each batch, None for all. ``seconds`` after its first
    batch began it starts no further item, None for no such time."""

    limit: int | None = None
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class MeasuredRun:
    """One measured run. Seconds and bytes.

    ``walls`` are those of its items, in order of their arrival; ``cpu`` is of the whole process tree,
    ``wall`` without the interpreter's start; ``before`` is the part of it before the first batch began.
    ``chosen`` and ``reason`` are of the batch with the most items, which is the one executors differ in;
    ``workers`` are those of all its batches together. ``outputs`` maps each output to a digest of its value.
    ``total`` is how many items its ``batches`` had, None if unknown, and ``largest`` how many of them were in
    one; ``stopped`` says that its time was over before all had run.
    """

    wall: float
    cpu: float
    walls: list[float]
    status: str
    chosen: str
    workers: int
    reason: str
    outputs: dict[str, str]
    errors: list[dict[str, Any]] = field(default_factory=list)
    total: int | None = None
    stopped: bool = False
    before: float = 0.0
    batches: int = 1
    largest: int | None = None

    @property
    def items(self) -> int:
        return len(self.walls)

    def as_json(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class RunSeries:
    """The runs of one process, in order: the first is cold, in all others everything is started already.
    The copy of the working folder took ``copying`` seconds."""

    steps: Sequence[RunStep]
    runs: Sequence[MeasuredRun]
    peak_memory: int = 0
    copying: float = 0.0
