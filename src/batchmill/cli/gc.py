"""``batchmill gc``: forget old runs."""

from __future__ import annotations

import click

from batchmill.cli import options
from batchmill.cli.faults import say
from batchmill.cli.journals import Journals
from batchmill.cli.values import Span
from batchmill.journal.sweeping import forget, to_forget
from batchmill.values.words import count


@click.command("gc", short_help="Delete old runs from the journal.")
@click.option("--keep", type=click.IntRange(0), metavar="N", help="Keep the latest N runs.")
@click.option(
    "--older-than", type=Span(plain=False), metavar="AGE", help="Delete runs older than 30d, 12h, ..."
)
@options.journal
def command(keep: int | None, older_than: float | None, journal_path: str | None) -> int:
    """Delete runs from the journal, with their values. Active runs are never deleted."""
    if keep is None and older_than is None:
        raise click.UsageError("say which runs to delete: --keep N, --older-than AGE, or both")
    with Journals(journal_path) as journals:
        found = journals.runs()
    late = {run.name for run in to_forget([one.run for one in found], keep, older_than)}
    gone = 0
    for journal in {one.journal.path: one.journal for one in found}.values():
        of_this = (one.run for one in found if one.journal.path == journal.path and one.run.name in late)
        gone += len(forget(journal, of_this))
    say(f"{count(gone, 'run')} forgotten")
    return 0
