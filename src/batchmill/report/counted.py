"""Sums of outcomes that are read one at a time, in memory that does not grow with their number."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from batchmill.journal.records import Glance, Glances
from batchmill.report import text
from batchmill.report.grouping import pattern_of
from batchmill.report.tally import Tally

RECENT = 10.0  # seconds
KEPT_SECONDS = 60
MOST_GROUPS = 200
OTHERS = ("failures", "of further kinds")


@dataclass(frozen=True, slots=True)
class Group:
    """How many failures are alike, and the last of them."""

    count: int
    index: int
    message: str
    at: float | None

    def __add__(self, other: Group) -> Group:
        last = self if (self.at or 0.0) > (other.at or 0.0) else other
        return Group(self.count + other.count, last.index, last.message, last.at)


@dataclass(slots=True)
class Counted:
    """Items with a result: ``done`` in all, of those ``failed``, ``degraded`` and ``retried``, and ``fresh``
    ones that were made in the latest pass. ``ends`` counts those by the second in which they ended, of the
    last minute. ``groups`` are failures by type and pattern. They add up."""

    done: int = 0
    failed: int = 0
    degraded: int = 0
    retried: int = 0
    fresh: int = 0
    walls: Tally = field(default_factory=Tally)
    ends: dict[int, int] = field(default_factory=dict)
    groups: dict[tuple[str, str], Group] = field(default_factory=dict)
    last_end: float | None = None

    def add(self, row: Glance, number: int) -> None:
        """Count an outcome; ``number`` is the number of the latest pass."""
        self.done += 1
        self.walls.add(row.wall)
        self.retried += row.attempts > 1
        self.degraded += row.state == "degraded"
        end = None if row.began is None else row.began + row.wall
        if row.made_in == number:
            self.fresh += 1
            if end is not None:
                self._ended(end)
        if row.state == "failed":
            self.failed += 1
            error = row.error or {}
            message = text.line(str(error.get("message", "")), 200)
            self._join((str(error.get("type", "")), pattern_of(message)), Group(1, row.index, message, end))

    def add_page(self, page: Glances, number: int) -> None:
        """Count outcomes, most of them in columns."""
        for row in page.others:
            self.add(row, number)
        if not page.walls:
            return
        self.done += len(page.walls)
        self.walls.add_all(page.walls)
        columns = zip(page.began, page.walls, page.made_in, strict=True)
        if all(one == number for one in page.made_in):
            self.fresh += len(page.walls)
            ends = [began + wall for began, wall, _ in columns if began is not None]
        else:
            self.fresh += sum(one == number for one in page.made_in)
            ends = [began + wall for began, wall, one in columns if one == number and began is not None]
        for second, count in sorted(Counter(map(int, ends)).items())[-KEPT_SECONDS:]:
            self._count_ends(second, count)
        if ends:
            self._last(max(ends))

    def _ended(self, at: float) -> None:
        self._count_ends(int(at), 1)
        self._last(at)

    def _last(self, end: float) -> None:
        self.last_end = end if self.last_end is None else max(self.last_end, end)

    def _count_ends(self, second: int, count: int) -> None:
        if second not in self.ends and len(self.ends) >= KEPT_SECONDS:
            oldest = min(self.ends)
            if second < oldest:
                return
            del self.ends[oldest]
        self.ends[second] = self.ends.get(second, 0) + count

    def _join(self, key: tuple[str, str], group: Group) -> None:
        if key not in self.groups and len(self.groups) >= MOST_GROUPS:
            key = OTHERS
        self.groups[key] = self.groups[key] + group if key in self.groups else group

    def since(self, moment: float) -> int:
        """How many items ended after a moment, to the second."""
        return sum(count for second, count in self.ends.items() if second >= moment)

    def __add__(self, other: Counted) -> Counted:
        ends = dict(self.ends)
        for second, count in other.ends.items():
            ends[second] = ends.get(second, 0) + count
        last = [one for one in (self.last_end, other.last_end) if one is not None]
        both = Counted(
            self.done + other.done,
            self.failed + other.failed,
            self.degraded + other.degraded,
            self.retried + other.retried,
            self.fresh + other.fresh,
            self.walls + other.walls,
            ends,
            dict(self.groups),
            max(last, default=None),
        )
        for key, group in other.groups.items():
            both._join(key, group)
        return both
