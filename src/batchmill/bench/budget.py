"""The measuring plan for the available time: the numbers of items, and the total duration.

The probe, one short run that stops after a moment, gives the time of an item and the number of items."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from batchmill.bench.case import Case, RunSeries, RunStep
from batchmill.executors.cores import usable_cores

PROBE_SECONDS = 1.0
PROCESS_SECONDS = 0.5  # a new interpreter with batchmill imported, and its end
WORKERS_SECONDS = 0.4  # starting worker processes here
CLUSTER_SECONDS = 3.0  # meeting the workers of a cluster, or starting them
SURE = 0.85  # of the time that there is: what is expected may take a little longer
LEAST_SECONDS = 0.25  # of sequential work to be measured, if need be in fewer rounds
FILLED = 4  # items a worker in the run that starts the workers: each of them has to get one
MOST_ITEMS = 100_000  # that are measured: more say no more
STARTS = 3  # measured of each case: with two, nothing tells which of them was disturbed
BRIEF_SECONDS = 0.1  # runs that take no longer are repeated: a moment of other load would double their time
RESTORING = 0.1  # of the time of copying, for finding what a run has changed
BRIEF_RUNS = 4  # of each number of items in a process, where they are brief


@dataclass(frozen=True, slots=True)
class BenchProbe:
    """``items`` is their number, None if unknown; an item takes ``item`` seconds alone, with handing it over
    and keeping its result, and the document takes ``fixed`` before its first batch. ``waits`` says that an
    item waits most of that time instead of computing. For a case with parallel items, these are guesses.
    The items are those of ``batches`` batches; of several, the largest has ``largest`` (None if unknown).
    Copying the working folder, once for all processes, took ``copying`` seconds."""

    items: int | None
    item: float
    fixed: float
    waits: bool
    batches: int = 1
    largest: int | None = None
    copying: float = 0.0

    @classmethod
    def of(cls, series: RunSeries) -> BenchProbe:
        """The probe from a single run that was stopped after :data:`PROBE_SECONDS`, or ended before that."""
        (run,) = series.runs
        total = run.total if run.stopped or run.status == "failed" else run.items
        known = run.batches, run.largest, series.copying
        if run.stopped and not run.items:  # the first was not even begun
            return cls(total, run.wall, 0.0, False, *known)
        item = max(sum(run.walls), run.wall - run.before) / run.items if run.items else 0.0
        return cls(total, item, run.before, run.cpu < 0.5 * run.wall, *known)

    @property
    def in_batch(self) -> int | None:
        """The most items that a limit of a batch can mean."""
        return self.largest if self.batches > 1 else self.items

    def items_of(self, limit: int | None) -> int:
        """About how many items a run has that takes ``limit`` of each batch, None for all."""
        if limit is None:
            return self.items or 0
        return min(limit * self.batches, self.items if self.items is not None else limit * self.batches)


def affordable(
    probe: BenchProbe, cases: Sequence[Case], rounds: int, seconds: float
) -> tuple[int, int, tuple[int, ...]]:
    """The rounds, the further starts of worker processes, and the numbers of items to measure within
    ``seconds``. Fewer rounds, then fewer starts, if otherwise runs would be so short that nothing could be
    seen in them, or only the largest had an item for each worker."""
    least = 3 * max(case.at_once for case in cases)
    for fewer, starts in _repeats(rounds):
        counts = counts_of(probe, cases, fewer, seconds, starts)
        if not counts or counts[-1] in (probe.in_batch, MOST_ITEMS):
            break
        if counts[-1] >= least and probe.items_of(counts[-1]) * probe.item >= LEAST_SECONDS:
            break
    return fewer, more_starts(cases, fewer, counts) and starts, counts


def _repeats(rounds: int) -> Iterator[tuple[int, int]]:
    """Rounds and further starts, the most first."""
    yield from ((fewer, max(0, STARTS - fewer)) for fewer in range(rounds, 0, -1))
    yield from ((1, starts) for starts in range(STARTS - 2, -1, -1))


def more_starts(cases: Sequence[Case], rounds: int, counts: Sequence[int]) -> int:
    """How many starts of worker processes to measure besides those of the rounds: other load disturbs these
    the most. 0 where that would be a round."""
    return max(0, STARTS - rounds) if len(counts) > 1 and any(case.processes for case in cases) else 0


def counts_of(
    probe: BenchProbe, cases: Sequence[Case], rounds: int, seconds: float, starts: int = 0
) -> tuple[int, ...]:
    """The numbers of items of each batch to measure, in ascending order: about a tenth, a third and all of
    the items, or of as many as can be measured within ``seconds``; at least one. Empty where there are none.
    """
    most = MOST_ITEMS if probe.in_batch is None else min(probe.in_batch, MOST_ITEMS)
    if not most:
        return ()
    low, high = 1, most
    while low < high:
        middle = (low + high + 1) // 2
        fits = expected(probe, cases, rounds, _spread(middle), starts) <= SURE * seconds
        low, high = (middle, high) if fits else (low, middle - 1)
    return _spread(low if low == most else _rounded(low))


def _spread(most: int) -> tuple[int, ...]:
    return tuple(sorted({max(1, round(most / 10)), max(1, round(most / 3)), most}))


def _rounded(items: int) -> int:
    """Down to two digits."""
    power: int = 10 ** max(0, len(str(items)) - 2)
    return items // power * power


def steps_of(case: Case, counts: Sequence[int], probe: BenchProbe) -> list[RunStep]:
    """The runs of a process: a cold one, the same again, and those with the other numbers of items; brief
    ones several times. The cold one is small, since the start is a difference that noise in a long run would
    hide, but large enough for every worker process to start in it."""
    if not counts:
        return [RunStep(), RunStep()]
    cold = next((count for count in counts if count >= FILLED * case.processes), counts[-1])
    warm = [cold, *(count for count in counts if count != cold)]
    brief = [count for count in warm if _run_seconds(probe, case, count) <= BRIEF_SECONDS]
    order = [cold, *warm, *brief * (BRIEF_RUNS - 1)]
    return [RunStep(None if count == probe.in_batch else count) for count in order]


def start_steps(case: Case, counts: Sequence[int], probe: BenchProbe) -> list[RunStep]:
    """The runs of a process that only measures the start once more: those of the cold number of items."""
    steps = steps_of(case, counts, probe)
    return [step for step in steps if step == steps[0]]


def expected(
    probe: BenchProbe, cases: Sequence[Case], rounds: int, counts: Sequence[int], starts: int = 0
) -> float:
    """Seconds for the whole measurement, without the probe: so many rounds, and ``starts`` times only the
    start of each case that has worker processes."""
    whole = sum(_seconds(probe, case, steps_of(case, counts, probe)) for case in cases)
    start = sum(_seconds(probe, case, start_steps(case, counts, probe)) for case in cases if case.processes)
    return rounds * whole + starts * start


def _seconds(probe: BenchProbe, case: Case, steps: Sequence[RunStep]) -> float:
    """Of a process that makes these runs."""
    found = PROCESS_SECONDS
    if case.processes:
        found += CLUSTER_SECONDS if case.traits.elsewhere else WORKERS_SECONDS
    return found + sum(_run_seconds(probe, case, step.limit) for step in steps)


def _run_seconds(probe: BenchProbe, case: Case, limit: int | None) -> float:
    """Of a warm run, with restoring the copy of the working folder."""
    items = probe.items_of(limit)
    return RESTORING * probe.copying + probe.fixed + items * probe.item / _at_once(probe, case, items)


def _at_once(probe: BenchProbe, case: Case, items: int) -> float:
    """How many items run as fast as one alone: all that wait, and one that computes for each core."""
    if not case.traits.side_by_side:
        return 1.0
    workers = case.at_once
    if probe.waits:
        return max(1.0, min(workers, items))
    return max(1.0, min(workers, items, usable_cores())) if case.processes else 1.0
