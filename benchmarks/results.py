"""What a run of the suite gave, and its file: samples, medians, and whether each bound is met."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.machine import FOREIGN_LIMIT
from benchmarks.workload import OURS, Role, Sample, Score, Target, Workload

SCHEMA = "batchmill.benchmarks/1"


@dataclass(slots=True)
class SideResult:
    """Samples of one side. ``note`` says why there are none, or no more."""

    name: str
    role: Role
    n: int
    samples: list[Sample] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    note: str | None = None

    def add(self, sample: Sample, score: Score) -> None:
        """Keep one sample and its score."""
        self.samples.append(sample)
        self.scores.append(score(sample))

    @property
    def measured(self) -> bool:
        """Whether there is a figure; a side that broke half way has none."""
        return bool(self.samples) and self.note is None

    @property
    def score(self) -> float:
        """Median of the scores, in the row's unit."""
        return statistics.median(self.scores)

    @property
    def wall_micros(self) -> float:
        """Median wall time per item, µs."""
        return statistics.median(sample.wall / sample.n for sample in self.samples) * 1e6

    @property
    def cpu_micros(self) -> float:
        """Median CPU per item, parent and workers together, µs."""
        return statistics.median(sample.cpu / sample.n for sample in self.samples) * 1e6

    @property
    def spread(self) -> float:
        """Distance between the extreme scores as a share of the median."""
        return (max(self.scores) - min(self.scores)) / self.score if self.score else 0.0


@dataclass(slots=True)
class Bound:
    """A target with the figures put in. ``ratio`` is ours over the reference; None where one is missing."""

    words: str
    met: bool | None = None
    value: float | None = None
    ratio: float | None = None


@dataclass(slots=True)
class RowResult:
    """One measured row, ready to be kept or shown."""

    name: str
    title: str
    measures: str
    unit: str
    better: str
    n: int
    foreign_load: float
    sides: list[SideResult]
    aim: list[Bound]
    least: list[Bound]

    @classmethod
    def made(cls, workload: Workload, n: int, sides: list[SideResult], foreign_load: float) -> RowResult:
        """Judge the sides by the row's targets."""
        by_name = {side.name: side for side in sides if side.measured}
        judged = [
            [_judged(target, workload, by_name) for target in targets]
            for targets in (workload.aim, workload.least)
        ]
        return cls(
            workload.name, workload.title, workload.measures, workload.unit, workload.better, n,
            foreign_load, sides, judged[0], judged[1],
        )  # fmt: skip

    @property
    def ours(self) -> SideResult | None:
        """Our side, where it was measured."""
        return next((side for side in self.sides if side.name == OURS and side.measured), None)

    @property
    def noisy(self) -> bool:
        """Whether others used so much of the machine that the figures need a mark."""
        return self.foreign_load > FOREIGN_LIMIT

    def beats_ours(self, side: SideResult) -> bool:
        """Whether ``side`` scored better than ours."""
        if self.ours is None or not side.measured:
            return False
        return side.score < self.ours.score if self.better == "lower" else side.score > self.ours.score

    def line(self) -> str:
        """The row in one line, for people who watch."""
        ours = f"{self.ours.score:.3g} {self.unit}" if self.ours else "ours not measured"
        bounds = "; ".join(
            f"{label} {bound.words}: {verdict(bound)}"
            for label, group in (("aim", self.aim), ("least", self.least))
            for bound in group
        )
        noise = f"  [foreign load {self.foreign_load:.0%}]" if self.noisy else ""
        return f"{self.name}: {ours}  ({bounds}){noise}"


def verdict(bound: Bound) -> str:
    """A bound's outcome in words."""
    if bound.met is None:
        return "not measured"
    ratio = "" if bound.ratio is None else f" ({bound.ratio:.2f} ×)"
    return ("met" if bound.met else "NOT met") + ratio


def _judged(target: Target, workload: Workload, sides: dict[str, SideResult]) -> Bound:
    bound = Bound(_words(target, workload))
    reference = sides.get(target.of) if target.of else None
    if OURS not in sides or (target.of and reference is None):
        return bound
    ours = sides[OURS].score
    bound.value = target.factor * (reference.score if reference else 1.0)
    bound.met = ours <= bound.value if workload.better == "lower" else ours >= bound.value
    bound.ratio = ours / reference.score if reference and reference.score else None
    return bound


def _words(target: Target, workload: Workload) -> str:
    sign = "≤" if workload.better == "lower" else "≥"
    return (
        f"{sign} {target.factor:.3g} × {target.of}"
        if target.of
        else f"{sign} {target.factor:g} {workload.unit}"
    )


def kept(rows: list[RowResult], about: dict[str, Any]) -> dict[str, Any]:
    """The whole run as one plain object; ``about`` tells how it was made."""
    return {
        "schema": SCHEMA,
        **about,
        "foreign_load": max((row.foreign_load for row in rows), default=0.0),
        "rows": [_row_object(row) for row in rows],
    }


def _row_object(row: RowResult) -> dict[str, Any]:
    plain = asdict(row)
    for side, entry in zip(row.sides, plain["sides"], strict=True):
        if side.measured:
            entry["median"] = side.score
    return plain


def write(path: Path, run: dict[str, Any]) -> None:
    """Keep a run as JSON; folders are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(run, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def read(path: Path) -> tuple[list[RowResult], dict[str, Any]]:
    """Read a kept run back: its rows, and all the rest. Raises ValueError for a file of another kind."""
    run: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    if run.get("schema") != SCHEMA:
        raise ValueError(f"{path} is no kept run of this suite: its schema is {run.get('schema')!r}")
    return [_row_from(entry) for entry in run.pop("rows")], run


def read_all(paths: Sequence[Path]) -> tuple[list[RowResult], dict[str, Any]]:
    """Read several kept runs as one: rows measured again take the place of the earlier ones, new ones follow.

    ``again`` tells of each later run which rows it has; what was not measured yet is what the last says.
    """
    first, about = read(paths[0])
    rows = {row.name: row for row in first}
    about["again"] = []
    for path in paths[1:]:
        later, told = read(path)
        rows.update((row.name, row) for row in later)
        about["again"].append({**told, "rows": [row.name for row in later]})
        about["pending"] = told["pending"]
    return list(rows.values()), about


def _row_from(entry: dict[str, Any]) -> RowResult:
    sides = [_side_from(side) for side in entry.pop("sides")]
    aim, least = ([Bound(**bound) for bound in entry.pop(group)] for group in ("aim", "least"))
    return RowResult(**entry, sides=sides, aim=aim, least=least)


def _side_from(entry: dict[str, Any]) -> SideResult:
    entry.pop("median", None)
    samples = [Sample(**sample) for sample in entry.pop("samples")]
    return SideResult(**entry, samples=samples)
