"""A comparison as a table on the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchmill.bench.compare import Comparison
from batchmill.bench.figures import Figures, Spread
from batchmill.bench.words import a_second, bytes_, seconds

if TYPE_CHECKING:
    from rich.table import Table

COLUMNS = ("wall", "spread", "× seq.", "CPU", "memory", "items", "p50", "p95", "over/item", "")


def table_of(comparison: Comparison) -> Table:
    """A row per case, those of an interpreter together, without columns that have nothing to say; needs
    rich."""
    from rich.table import Table  # 40 ms, only where it is shown

    count = comparison.figures[0].items if comparison.figures else 0
    about = f" ({comparison.about})" if comparison.about else ""
    table = Table(title=f"{comparison.workload}{about}, {count:,} items", title_justify="left")
    several = len({one.case.build for one in comparison.figures}) > 1
    if several:
        table.add_column("on", no_wrap=True)
    table.add_column("executor", no_wrap=True)
    rows = [_cells(one) for one in comparison.figures]
    told = [place for place in range(len(COLUMNS)) if any(row[place] for row in rows)]
    for column in (COLUMNS[place] for place in told):
        table.add_column(column, justify="right" if column else "left", no_wrap=bool(column))
    shown = ""
    for one, cells in zip(comparison.figures, rows, strict=True):
        build = one.case.build if one.case.build != shown else ""
        shown = one.case.build
        table.add_row(*([build] if several else []), one.case.label, *(cells[place] for place in told))
    return table


def _cells(one: Figures) -> tuple[str, ...]:
    return (
        seconds(one.wall.median),
        _around(one.wall),
        _times(one.speedup),
        seconds(one.cpu.median),
        bytes_(one.peak_memory),
        a_second(one.throughput),
        seconds(one.p50),
        seconds(one.p95),
        seconds(one.overhead),
        _remarks(one),
    )


def _times(speedup: Spread | None) -> str:
    """How many times as fast, with the least and the most where there were several runs."""
    if speedup is None:
        return ""
    span = f" ({speedup.least:.2f}-{speedup.most:.2f})" if speedup.least < speedup.most else ""
    return f"{speedup.median:.2f}{span}"


def _around(spread: Spread) -> str:
    """Half of the span between the least and the most, in percent of the median; nothing of one run."""
    if not spread.median or spread.least == spread.most:
        return ""
    return f"±{50 * (spread.most - spread.least) / spread.median:.0f} %"


def _remarks(one: Figures) -> str:
    told = [one.chosen] if one.case.traits.chooses else []
    if one.status != "success":
        told.append(one.status)
    if not one.same:
        told.append("other outputs")
    return ", ".join(told)
