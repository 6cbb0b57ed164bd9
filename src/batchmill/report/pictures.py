"""The picture of a report that needs no script: where the time of each node's slots went, as a bar."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from batchmill.drawing.svg import bar, picture, swatch
from batchmill.drawing.svg import text as written
from batchmill.report import text
from batchmill.report.model import Report
from batchmill.report.parts import SHARE_NAMES, ReportNode, Shares
from batchmill.report.words import duration, percent

WIDTH, HIGH, LABELLED = 1060, 20, 40
LETTER = 7  # pixels of a letter
COLOURS = {
    "work": "s0", "failed_attempts": "s7", "limit_waits": "s8", "permit_waits": "s5", "retry_waits": "s3",
    "input": "s9", "between": "s4", "tail": "s1", "start": "s2",
}  # fmt: skip


class Figure(NamedTuple):
    """A picture as markup, and its title."""

    caption: str
    svg: str


class Pictures(NamedTuple):
    """Figures that share a legend; each entry of the legend is a colour as markup and its meaning."""

    figures: Sequence[Figure]
    legend: Sequence[tuple[str, str]]


def pictures(report: Report, most: int) -> dict[str, Pictures]:
    """By section; of at most so many nodes, those with the most work."""
    nodes = sorted((node for node in report.nodes), key=lambda node: -node.work)[:most]
    figures = list(_shares(nodes))
    told = [node.shares for node in nodes if node.shares is not None]
    there = [name for name in COLOURS if any(getattr(shares, name) for shares in told)]
    legend = [(swatch(COLOURS[name]), SHARE_NAMES[name]) for name in there]
    return {"time": Pictures(figures, legend)} if figures else {}


def _shares(nodes: Sequence[ReportNode]) -> Iterator[Figure]:
    for node in nodes:
        if node.shares is not None and node.shares.capacity > 0:
            name = text.visible(node.id)
            label = f"Where the slot time of {name} went"
            yield Figure(name, picture(WIDTH, LABELLED, label, [_bar(node.shares)]))


def _bar(shares: Shares) -> str:
    segments = []
    for name, colour in COLOURS.items():
        seconds: float = getattr(shares, name)
        told = f"{SHARE_NAMES[name]}: {percent(seconds, shares.capacity)}, {duration(seconds)}"
        segments.append((colour, seconds, told))
    scale = WIDTH / shares.capacity
    return bar(0, 0, HIGH, scale, segments) + "".join(_labels(shares, scale))


def _labels(shares: Shares, scale: float) -> Iterator[str]:
    """Labels below the segments that have room for one, because not everybody can tell colours apart."""
    at = 0.0
    for name in COLOURS:
        wide: float = getattr(shares, name) * scale
        label = f"{SHARE_NAMES[name]} {percent(getattr(shares, name), shares.capacity)}"
        if wide > LETTER * len(label):
            yield written(at, HIGH + 15, label, size=13)
        at += wide
