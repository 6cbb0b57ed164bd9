"""One way to run a workload, and what one run of it came to."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

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
        """What is special about the executor."""
        return TRAITS[self.executor]

    @property
    def label(self) -> str:
        """Such as ``process, 2 jobs``."""
        if self.jobs is None or not self.traits.side_by_side:
            return self.executor
        return f"{self.executor}, {self.jobs} {'job' if self.jobs == 1 else 'jobs'}"


@dataclass(frozen=True, slots=True)
class Sample:
    """One measured run. Seconds and bytes.

    ``walls`` are those of its items, in order of their arrival; ``cpu`` is of the whole process tree,
    without the interpreter's start. ``chosen`` and ``workers`` are of the batch with the most items, which
    is the one executors differ in. ``outputs`` maps each output to a digest of its value.
    """

    wall: float
    cpu: float
    walls: list[float]
    status: str
    chosen: str
    workers: int
    reason: str
    outputs: dict[str, str]
    peak_memory: int = 0
    errors: list[dict[str, Any]] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)
