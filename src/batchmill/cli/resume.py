"""``batchmill resume``: continue a run that was interrupted or failed."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import click

from batchmill.cli import options
from batchmill.cli.at_the_end import FilesAtTheEnd, kept_files
from batchmill.cli.caller import Caller
from batchmill.cli.clashes import refuse_in_cluster, refuse_in_talk
from batchmill.cli.exits import Exit
from batchmill.cli.faults import say
from batchmill.cli.flow_run import FlowResume, is_flow
from batchmill.cli.fulfil import Begin, CommandCall, fulfil
from batchmill.cli.given import Given, given
from batchmill.cli.journals import Found, Journals, working_folder
from batchmill.cli.map_run import MapRun, items_of_map, map_resumed
from batchmill.cli.options import Talk
from batchmill.cli.own_files import check_written, own_files
from batchmill.cli.rehearsed import tell
from batchmill.cli.titles import introduced, is_map
from batchmill.events.progress import ProgressKind
from batchmill.graph.part import Part
from batchmill.journal.contract import RUN_SCHEMA, RunRecord
from batchmill.journal.journal import Journal
from batchmill.runs.environment import changed_since
from batchmill.runs.rehearse import rehearse
from batchmill.runs.resume import resume


@click.command("resume", cls=options.OnceCommand, short_help="Continue an interrupted or failed run.")
@click.argument("words", nargs=-1, metavar="[RUN] [NAME=VALUE]...")
@click.option("--dry-run", is_flag=True, help="Show what would run again, why and at what cost; run nothing.")
@click.option("--failed", "failed_only", is_flag=True, help="Run only failed items.")
@click.option("--set-json", multiple=True, metavar="NAME=JSON", help="Give one input as JSON.")
@click.option(
    "--params",
    "params_file",
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Read inputs from a JSON or YAML file.",
)
@options.overrides
@options.limit_or_all
@options.cluster
@options.part
@options.wait
@click.option("--whole", is_flag=True, help="If the run covers part of the document, run the rest too.")
@options.journal
@click.option("--durable", is_flag=True, help="Wait until every commit of the journal is on disk.")
@click.option(
    "--json/--no-json",
    "json_wanted",
    default=None,
    help="Print the whole run as one JSON object, or each result of `map` as a line; else as the run began.",
)
@options.at_the_end
@options.talk
@options.gathered("settings", dict, "executor", "jobs", "limit", "cluster", "wait")
@click.pass_obj
def command(
    caller: Caller,
    /,
    words: tuple[str, ...],
    dry_run: bool,
    failed_only: bool,
    set_json: tuple[str, ...],
    params_file: Path | None,
    settings: dict[str, Any],
    part: dict[str, Any],
    whole: bool,
    journal_path: str | None,
    durable: bool,
    json_wanted: bool | None,
    talk: Talk,
    exit_zero: bool,
    **files: str | None,
) -> int:
    """Continue RUN: its id or the beginning of it, its name, or `last`; by default the latest run that is not
    finished, except one whose reader stopped (`| head`).

    Nodes and items without a result run, in the folder where the run began, with its settings and form of
    output. Results are recognised by content: if you edited the document, the items, the files they read or
    your code, the changed work runs again. Inputs are those of the run, unless you give new ones; give secret
    inputs again. A run of `batchmill map` prints all results, including those it kept.

    With --only and --from the nodes of the part run again, even those with a result; the nodes before NODE do
    not run. A run of a part continues with that part; --whole runs the rest too.
    """
    caller.verbose = talk.verbose
    refuse_in_talk(talk.progress)
    refuse_in_cluster(settings["executor"])
    name, pairs = _split(words)
    inputs = given(pairs, set_json, params_file)
    with Journals(journal_path) as journals:
        found = journals.to_resume(name, failed_only)
    journal, run = Journal(found.journal.path, durable=durable), found.run
    part = {**part, "whole": whole}
    if is_flow(run):
        changed = {"--dry-run": dry_run, "an input": inputs.values or inputs.text}
        options_set = {f"--{option}": value for option, value in settings.items()}
        _refuse_for_flows({**changed, **options_set, "a part": any(part.values())})
    if dry_run:
        _show_dry_run(run, journal, inputs, failed_only, settings["limit"], part, as_json=bool(json_wanted))
        return Exit.SUCCESS
    as_json = bool(run.settings.get("json")) if json_wanted is None else json_wanted
    caller.fault_schema = RUN_SCHEMA if as_json and not is_map(run) else None
    if not talk.quiet:
        _introduce(found, new_part=any(part.values()))
    if talk.progress == "auto":
        talk = replace(talk, progress=_kept_progress(run))
    folder = working_folder()
    own = own_files(params_file)
    with (
        FilesAtTheEnd.asked(files, journal) as at_the_end,
        _working_in(run.folder),
        _items_of(run, journal, as_json, failed_only, at_the_end) as items,
    ):
        check_written(at_the_end.written, own)
        own |= {**kept_files(run), **at_the_end.own_files}
        kept_for = {**({} if json_wanted is None else {"json": as_json}), **at_the_end.remembered()}
        further = {**settings, **part, "own_files": own, "remembered": kept_for}
        begin = _further_pass(run, journal, inputs, failed_only, further)
        call = CommandCall(begin, journal, as_json, talk, at_the_end, items, folder, exit_zero)
        return fulfil(call, caller)


def _further_pass(
    run: RunRecord, journal: Journal, inputs: Given, failed_only: bool, further: Mapping[str, Any]
) -> Begin:
    """The call of :func:`~batchmill.runs.resume.resume`, with its ``further`` arguments, or what continues a
    flow, which takes none of them."""
    if is_flow(run):
        return FlowResume(run, journal, failed_only)
    return partial(
        resume,
        run.name,
        inputs.values,
        text_params=inputs.text,
        journal=journal,
        failed_only=failed_only,
        warnings=inputs.told(run.document),
        **further,
    )


def _refuse_for_flows(given: dict[str, object]) -> None:
    """Raise :class:`click.UsageError` for options that apply only to documents and `map`."""
    for name, value in given.items():
        if value:
            raise click.UsageError(
                f"{name} cannot be used with a run of a flow: its program sets how it runs"
            )


def _show_dry_run(
    run: RunRecord,
    journal: Journal,
    inputs: Given,
    failed_only: bool,
    limit: int | Literal["all"] | None,
    part: Mapping[str, Any],
    *,
    as_json: bool,
) -> None:
    """Print what would run again, in the folder of the run."""
    with _working_in(run.folder):
        undone = failed_only or not run.finished
        told = rehearse(
            run.name,
            inputs.values,
            journal=journal,
            failed_only=failed_only,
            limit=limit,
            text_params=inputs.text,
            **part,
            attached=items_of_map(run, journal) if is_map(run) and undone else {},
        )
    tell(told, as_json)


@contextmanager
def _items_of(
    run: RunRecord, journal: Journal, as_json: bool, again: bool, at_the_end: FilesAtTheEnd
) -> Iterator[MapRun | None]:
    """The items of a run of `map`, in the folder of the run."""
    if not is_map(run) or not os.path.isdir(run.folder):
        yield None
        return
    with map_resumed(run, journal, as_json, again, at_the_end) as items:
        yield items


def _introduce(found: Found, *, new_part: bool) -> None:
    """Say which run is continued, what has changed since it began, and which part of the document it covers,
    unless the caller names a new part."""
    settings = found.run.settings
    if not found.run.finished:
        say(f"resuming {introduced(found)}")
        if changed := changed_since(settings.get("around")):
            say(f"note: changed since the run began: {', '.join(changed)}")
    if not new_part and (kept := Part.kept(settings.get("part"))) is not None:
        say(f"note: the run covers part of the document ({kept.words()}); --whole runs the rest, too")


def _kept_progress(run: RunRecord) -> ProgressKind:
    kept = run.settings.get("progress")
    return kept if kept in ("bar", "plain", "none") else "auto"


@contextmanager
def _working_in(folder: str) -> Iterator[None]:
    """Work in the folder of a run for a while, where it is there; the run itself complains of one that is
    gone."""
    before = working_folder()
    if os.path.isdir(folder):
        os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def _split(words: tuple[str, ...]) -> tuple[str | None, list[str]]:
    """The run's name and the inputs. Raises :class:`click.UsageError` for two names."""
    names = [word for word in words if "=" not in word]
    if len(names) > 1:
        raise click.UsageError(f"one run at a time, not {' and '.join(names[:2])}")
    return (names[0] if names else None), [word for word in words if "=" in word]
