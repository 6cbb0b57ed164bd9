"""The facts of a run, wherever they were recorded: the input of the report and of every other writer.

A fact that was not recorded is absent, and so is everything made from it; :attr:`Facts.missing` says why."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain

from batchmill.report.measured import BudgetSpent
from batchmill.report.parts import Pass, Provenance, ReportEdge, ReportNode, Run
from batchmill.report.plain import Page, Plain
from batchmill.report.rows import CallRow, DeathRow, LimitStep, RefusalRow, Row, Sample
from batchmill.report.slot_names import SlotNames

Describe = Callable[[str, int], str | None]


def _nothing(node: str, index: int) -> str | None:
    return None


@dataclass(frozen=True)
class Facts:
    """A run as plain data and as streams. Data that grows with the items is a function that begins a new
    stream at each call, so it need not be held in memory.

    ``nodes`` have all fields that are known beforehand; the others are counted from the streams (see
    :class:`~batchmill.report.aggregate.Aggregate`). ``rows`` gives each item once with ``final`` true, in any
    order; ``in_pages`` does the same, with ordinary items in columns, and with the measures of each only if
    you call it with true. ``describe(node, index)`` gives an item as JSON text, None if it is gone.
    ``adaptive`` names for a node the limit that decides its concurrency. ``slot_names`` knows the hosts of a
    cluster. ``missing`` says why a section cannot be shown.
    """

    run: Run
    nodes: Sequence[ReportNode]
    rows: Callable[[], Iterable[Row]]
    calls: Callable[[], Iterable[CallRow]] = tuple
    passes: Sequence[Pass] = ()
    edges: Sequence[ReportEdge] = ()
    limits: Sequence[LimitStep] = ()
    refusals: Callable[[], Iterable[RefusalRow]] = tuple
    samples: Callable[[], Iterable[Sample]] = tuple
    deaths: Sequence[DeathRow] = ()
    budgets: Sequence[BudgetSpent] = ()
    provenance: Provenance = field(default_factory=Provenance)
    adaptive: Mapping[str, str] = field(default_factory=dict)
    missing: Mapping[str, str] = field(default_factory=dict)
    describe: Describe = _nothing
    slot_names: SlotNames = field(default_factory=SlotNames)
    in_pages: Callable[[bool], Iterable[Page]] | None = None

    def pages(self, *, measured: bool = False) -> Iterable[Page]:
        """All items, in columns as far as possible, in the order of :attr:`rows`."""
        return ((row,) for row in self.rows()) if self.in_pages is None else self.in_pages(measured)

    def columns(self) -> Iterable[Row | Plain]:
        """The items in the form that is cheapest to count, in any order: columns, and rows where needed."""
        return chain.from_iterable(self.pages())

    def epoch(self, at: float) -> float:
        """The time of day, in seconds since the epoch, of a moment in run time."""
        began, begin = self._pass_at(at)
        return began + at - begin

    def epochs(self, moments: Sequence[float]) -> Sequence[float]:
        """The same of many, at least one."""
        began, begin = self._pass_at(min(moments))
        if (began, begin) != self._pass_at(max(moments)):
            return list(map(self.epoch, moments))
        return [began + at - begin for at in moments]

    def _pass_at(self, at: float) -> tuple[float, float]:
        """When the pass of a moment in run time began, as time of day and in run time."""
        here = [one for one in self.passes if one.at <= at] or self.passes[:1]
        return (here[-1].began, here[-1].at) if here else (self.run.began, 0.0)
