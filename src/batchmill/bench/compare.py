"""A workload under all cases: rounds in turn, so that what happens to the machine happens to all alike."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from batchmill.bench.advice import Advice, advise
from batchmill.bench.case import Case, Sample
from batchmill.bench.figures import Figures, figures_of
from batchmill.bench.measure import measure
from batchmill.bench.workload import Workload
from batchmill.traits import TRAITS

Tell = Callable[[str], None]
Measure = Callable[[Workload, Case], Sample]


@dataclass(frozen=True, slots=True)
class Comparison:
    """What came of one workload. ``differing`` names outputs that were not the same under all cases,
    ``unsteady`` those that differ between runs of one and the same case, which compare with nothing."""

    workload: str
    about: str
    figures: list[Figures]
    advice: Advice
    differing: list[str] = field(default_factory=list)
    unsteady: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "workload": self.workload,
            "about": self.about,
            "cases": [figures.as_json() for figures in self.figures],
            "advice": {"executor": self.advice.executor, "sentence": self.advice.sentence},
            "differing_outputs": self.differing,
            "unsteady_outputs": self.unsteady,
        }


def cases_of(executors: Sequence[str], jobs: Sequence[int | None], builds: dict[str, str]) -> list[Case]:
    """Every executor with every number of jobs on every interpreter (path to name); sequential once."""
    found = [
        Case(executor, number if TRAITS[executor].side_by_side else None, interpreter, build)
        for interpreter, build in builds.items()
        for executor in executors
        for number in jobs
    ]
    return list(dict.fromkeys(found))


def compare(
    workload: Workload, cases: Sequence[Case], repeat: int, tell: Tell, run: Measure = measure
) -> Comparison:
    """Run every case ``repeat`` times, in turn. Raises :class:`~batchmill.errors.BenchFailed`."""
    samples: dict[Case, list[Sample]] = {case: [] for case in cases}
    for number, case in _turns(cases, repeat):
        tell(f"{workload.name}: round {number} of {repeat}, {case.label} on {case.build}")
        samples[case].append(run(workload, case))
    unsteady = sorted({name for runs in samples.values() for name in _differing(runs)})
    differing = [
        name
        for name in _differing([one for runs in samples.values() for one in runs])
        if name not in unsteady
    ]
    reference = next(iter(samples.values()))[0].outputs
    figures = [
        figures_of(case, runs, _sequential(samples, case), _same(runs[0], reference, unsteady))
        for case, runs in samples.items()
    ]
    return Comparison(workload.name, workload.about, figures, advise(figures), differing, unsteady)


def _turns(cases: Sequence[Case], repeat: int) -> Iterator[tuple[int, Case]]:
    """Each round begins with another case, so that none is always the first."""
    for number in range(repeat):
        shift = number % len(cases)
        yield from ((number + 1, case) for case in (*cases[shift:], *cases[:shift]))


def _differing(runs: Sequence[Sample]) -> list[str]:
    names = sorted({name for run in runs for name in run.outputs})
    return [name for name in names if len({run.outputs.get(name) for run in runs}) > 1]


def _same(sample: Sample, reference: dict[str, str], unsteady: list[str]) -> bool:
    names = (set(sample.outputs) | set(reference)) - set(unsteady)
    return all(sample.outputs.get(name) == reference.get(name) for name in names)


def _sequential(samples: dict[Case, list[Sample]], of: Case) -> list[Sample]:
    found = [
        runs for case, runs in samples.items() if not case.traits.side_by_side and case.build == of.build
    ]
    return found[0] if found else []
