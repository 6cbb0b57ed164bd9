"""``batchmill resume``: go on with a run that was interrupted or failed."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import click

from batchmill.cli import options
from batchmill.cli.caller import Caller
from batchmill.cli.exits import Exit
from batchmill.cli.fulfil import Request, fulfil
from batchmill.cli.given import given
from batchmill.cli.map import items_of
from batchmill.cli.rehearsed import tell
from batchmill.events.progress import ProgressKind
from batchmill.journal.journal import Journal
from batchmill.journal.reading import Reader
from batchmill.runs.rehearse import rehearse
from batchmill.runs.resume import resume


@click.command("resume", short_help="Go on with a run that was interrupted or failed.")
@click.argument("words", nargs=-1, metavar="[RUN] [NAME=VALUE]...")
@click.option(
    "--dry-run", is_flag=True, help="Say what would be run again, why and for how much; run nothing."
)
@click.option("--failed", "failed_only", is_flag=True, help="Run only the items again that had failed.")
@click.option("--set-json", multiple=True, metavar="NAME=JSON", help="Give one input as JSON.")
@click.option(
    "--params",
    "params_file",
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Read inputs from a JSON or YAML file.",
)
@options.overrides
@options.journal
@click.option("--durable", is_flag=True, help="Have every commit of the journal reach the disk.")
@options.json_flag("Print the whole run as one JSON object.")
@options.talk
@click.pass_obj
def command(
    caller: Caller,
    words: tuple[str, ...],
    dry_run: bool,
    failed_only: bool,
    set_json: tuple[str, ...],
    params_file: Path | None,
    executor: str | None,
    jobs: int | None,
    journal_path: str,
    durable: bool,
    json_wanted: bool,
    progress: ProgressKind,
    quiet: bool,
    verbose: bool,
) -> int:
    """Run what has no result yet of RUN: its name, the beginning of it, or `last`; without it, the latest
    run that is not finished.

    Results are known again by content: what was edited since, in the document or among the items, is run
    again. Inputs are those of the run, but for those given here; secret ones must be given again. Of a run
    of `batchmill map` all results are printed, those that were kept as well.
    """
    caller.verbose = verbose
    name, pairs = _split(words)
    inputs = given(pairs, set_json, params_file)
    journal = Journal(journal_path, durable=durable)
    if dry_run:
        told = rehearse(
            name, inputs.values, journal=journal, failed_only=failed_only, text_params=inputs.text
        )
        tell(told, json_wanted)
        return Exit.SUCCESS
    with Reader(journal) as reader:
        found = reader.to_resume(name)
    begin = partial(
        resume,
        found.name,
        inputs.values,
        text_params=inputs.text,
        executor=executor,
        jobs=jobs,
        journal=journal,
        failed_only=failed_only,
    )
    items = None if json_wanted else items_of(found, quiet)
    return fulfil(Request(begin, journal, json_wanted, progress, quiet, verbose, items), caller)


def _split(words: tuple[str, ...]) -> tuple[str | None, list[str]]:
    """The run's name and the inputs. Raises :class:`click.UsageError` for two names."""
    names = [word for word in words if "=" not in word]
    if len(names) > 1:
        raise click.UsageError(f"one run at a time, not {' and '.join(names[:2])}")
    return (names[0] if names else None), [word for word in words if "=" in word]
