"""``batchmill gc``: forget old runs."""

from __future__ import annotations

import re

import click

from batchmill.cli import options
from batchmill.cli.faults import say
from batchmill.cli.journals import Journals
from batchmill.events.words import count
from batchmill.journal.sweeping import forget, to_forget

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_AGE = re.compile(r"([0-9]+(?:\.[0-9]+)?)([smhdw])")


def _seconds(ctx: click.Context, param: click.Parameter, value: str | None) -> float | None:
    """A time span such as ``30d`` or ``12h`` in seconds. Raises :class:`click.BadParameter`."""
    if value is None:
        return None
    found = _AGE.fullmatch(value)
    if found is None:
        raise click.BadParameter(f"{value!r} is no time span; write 30d, 12h or 90m")
    return float(found[1]) * _UNITS[found[2]]


@click.command("gc", short_help="Forget old runs.")
@click.option("--keep", type=click.IntRange(0), metavar="N", help="Keep the latest N runs.")
@click.option("--older-than", callback=_seconds, metavar="AGE", help="Forget runs older than 30d, 12h, ...")
@options.journal
def command(keep: int | None, older_than: float | None, journal_path: str | None) -> int:
    """Delete runs from the journal, with their values; those that are being run are left alone."""
    if keep is None and older_than is None:
        raise click.UsageError("say what to forget: --keep N, --older-than AGE, or both")
    with Journals(journal_path) as journals:
        found = journals.runs()
    late = {run.name for run in to_forget([one.run for one in found], keep, older_than)}
    gone = 0
    for journal in {one.journal.path: one.journal for one in found}.values():
        of_this = (one.run for one in found if one.journal.path == journal.path and one.run.name in late)
        gone += len(forget(journal, of_this))
    say(f"{count(gone, 'run')} forgotten")
    return 0
