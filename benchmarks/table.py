"""The Markdown page made from a run: what was compared, against which bounds, and where others are faster."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from benchmarks.machine import FOREIGN_LIMIT
from benchmarks.results import Bound, RowResult, SideResult

INTRODUCTION = """\
# Performance

`python -m benchmarks --table docs/performance.md` makes this page; do not edit it by hand. Every figure is a
median. The sides of a row were measured in turn, in one run on one machine, so read the ratios, not the
absolute figures. CPU is the sum for the parent and its workers.

"""

LEGEND = """\
`limit` sides are hand-written and do only the work: no errors, no retries, no order of failures. `peer` sides
run with their defaults unless their name says otherwise. Each row has its own unit. `ours ÷ this` compares
scores: where lower is better, batchmill wins below 1; where higher is better, above 1.
"""


def page(rows: list[RowResult], about: dict[str, Any]) -> str:
    """The whole page."""
    parts = [INTRODUCTION, *_made_on(rows, about), "\n## At a glance\n\n", *_glance(rows)]
    parts += ["\n## Where others are faster\n\n", *_losses(rows)]
    parts += ["\n## Row by row\n\n", LEGEND]
    for row in rows:
        parts += _row(row)
    parts += _pending(about)
    return "".join(parts)


def _made_on(rows: list[RowResult], about: dict[str, Any]) -> list[str]:
    here, python = about["machine"], about["interpreter"]
    versions = ", ".join(f"{name} {version}" for name, version in about["versions"].items())
    lines = [
        f"- made by: `{about['command']}`, {about['started']} to {about['ended']}\n",
        *(
            f"- measured later: {', '.join(f'`{name}`' for name in run['rows'])} by `{run['command']}`, "
            f"{run['started']} to {run['ended']}\n"
            for run in about.get("again", ())
        ),
        f"- sizes: {about['size']}, {about['repeat']} samples of each side\n",
        f"- machine: {here['processor']}, {here['usable_cores']} usable cores, {here['memory_gb']} GB, "
        f"{here['system']} {here['architecture']}\n",
        f"- interpreter: {python['implementation']} {python['version']}, "
        f"GIL {'on' if python['gil'] else 'off'}\n",
        f"- versions: {versions}\n",
    ]
    if noisy := [f"`{row.name}` {row.foreign_load:.0%}" for row in rows if row.noisy]:
        lines.append(
            f"- **others used more than {FOREIGN_LIMIT:.0%} of the machine during** {', '.join(noisy)}\n"
        )
    return lines


def _glance(rows: list[RowResult]) -> Iterable[str]:
    yield "| work | batchmill | best peer | limit | our aim | not worse than |\n|---|---|---|---|---|---|\n"
    for row in rows:
        ours = _figure(row.ours, row)
        best, floor = _best(row, "peer"), _best(row, "limit")
        yield (
            f"| {row.title}{' ⚠' if row.noisy else ''} | {ours} | {_named(best, row)} | {_named(floor, row)} "
            f"| {_bounds(row.aim)} | {_bounds(row.least)} |\n"
        )


def _best(row: RowResult, role: str) -> SideResult | None:
    """The side with the best score among those of a role; further sides of our own are no peers."""
    able = [s for s in row.sides if s.role == role and s.measured and not s.name.startswith("batchmill")]
    pick = min if row.better == "lower" else max
    return pick(able, key=lambda side: side.score, default=None)


def _losses(rows: list[RowResult]) -> Iterable[str]:
    found = False
    for row in rows:
        faster = [
            s
            for s in row.sides
            if s.role == "peer" and row.beats_ours(s) and not s.name.startswith("batchmill")
        ]
        missed = [b.words for b in (*row.aim, *row.least) if b.met is False]
        if not faster and not missed:
            continue
        found = True
        by = ", ".join(f"{side.name} ({_figure(side, row)})" for side in faster) or "no peer"
        beyond = f"; missed: {', '.join(missed)}" if missed else ""
        yield f"- {row.title}: ours {_figure(row.ours, row)}, better: {by}{beyond}\n"
    if not found:
        yield "No peer is ahead in any row of this run, and no bound is missed.\n"


def _row(row: RowResult) -> Iterable[str]:
    yield f"\n### {row.title}\n\n"
    yield f"`{row.name}`: {row.measures}; {row.better} is better. {row.n:,} items"
    yield f", foreign load {row.foreign_load:.0%}{' ⚠' if row.noisy else ''}.\n"
    for label, bounds in (("Our aim", row.aim), ("Not worse than", row.least)):
        if bounds:
            yield f"{label}: {_bounds(bounds)}.\n"
    yield "\n| side | role | score | ours ÷ this | wall an item | CPU an item | spread | items |\n"
    yield "|---|---|---|---|---|---|---|---|\n"
    for side in sorted(row.sides, key=lambda side: _order(side, row)):
        yield _side(side, row)


def _order(side: SideResult, row: RowResult) -> tuple[bool, float]:
    if not side.measured:
        return (True, 0.0)
    return (False, side.score if row.better == "lower" else -side.score)


def _side(side: SideResult, row: RowResult) -> str:
    name = f"**{side.name}**" if side.role == "ours" else side.name
    if not side.measured:
        return f"| {name} | {side.role} | {side.note} | | | | | |\n"
    ratio = f"{row.ours.score / side.score:.2f}" if row.ours and side.score else ""
    return (
        f"| {name} | {side.role} | {_figure(side, row)} | {ratio} | {_micros(side.wall_micros)} "
        f"| {_micros(side.cpu_micros)} | {side.spread:.0%} | {side.n:,} |\n"
    )


def _pending(about: dict[str, Any]) -> Iterable[str]:
    if about["pending"]:
        yield "\n## Not measured yet\n\n"
        yield from (f"- {line}\n" for line in about["pending"])


def _bounds(bounds: list[Bound]) -> str:
    return "; ".join(f"{bound.words}: {_verdict(bound)}" for bound in bounds)


def _verdict(bound: Bound) -> str:
    if bound.met is None:
        return "not measured"
    ratio = "" if bound.ratio is None else f" ({bound.ratio:.2f} ×)"
    return f"{'met' if bound.met else '**missed**'}{ratio}"


def _named(side: SideResult | None, row: RowResult) -> str:
    return f"{side.name} {_figure(side, row)}" if side else "–"


def _figure(side: SideResult | None, row: RowResult) -> str:
    return f"{_short(side.score)} {row.unit}" if side else "not measured"


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _micros(value: float) -> str:
    return f"{_short(value)} µs" if value < 10_000 else f"{_short(value / 1e3)} ms"
