"""A comparison as a picture: SVG text, by itself or in a page. Bars of seconds, with their spread.

One panel per workload with a scale of its own, in it one bar per case; a colour per executor. Colours follow
the reader's light or dark setting. Everything is in the one file: no script, no font, nothing to fetch.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from html import escape
from itertools import groupby

from batchmill.bench.compare import Comparison
from batchmill.bench.figures import Figures
from batchmill.bench.words import bytes_, seconds
from batchmill.traits import TRAITS

WIDTH = 960
LEFT, RIGHT = 150, 275  # of the bars: room for what stands before and behind them
BAR, STEP = 20, 30
HOW_TO_READ = "Shorter is better. The line across a bar's end spans its fastest and slowest run."
ORDER = tuple(TRAITS)

STYLE = """
  .page { fill: #ffffff } .text { fill: #1f2328 } .faint { fill: #59636e } .line { stroke: #d1d9e0 }
  .spread { stroke: #1f2328 }
  .sequential { fill: #8b949e } .thread { fill: #2f78d4 } .process { fill: #d97706 } .auto { fill: #1a9867 }
  .dask { fill: #9a5bd0 }
  text { font-family: system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif }
  @media (prefers-color-scheme: dark) {
    .page { fill: #0d1117 } .text { fill: #e6edf3 } .faint { fill: #9198a1 } .line { stroke: #30363d }
    .spread { stroke: #e6edf3 }
    .sequential { fill: #8b949e } .thread { fill: #58a6ff } .process { fill: #e8973a } .auto { fill: #3fb883 }
    .dask { fill: #bc8cff }
  }
"""


def page(comparisons: Sequence[Comparison], machine: str) -> str:
    """An HTML page with the picture, and what each workload teaches, in words."""
    advice = "".join(
        f"<li>{escape(_named(one, comparisons) + one.advice.sentence)}</li>" for one in comparisons
    )
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light dark">'
        f"<title>{escape(_title(comparisons))}</title>"
        "<style>body { font: 16px/1.5 system-ui, sans-serif; max-width: 960px; margin: 2rem auto;"
        " padding: 0 1rem } svg { width: 100%; height: auto }</style></head>\n"
        f"<body>{svg(comparisons, machine)}<ul>{advice}</ul></body></html>\n"
    )


def _named(one: Comparison, comparisons: Sequence[Comparison]) -> str:
    return f"{one.workload}: " if len(comparisons) > 1 else ""


def _title(comparisons: Sequence[Comparison]) -> str:
    names = ", ".join(one.workload for one in comparisons)
    return f"How long {names} takes" if len(comparisons) == 1 else "How long each workload takes"


def svg(comparisons: Sequence[Comparison], machine: str) -> str:
    """The picture alone."""
    body: list[str] = []
    y = 40.0
    body.append(_text(24, y, _title(comparisons), size=22, weight="600"))
    y += 24
    for line in (f"{HOW_TO_READ} {machine}", "“× as fast” is compared with sequential."):
        body.append(_text(24, y, line, kind="faint", size=13))
        y += 18
    y += 12
    body += _legend(y, comparisons)
    y += 22
    for comparison in comparisons:
        drawn, y = _panel(comparison, y)
        body += drawn
    height = math.ceil(y + 14)
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" '
        f'height="{height}" role="img" aria-label="{escape(_title(comparisons), quote=True)}">'
    )
    background = f'<rect class="page" width="{WIDTH}" height="{height}"/>'
    return "\n".join([head, f"<style>{STYLE}</style>", background, *body, "</svg>\n"])


def _legend(y: float, comparisons: Sequence[Comparison]) -> Iterator[str]:
    used = {figures.case.executor for one in comparisons for figures in one.figures}
    x = 24.0
    for executor in (name for name in ORDER if name in used):
        yield f'<rect class="{executor}" x="{x:g}" y="{y - 11:g}" width="13" height="13" rx="3"/>'
        yield _text(x + 19, y, executor, size=13)
        x += 40 + 8 * len(executor)


def _panel(comparison: Comparison, y: float) -> tuple[list[str], float]:
    """The panel of a workload from ``y`` down, and where it ends."""
    figures = comparison.figures
    count = f"{figures[0].items:,} {'item' if figures[0].items == 1 else 'items'}"
    about = f": {comparison.about}" if comparison.about else ""
    y += 30
    drawn = [_text(24, y, f"{comparison.workload}, {count}{about}", size=16, weight="600")]
    top = y + 14
    longest = max(one.wall.most for one in figures)
    scale = (WIDTH - LEFT - RIGHT) / longest
    bars: list[str] = []
    y = top
    several = len({one.case.build for one in figures}) > 1
    for build, group in groupby(figures, key=lambda one: one.case.build):
        if several:
            y += 20
            bars.append(_text(24, y - 3, build, kind="faint", size=13, weight="600"))
        for one in group:
            bars += _bar(one, y, scale)
            y += STEP
    drawn += _axis(longest, scale, top, y)
    return drawn + bars, y + 22


def _bar(one: Figures, y: float, scale: float) -> Iterator[str]:
    length = max(1.5, one.wall.median * scale)
    least, most = LEFT + one.wall.least * scale, LEFT + one.wall.most * scale
    middle = y + BAR / 2 + 4
    yield _text(LEFT - 10, middle + 4, one.case.label, size=13, anchor="end")
    place = f'x="{LEFT}" y="{y + 4:g}" width="{length:.1f}" height="{BAR}" rx="3"'
    yield (f'<rect class="{one.case.executor}" {place}><title>{escape(_hover(one))}</title></rect>')
    if most - least >= 1:
        yield (
            f'<path class="spread" fill="none" stroke-width="1.5" d="M{least:.1f} {middle:g}H{most:.1f}'
            f'M{least:.1f} {middle - 4:g}v8M{most:.1f} {middle - 4:g}v8"/>'
        )
    yield _text(max(LEFT + length, most) + 8, middle + 4, _behind(one), size=13)


def _behind(one: Figures) -> str:
    told = seconds(one.wall.median)
    if one.case.traits.chooses:
        told += f", chose {one.chosen}"
    if one.speedup is not None and one.case.traits.side_by_side:
        told += f", {one.speedup.median:.2g} × as fast"
    if one.status != "success":
        told += f", {one.status}"
    return told if one.same else f"{told}, other outputs"


def _hover(one: Figures) -> str:
    return (
        f"{one.case.label} on {one.case.build}: {seconds(one.wall.median)} "
        f"({seconds(one.wall.least)} to {seconds(one.wall.most)}), CPU {seconds(one.cpu.median)}, "
        f"memory {bytes_(one.peak_memory)}, an item {seconds(one.p50)}"
    )


def _axis(longest: float, scale: float, top: float, bottom: float) -> Iterator[str]:
    for tick in ticks(longest):
        x = LEFT + tick * scale
        yield f'<line class="line" x1="{x:.1f}" x2="{x:.1f}" y1="{top:g}" y2="{bottom:g}"/>'
        yield _text(x, bottom + 15, seconds(tick) if tick else "0", kind="faint", size=12, anchor="middle")


def ticks(longest: float) -> list[float]:
    """Three to six round numbers from 0 to no more than ``longest``."""
    rough = longest / 5
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough)
    return [round(step * number, 10) for number in range(int(longest / step + 1e-9) + 1)]


def _text(
    x: float,
    y: float,
    text: str,
    *,
    kind: str = "text",
    size: int,
    weight: str = "400",
    anchor: str = "start",
) -> str:
    return (
        f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" font-size="{size}" font-weight="{weight}" '
        f'text-anchor="{anchor}">{escape(text)}</text>'
    )
