"""A comparison as a table on the terminal, and the remarks below it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from batchmill.bench.compare import WorkloadComparison
from batchmill.bench.crossing import TIE, about
from batchmill.bench.figures import CaseFigures, Spread
from batchmill.bench.fit import UNNOTICED_SECONDS
from batchmill.values.words import bytes_, count, duration

if TYPE_CHECKING:
    from rich.table import Table

EDGES = 2  # characters beside the columns of a table
MOST_PERCENT = 100  # a larger span is only told to be larger
ROUGH = 0.2  # a line further than this from what was measured is told to be rough


def title_of(comparison: WorkloadComparison) -> str:
    """Such as ``hashing: 300 items, measured with 30, 100 and 300 of them in 3 rounds``."""
    figures = comparison.figures[0]
    rounds = count(len(figures.rounds), "round")
    numbers = [f"{items:,}" for items in _numbers(comparison)]
    several = f"{', '.join(numbers[:-1])} and {numbers[-1]}" if len(numbers) > 1 else numbers[0]
    return f"{comparison.workload}: {named(figures.items)}, measured with {several} in {rounds}"


def named(items: int | None) -> str:
    """A number of items that may be unknown."""
    return count(items, "item") if items is not None else "items"


def tables_of(comparison: WorkloadComparison, width: int) -> list[Table]:
    """A row per case, those of an interpreter together, without empty columns; in several tables if one would
    be wider than ``width`` characters. Needs rich."""
    numbers, names = _numbers(comparison), _names(comparison)
    rows = [_cells(one, numbers) for one in comparison.figures]
    room = width - EDGES - sum(map(_width, names))
    parts: list[list[tuple[str, ...]]] = [[]]
    for column in zip(_columns(comparison), *rows, strict=True):
        if not any(column[1:]):
            continue
        if parts[-1] and sum(map(_width, parts[-1])) + _width(column) > room:
            parts.append([])
        parts[-1].append(column)
    titles = [title_of(comparison), *(None for _ in parts[1:])]
    return [_table(title, names, part) for title, part in zip(titles, parts, strict=True)]


def _names(comparison: WorkloadComparison) -> list[tuple[str, ...]]:
    """The columns that name the rows, each with its head."""
    cases = [one.case for one in comparison.figures]
    labels = ("executor", *(case.label for case in cases))
    if len(comparison.builds) < 2:
        return [labels]
    before = [None, *(case.build for case in cases[:-1])]
    builds = (case.build if case.build != last else "" for case, last in zip(cases, before, strict=True))
    return [("on", *builds), labels]


def _width(column: Sequence[str]) -> int:
    """With the spaces behind it."""
    return max(map(len, column)) + 2


def _table(title: str | None, named: Sequence[Sequence[str]], figures: Sequence[Sequence[str]]) -> Table:
    from rich import box  # 40 ms, only where it is shown
    from rich.table import Table

    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
    table.padding = (0, 1, 0, 0)
    for head, *_ in named:
        table.add_column(head, no_wrap=True)
    for head, *_ in figures:
        table.add_column(head, justify="right" if head else "left", no_wrap=bool(head))
    for cells in zip(*(column[1:] for column in (*named, *figures)), strict=True):
        table.add_row(*cells)
    return table


def _columns(comparison: WorkloadComparison) -> tuple[str, ...]:
    first = comparison.figures[0]
    advised = f"{first.advised:,} cold"
    return (
        "start",
        "per item",
        *(f"{items:,} warm" for items in _numbers(comparison)),
        advised,
        "against seq.",
        "faster from",
        "efficiency",
        "CPU",
        "memory",
        "",
    )


def _numbers(comparison: WorkloadComparison) -> list[int]:
    """The numbers of items that were measured. Runs that failed may have had any other, so only if all failed
    are theirs told."""
    ran = [one for one in comparison.figures if one.status != "failed"] or comparison.figures[:1]
    return sorted({measured.items for one in ran for measured in one.measured})


def _cells(one: CaseFigures, numbers: Sequence[int]) -> tuple[str, ...]:
    walls = {measured.items: duration(measured.wall.median) for measured in one.measured}
    return (
        duration(one.start.median),
        f"{duration(one.per_item.median)}{_around(one.per_item)}" if one.line.per_item else "",
        *(walls.get(items, "") for items in numbers),
        f"{'~' if one.computed else ''}{duration(one.wall)}" if one.status != "failed" else "",
        versus(one),
        faster_from(one),
        f"{100 * one.efficiency:.0f} %" if one.efficiency is not None and _several(one) else "",
        duration(one.cpu.median),
        bytes_(one.peak_memory),
        _remarks(one),
    )


def _several(one: CaseFigures) -> bool:
    return one.case.traits.side_by_side and one.workers > 1


def _place(one: CaseFigures, comparison: WorkloadComparison) -> str:
    return f"{one.case.label} on {one.case.build}" if len(comparison.builds) > 1 else one.case.label


def _failures(comparison: WorkloadComparison) -> Iterator[str]:
    """What went wrong in runs, with all cases in which it was the same."""
    places: dict[str, list[str]] = {}
    for one in comparison.figures:
        if one.failed_at is None:
            continue
        words = f"a run ended as {one.status}{f' ({one.failure})' if one.failure else ''}"
        if one.unresolved:
            words += "; if the document needs all of its items, measure with --counts that many"
        places.setdefault(words, []).append(_place(one, comparison))
    for words, cases in places.items():
        yield f"{', '.join(cases)}: {words}."


def versus(one: CaseFigures) -> str:
    """How much faster or slower than sequential, for the items there are."""
    if one.speedup is None or not one.case.traits.side_by_side or one.status == "failed":
        return ""
    if abs(one.speedup - 1) * one.wall <= UNNOTICED_SECONDS or 1 / TIE <= one.speedup <= TIE:
        return "the same"
    return f"{one.speedup:.2g} × as fast" if one.speedup > 1 else f"{1 / one.speedup:.2g} × slower"


def faster_from(one: CaseFigures) -> str:
    """The break-even point, marked if it is above the measured items; with the least and the most of the
    rounds where they differ."""
    if one.speedup is None or not one.case.traits.side_by_side or one.status == "failed":
        return ""
    if one.break_even is None:
        return "not known" if one.guessed or one.contradicted else "never"
    rounds = [None if items is None else about(items) for items in one.break_even.rounds]
    known = [items for items in rounds if items is not None]
    told = ("~" if one.break_even.items > one.most else "") + count(about(one.break_even.items), "item")
    if None in rounds:
        return f"{told}?"
    return f"{told} ({min(known):,}-{max(known):,})" if len(set(known)) > 1 else told


def _around(spread: Spread) -> str:
    """Half of the span between the least and the most, in percent of the median; empty for one round."""
    if not spread.median or spread.least is None or spread.most is None:
        return ""
    half = 50 * (spread.most - spread.least) / spread.median
    if half > MOST_PERCENT:
        return f" ±>{MOST_PERCENT} %"
    return f" ±{half:.0f} %" if half >= 0.5 else ""


def _remarks(one: CaseFigures) -> str:
    told = [one.chosen] if one.case.traits.chooses else []
    if one.status != "success":
        told.append(one.status)
    if not one.same:
        told.append("other outputs")
    return ", ".join(told)


def remarks(comparison: WorkloadComparison) -> Iterator[str]:
    """The remarks on a comparison: the advice, and limitations of the measurement."""
    yield comparison.advice.sentence
    yield from _failures(comparison)
    if comparison.figures[0].items is None:
        yield "How many items you have was not known in advance; give --items N to be advised for N of them."
    for one in comparison.figures:
        where = _place(one, comparison)
        if one.status == "failed":
            continue
        if one.misfit > ROUGH:
            apart = f"{100 * one.misfit:.0f} %" if one.misfit <= 1 else "more than 100 %"
            yield (
                f"{where}: some runs took {apart} more or less than start and items say; "
                "take its figures as rough, or measure longer with --seconds."
            )
        if one.guessed and (one.computed or one.break_even is None):
            yield (
                f"{where}: what a further item costs is a guess, because no two runs with different numbers "
                f"of items had one for each of {count(one.workers, 'worker')}; give --counts, or measure "
                "longer with --seconds."
            )
        if one.contradicted or (one.break_even is not None and None in one.break_even.rounds):
            yield f"{where}: not in every round was there a number of items from which on it was faster."
    if comparison.differing:
        yield f"Not the same under all: output {', '.join(comparison.differing)}."
    if comparison.unsteady:
        yield f"Not compared, because it differs from run to run: output {', '.join(comparison.unsteady)}."
