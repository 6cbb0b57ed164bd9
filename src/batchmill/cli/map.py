"""``batchmill map``: one command over many items, without a document."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar

import click

from batchmill.batch.results.table_files import form_of
from batchmill.cli import options
from batchmill.cli.at_the_end import FilesAtTheEnd
from batchmill.cli.caller import Caller
from batchmill.cli.clashes import refuse_in_cluster, refuse_in_keeping, refuse_in_map, refuse_in_talk
from batchmill.cli.faults import say
from batchmill.cli.fulfil import CommandCall, fulfil
from batchmill.cli.journals import working_folder
from batchmill.cli.map_job import MapJob
from batchmill.cli.map_run import dry_run, map_run
from batchmill.cli.options import Keeping, Talk
from batchmill.cli.values import Codes, Jobs, Load, Separator, Span, Tolerance, Variable
from batchmill.errors import InvalidSetting
from batchmill.executors.registry import KINDS
from batchmill.journal.places import own_map_journal
from batchmill.traits import TRAITS

MOST_TOGETHER = 10_000  # items for one command
Command = TypeVar("Command", bound=Callable[..., Any])


def _of_items(command: Command) -> Command:
    """Options that choose the items."""
    for option in reversed(
        (
            click.option(
                "--items", multiple=True, metavar="SOURCE", help="Where items come from, by default stdin."
            ),
            click.option("--link", is_flag=True, help="Pair several sources, instead of all combinations."),
            click.option(
                "-0", "--null", "nul", is_flag=True, help="Lines end with NUL, as from find -print0."
            ),
            click.option(
                "-d", "--delimiter", type=Separator(), metavar="TEXT", help="The text that ends a line."
            ),
            click.option(
                "-C", "--colsep", type=Separator(), metavar="TEXT", help="Split lines into {1}, {2}, ..."
            ),
            click.option("--limit", type=click.IntRange(1), metavar="N", help="Take the first N items only."),
            click.option(
                "-n",
                "group",
                type=click.IntRange(1, MOST_TOGETHER),
                default=1,
                metavar="N",
                help="Items per command.",
            ),
            click.option("--allow-empty", is_flag=True, help="Accept a source without items."),
        )
    ):
        command = option(command)
    return command


def _of_command(command: Command) -> Command:
    """Options for running the command of an item."""
    for option in reversed(
        (
            click.option("-I", "mark", metavar="TEXT", help="The placeholder to use instead of {}."),
            click.option("--stdin", "on_stdin", is_flag=True, help="Pass the item on standard input."),
            click.option("--shell", metavar="SHELL", help="The shell for a line: sh, bash, zsh, ..."),
            click.option("--cwd", metavar="DIR", help="The folder to run in."),
            click.option(
                "--env", type=Variable(), multiple=True, metavar="NAME=VALUE", help="Set a variable."
            ),
            click.option("--nice", type=click.IntRange(0, 19), metavar="N", help="Run at a lower priority."),
            click.option("--ok-codes", type=Codes(), metavar="N,N", help="Exit codes that count as success."),
            click.option(
                "--timeout", type=Span(more_than=True), metavar="SPAN", help="Longest time for one attempt."
            ),
            click.option(
                "--retries",
                type=click.IntRange(0, 9),
                default=0,
                metavar="N",
                help="Retry a failed item N times.",
            ),
            click.option(
                "--retry-wait", type=Span(), default=0.0, metavar="SPAN", help="Wait before each retry."
            ),
        )
    ):
        command = option(command)
    return command


def _of_run(command: Command) -> Command:
    """Options for running the items together."""
    for option in reversed(
        (
            click.option("--executor", type=click.Choice(tuple(KINDS)), default="thread", show_default=True),
            click.option(
                "-j",
                "--jobs",
                type=Jobs(options.MOST_JOBS),
                metavar="N",
                help="Items in flight; also 50% of cores.",
            ),
            click.option("--load", type=Load(), metavar="N", help="Start no item above this load; also 80%."),
            click.option(
                "--on-error",
                type=click.Choice(("continue", "fail")),
                default="continue",
                show_default=True,
                help="Run the rest after a failure, or stop.",
            ),
            click.option(
                "--halt",
                type=click.Choice(("now", "soon")),
                help="Stop at the first failure; now: kill what runs.",
            ),
            click.option(
                "--tolerate", type=Tolerance(), metavar="N", help="Fail after more than N failures; also 10%."
            ),
            click.option("--dry-run", "dry", is_flag=True, help="Print the commands and run none."),
        )
    ):
        command = option(command)
    return command


def _of_results(command: Command) -> Command:
    """Options for the destination of results."""
    for option in reversed(
        (
            click.option("--as-completed", is_flag=True, help="Print results as items end, not in order."),
            click.option("--tag", is_flag=True, help="Begin each line with its item and a tab."),
            click.option(
                "--collect",
                metavar="FILE",
                help="Write results to FILE, not stdout: JSON lines; .csv, .parquet, .gz by its name.",
            ),
            click.option(
                "--results", metavar="DIR", help="Write each item's stdout, stderr and exit code to files."
            ),
            click.option("--joblog", metavar="FILE", help="Add a line to FILE for each item that ends."),
        )
    ):
        command = option(command)
    return command


@click.command(
    "map",
    cls=options.OnceCommand,
    short_help="Run one command over many items, without a document.",
    # the command begins at the first word that is no option of ours: its options are its own
    context_settings={"allow_interspersed_args": False},
)
@_of_items
@_of_command
@_of_run
@_of_results
@options.keeping
@options.json_flag("Print each result as one line of JSON.")
@options.at_the_end_of_map
@options.cluster
@options.talk
@click.argument("command_words", nargs=-1, required=True, metavar="[--] COMMAND...", type=click.UNPROCESSED)
@click.pass_obj
def command(
    caller: Caller,
    /,
    keeping: Keeping,
    json_wanted: bool,
    talk: Talk,
    dry: bool,
    exit_zero: bool,
    cluster: str | None,
    command_words: tuple[str, ...],
    **asked: Any,
) -> int:
    """Run COMMAND for every item and print the outputs in the order of the items.

    SOURCE is a pattern of file names, @FILE for the lines of a file (values and rows of .jsonl and .csv
    files), - for the lines of standard input, range:START:STOP, or a list or source in JSON. Several sources
    give every combination.

    In COMMAND {} is the item, {.} the item without suffix, {/} its name, {//} its folder, {/.} its name
    without suffix, {#} its number, {%} its slot, {1} the item of the first source and {key} a part of a row.
    Without any of them the item comes last. A COMMAND of one word is a line for the shell, which gets the
    item as an argument and never runs it as code.
    """
    caller.verbose = talk.verbose
    refuse_in_keeping(keeping.journal_path)
    refuse_in_talk(talk.progress)
    refuse_in_cluster(asked["executor"])
    refuse_in_map(asked, command_words, json_wanted)
    _refuse_expanded(asked["items"], command_words)
    job = _job(asked, command_words)
    if job.end and not any(source.of_lines for source in job.sources):
        option = "-0" if asked["nul"] else "-d"
        raise click.UsageError(f"{option} says what ends a line, and no source has lines: leave it out")
    _ = job.command  # which complains of what is wrong with it
    if dry:
        return dry_run(job)
    if not job.items and sys.stdin is not None and sys.stdin.isatty() and not talk.quiet:
        say("reading items from the terminal, one on each line; Ctrl-D ends them")
    journal = keeping.journal(partial(own_map_journal, working_folder()))
    remembered = options.remembered(keeping.name, json_wanted, talk.progress)
    with (
        FilesAtTheEnd.asked({**asked, "joblog": None}, journal) as at_the_end,  # that of `map` is its own
        map_run(job, journal, json_wanted, remembered, cluster, at_the_end) as (run, begin),
    ):
        call = CommandCall(begin, journal, json_wanted, talk, at_the_end, run, exit_zero=exit_zero)
        return fulfil(call, caller)


def _job(asked: dict[str, Any], words: tuple[str, ...]) -> MapJob:
    """The job that the options describe. Raises :class:`click.UsageError` for options that contradict each
    other."""
    if asked["nul"] and asked["delimiter"] is not None:
        raise click.UsageError("-0 and -d both say what ends a line: keep one")
    if asked["link"] and len(asked["items"]) < 2:
        raise click.UsageError("--link takes sources side by side: give --items twice or more")
    if asked["colsep"] is not None and len(asked["items"]) > 1:
        raise click.UsageError("--colsep splits the lines of one source, and you gave several")
    if asked["group"] > 1 and len(asked["items"]) > 1:
        raise click.UsageError("-n makes groups of the items of one source, and you gave several")
    if asked["group"] > 1 and asked["colsep"] is not None:
        raise click.UsageError("-n groups items, and --colsep splits them: keep one")
    if asked["collect"] == "-":
        raise click.UsageError("--collect takes a file; for JSON lines on stdout write --json")
    if asked["collect"] is not None:
        _check_form(asked["collect"])
    if asked["collect"] is not None and asked["tag"]:
        raise click.UsageError("--tag marks printed lines, and --collect prints none: keep one")
    taken = ("items", "link", "colsep", "limit", "group", "allow_empty", "mark", "on_stdin")
    shown = ("collect", "results", "joblog", "tag", "as_completed")
    return MapJob(
        words=words,
        end="\0" if asked["nul"] else asked["delimiter"] or "",
        nice=asked["nice"] or 0,
        halt=asked["halt"] == "now",
        load=asked["load"],
        batch=_batch(asked),
        params=_params(asked),
        **{key: asked[key] for key in (*taken, *shown)},
    )


def _check_form(path: str) -> None:
    try:
        form_of(path)
    except InvalidSetting as fault:
        raise click.UsageError(f"--collect {fault}") from fault


def _batch(asked: dict[str, Any]) -> dict[str, object]:
    """The batch block, but for the items."""
    goes_on = asked["on_error"] == "continue" and asked["halt"] is None
    if asked["tolerate"] is not None and not goes_on:
        raise click.UsageError("--tolerate allows failures, and the run stops at the first one: keep one")
    batch: dict[str, Any] = {
        "executor": asked["executor"],
        "max_retries": 1 + asked["retries"],
        "retry_wait": asked["retry_wait"],
        "error_handling": "continue" if goes_on else "fail_fast",
    }
    if asked["jobs"] and TRAITS[asked["executor"]].side_by_side:
        batch["max_concurrent"] = asked["jobs"]
    optional = {"timeout": asked["timeout"], "tolerate": asked["tolerate"]}
    return {**batch, **{key: value for key, value in optional.items() if value is not None}}


def _params(asked: dict[str, Any]) -> dict[str, object]:
    """The params of the command."""
    params = {"shell": asked["shell"], "cwd": asked["cwd"], "ok_codes": asked["ok_codes"]}
    found: dict[str, Any] = {key: value for key, value in params.items() if value is not None}
    return {**found, "env": dict(asked["env"])} if asked["env"] else found


def _refuse_expanded(sources: Sequence[str], words: tuple[str, ...]) -> None:
    """Refuse ``--items *.md`` that the shell has expanded to file names: all but the first stand where the
    command should begin."""
    first = words[0]
    if not sources or os.sep in first or not os.path.isfile(first) or shutil.which(first) is not None:
        return
    if os.path.isfile(sources[-1]):
        suffix = os.path.splitext(first)[1]
        raise click.UsageError(
            f"command not found: {first!r}, which is a file, as {sources[-1]!r} is: the shell expanded "
            f"your pattern; put it in quotes: --items '*{suffix}'"
        )
