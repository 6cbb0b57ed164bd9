"""``batchmill run``: run a document and print its outputs."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import click

from batchmill.cli import options
from batchmill.cli.at_the_end import FilesAtTheEnd
from batchmill.cli.caller import Caller
from batchmill.cli.clashes import refuse_in_cluster, refuse_in_keeping, refuse_in_talk
from batchmill.cli.document import document_of
from batchmill.cli.exits import Exit
from batchmill.cli.fulfil import Begin, CommandCall, fulfil
from batchmill.cli.given import Given, given, with_stdin
from batchmill.cli.options import Keeping, Talk
from batchmill.cli.own_files import check_written, own_files
from batchmill.graph.part import Part
from batchmill.journal.journal import Journal
from batchmill.runs.result import RunResult
from batchmill.runs.run import run
from batchmill.runs.settings import RunSettings


@click.command("run", cls=options.OnceCommand, short_help="Run a workflow document.")
@options.document
@options.inputs
@click.option("--dry-run", is_flag=True, help="Show what would run, as `plan` does; run nothing.")
@options.overrides
@options.limit
@options.cluster
@options.part
@options.wait
@options.keeping
@options.json_flag("Print the whole run as one JSON object.")
@options.at_the_end
@options.talk
@options.gathered("settings", dict, "executor", "jobs", "limit", "cluster")
@click.pass_obj
def command(
    caller: Caller,
    /,
    file: str,
    inputs: tuple[str, ...],
    params_file: Path | None,
    set_json: tuple[str, ...],
    dry_run: bool,
    settings: dict[str, Any],
    part: dict[str, Any],
    wait: bool,
    keeping: Keeping,
    json_wanted: bool,
    talk: Talk,
    exit_zero: bool,
    **files: str | None,
) -> int:
    """Run the workflow document FILE (JSON or YAML; `-` is standard input) and print its outputs.

    Give inputs as NAME=VALUE; VALUE is read as the type that the document declares. Without --json a single
    text output is printed as it is, anything else as JSON.

    With --only and --from the nodes before NODE do not run: their results come from any run in the journal
    with the same content.
    """
    caller.verbose = talk.verbose
    refuse_in_keeping(keeping.journal_path)
    refuse_in_talk(talk.progress)
    refuse_in_cluster(settings["executor"])
    from_line = given(inputs, set_json, params_file)
    if dry_run:
        from batchmill.cli.plan import show_plan  # it draws, and looks at clusters: most runs need neither

        planned = RunSettings(**settings, part=Part.of(**part))
        show_plan(file, from_line, planned, keeping.journal_path, "json" if json_wanted else "tree")
        return Exit.SUCCESS
    draft = document_of(file)
    wanted = with_stdin(from_line, draft)
    journal = keeping.journal()
    own = own_files(params_file)
    with FilesAtTheEnd.asked(files, journal) as at_the_end:
        check_written(at_the_end.written, own)
        remembered = options.remembered(keeping.name, json_wanted, talk.progress)
        begin: Begin = partial(
            run,
            draft,
            wanted.values,
            text_params=wanted.text,
            **settings,
            **part,
            journal=at_the_end.journal,
            warnings=wanted.told(draft.raw),
            own_files={**own, **at_the_end.own_files},
            remembered={**remembered, **at_the_end.remembered()},
        )
        if wait:
            begin = _and_further_passes(begin, wanted, journal)
        call = CommandCall(begin, journal, json_wanted, talk, at_the_end, exit_zero=exit_zero)
        return fulfil(call, caller)


def _and_further_passes(begin: Begin, wanted: Given, journal: Journal | None) -> Begin:
    """Begin a run, and continue it once the services that it waits for have answered. Raises
    :class:`click.UsageError` without a journal."""
    from batchmill.runs.resume import resume  # few runs wait

    if journal is None:
        raise click.UsageError("--wait needs a journal, which has the batches to wait for")

    def waited(**told: Any) -> RunResult:
        result = begin(**told)
        if result.status != "waiting":
            return result
        return resume(result.run, wanted.values, text_params=wanted.text, journal=journal, wait=True, **told)

    return waited
