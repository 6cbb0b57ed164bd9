"""A workload under all cases: rounds in turn, so a disturbance of the machine hits all cases alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

from batchmill.bench.advice import Advice, advise
from batchmill.bench.budget import (
    PROBE_SECONDS,
    PROCESS_SECONDS,
    BenchProbe,
    affordable,
    expected,
    more_starts,
    start_steps,
    steps_of,
)
from batchmill.bench.case import Case, MeasuredRun, RunSeries, RunStep
from batchmill.bench.figures import CaseFigures, figures_of
from batchmill.bench.workload import Workload
from batchmill.traits import TRAITS

Tell = Callable[[str], None]
Measure = Callable[[Workload, Case, Sequence[RunStep]], RunSeries]


@dataclass(frozen=True, slots=True)
class MeasureOrder:
    """What to measure of a workload: runs of ``counts`` items of each batch under ``cases``, in ``rounds``
    rounds, and ``starts`` times only the start of worker processes. ``items`` is the number to advise for,
    None for the existing ones. It takes about ``seconds``. No round begins that would end later than
    ``most_seconds`` after the first, None for no such time."""

    workload: Workload
    cases: Sequence[Case]
    probe: BenchProbe
    counts: tuple[int, ...]
    rounds: int
    starts: int
    seconds: float
    items: int | None = None
    most_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class WorkloadComparison:
    """The results of one workload. ``differing`` names outputs that were not the same under all cases;
    ``unsteady`` those that differ between runs of one case, so they cannot be compared."""

    workload: str
    about: str
    figures: list[CaseFigures]
    advice: Advice
    differing: list[str] = field(default_factory=list)
    unsteady: list[str] = field(default_factory=list)

    @property
    def builds(self) -> list[str]:
        """The interpreters, by name."""
        return list(dict.fromkeys(one.case.build for one in self.figures))

    def as_json(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "workload": self.workload,
            "about": self.about,
            "items": self.figures[0].items,
            "measured_items": [one.items for one in self.figures[0].measured],
            "rounds": len(self.figures[0].rounds),
            "cases": [figures.as_json() for figures in self.figures],
            "advice": self.advice.as_json(),
            "differing_outputs": self.differing,
            "unsteady_outputs": self.unsteady,
        }


def cases_of(executors: Sequence[str], jobs: Sequence[int | None], builds: Mapping[str, str]) -> list[Case]:
    """Every executor with every number of jobs on every interpreter (path to name); sequential once."""
    found = [
        Case(executor, number if TRAITS[executor].side_by_side else None, interpreter, build)
        for interpreter, build in builds.items()
        for executor in executors
        for number in jobs
    ]
    return list(dict.fromkeys(found))


def ordered(
    workload: Workload,
    cases: Sequence[Case],
    rounds: int,
    seconds: float,
    counts: Sequence[int] | None,
    items: int | None,
    run: Measure,
) -> MeasureOrder:
    """Probe a workload, then choose what to measure: ``counts`` if given, otherwise as many items, in up to
    ``rounds`` rounds, as ``seconds`` allow. Raises :class:`~batchmill.errors.BenchFailed`."""
    first = next((case for case in cases if not case.traits.side_by_side), cases[0])
    probe = BenchProbe.of(run(workload, first, [RunStep(seconds=PROBE_SECONDS)]))
    if counts is not None:
        most = max(counts) if probe.in_batch is None else probe.in_batch
        chosen = tuple(sorted({min(count, most) for count in counts})) if most else ()
        starts, rest = more_starts(cases, rounds, chosen), None
    else:
        rest = max(0.0, seconds - PROBE_SECONDS - PROCESS_SECONDS - probe.copying)
        rounds, starts, chosen = affordable(probe, cases, rounds, rest)
    takes = expected(probe, cases, rounds, chosen, starts)
    return MeasureOrder(workload, cases, probe, chosen, rounds, starts, takes, items, rest)


def compare(
    order: MeasureOrder, tell: Tell, run: Measure, clock: Callable[[], float] = perf_counter
) -> WorkloadComparison:
    """Measure the order. ``clock`` gives seconds. Raises :class:`~batchmill.errors.BenchFailed`."""
    workload = order.workload
    series = _measured(order, tell, run, clock)
    unsteady = sorted({name for of_case in series.values() for name in _differing(_runs(of_case))})
    everything = [run for of_case in series.values() for run in _runs(of_case)]
    differing = [name for name in _differing(everything) if name not in unsteady]
    reference = _outputs(next(iter(series.values()))[0])
    items = order.items if order.items is not None else _items(order.probe, everything)
    figures = [
        figures_of(
            case, of_case, _sequential(series, case), items, _same(_outputs(of_case[0]), reference, unsteady)
        )
        for case, of_case in series.items()
    ]
    return WorkloadComparison(workload.name, workload.about, figures, advise(figures), differing, unsteady)


def _measured(
    order: MeasureOrder, tell: Tell, run: Measure, clock: Callable[[], float]
) -> dict[Case, list[RunSeries]]:
    """The series of each case: those of the rounds, then those of further starts."""
    series: dict[Case, list[RunSeries]] = {case: [] for case in order.cases}
    name, began, probe = order.workload.name, clock(), order.probe
    for number in range(order.rounds + order.starts):
        if number and _too_late(order, number, clock() - began):
            if number < order.rounds:
                tell(f"{name}: the time is over after {number} of {order.rounds} rounds")
            break
        whole = number < order.rounds
        which = f"round {number + 1} of {order.rounds}" if whole else "once more the start"
        cases = order.cases if whole else [case for case in order.cases if case.processes]
        for case in _turn(cases, number):
            tell(f"{name}: {which}, {case.label} on {case.build}")
            steps = (steps_of if whole else start_steps)(case, order.counts, probe)
            series[case].append(run(order.workload, case, steps))
    return series


def _too_late(order: MeasureOrder, number: int, passed: float) -> bool:
    """Whether what comes after ``number`` rounds and further starts would end after the time that there is,
    if all takes as much longer than expected as it did so far."""
    if order.most_seconds is None:
        return False
    now, then = (_expected_until(order, reached) for reached in (number, number + 1))
    return passed * then / now > order.most_seconds


def _expected_until(order: MeasureOrder, number: int) -> float:
    rounds = min(number, order.rounds)
    return expected(order.probe, order.cases, rounds, order.counts, number - rounds)


def _turn(cases: Sequence[Case], number: int) -> list[Case]:
    """Each round begins with another case, so that none is always the first."""
    shift = number % len(cases)
    return [*cases[shift:], *cases[:shift]]


def _runs(series: Sequence[RunSeries]) -> list[tuple[RunStep, MeasuredRun]]:
    return [pair for one in series for pair in zip(one.steps, one.runs, strict=True)]


def _items(probe: BenchProbe, runs: Sequence[tuple[RunStep, MeasuredRun]]) -> int | None:
    """The number of items, by runs without a limit, which may have batches that the probe did not reach."""
    whole = [run.items for step, run in runs if step.limit is None and run.status != "failed"]
    return max(whole, default=probe.items)


def _differing(runs: Sequence[tuple[RunStep, MeasuredRun]]) -> list[str]:
    """Outputs that are not the same in all runs with the same number of items."""
    found: dict[tuple[int | None, str], set[str | None]] = {}
    names = {name for _, run in runs for name in run.outputs}
    for step, run in runs:
        for name in names:
            found.setdefault((step.limit, name), set()).add(run.outputs.get(name))
    return sorted({name for (_, name), digests in found.items() if len(digests) > 1})


def _outputs(series: RunSeries) -> dict[tuple[int | None, str], str]:
    """The outputs of a process, by limit and name."""
    runs = _runs([series])
    return {(step.limit, name): digest for step, run in runs for name, digest in run.outputs.items()}


def _same(
    outputs: dict[tuple[int | None, str], str],
    reference: dict[tuple[int | None, str], str],
    unsteady: list[str],
) -> bool:
    names = [key for key in set(outputs) | set(reference) if key[1] not in unsteady]
    return all(outputs.get(name) == reference.get(name) for name in names)


def _sequential(series: dict[Case, list[RunSeries]], of: Case) -> list[RunSeries]:
    found = [some for case, some in series.items() if not case.traits.side_by_side and case.build == of.build]
    return found[0] if found else []
