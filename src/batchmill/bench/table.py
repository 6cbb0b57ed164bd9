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
    """A row per case, those of an interpreter together; needs rich."""
    from rich.table import Table  # 40 ms, only where it is shown

    count = comparison.figures[0].items if comparison.figures else 0
    about = f" ({comparison.about})" if comparison.about else ""
    table = Table(title=f"{comparison.workload}{about}, {count:,} items", title_justify="left")
    several = len({one.case.build for one in comparison.figures}) > 1
    if several:
        table.add_column("on", no_wrap=True)
    table.add_column("executor", no_wrap=True)
    for column in COLUMNS:
        table.add_column(column, justify="right" if column else "left", no_wrap=bool(column))
    shown = ""
    for one in comparison.figures:
        build = one.case.build if one.case.build != shown else ""
        shown = one.case.build
        table.add_row(*([build] if several else []), one.case.label, *_cells(one))
    return table


def _cells(one: Figures) -> tuple[str, ...]:
    return (
        seconds(one.wall.median),
        _around(one.wall),
        ""
        if one.speedup is None
        else f"{one.speedup.median:.2f} ({one.speedup.least:.2f}-{one.speedup.most:.2f})",
        seconds(one.cpu.median),
        bytes_(one.peak_memory),
        a_second(one.throughput),
        seconds(one.p50),
        seconds(one.p95),
        seconds(one.overhead),
        _remarks(one),
    )


def _around(spread: Spread) -> str:
    """Half of the span between the least and the most, in percent of the median."""
    return f"±{50 * (spread.most - spread.least) / spread.median:.0f} %" if spread.median else ""


def _remarks(one: Figures) -> str:
    told = [one.chosen] if one.case.executor == "auto" else []
    if one.status != "success":
        told.append(one.status)
    if not one.same:
        told.append("other outputs")
    return ", ".join(told)
