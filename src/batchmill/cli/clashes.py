"""Options that contradict each other: refused, because a command would silently follow one of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click
from click.core import ParameterSource

from batchmill.cli.options import names_none
from batchmill.traits import TRAITS


def written(name: str) -> bool:
    """Whether the caller has typed the option, rather than its default or a variable of the environment."""
    source = click.get_current_context().get_parameter_source(name)
    return source is ParameterSource.COMMANDLINE


def refuse_together(first: str, second: str, why: str) -> None:
    """Refuse two options, by the names of their values, if both were typed. Raises
    :class:`click.UsageError`."""
    if written(first) and written(second):
        raise click.UsageError(f"{why}: keep one")


def refuse_in_keeping(path: str | None) -> None:
    """Of the options for the journal, which is saved at ``path``."""
    told = "--journal names where to save the run, and --no-journal saves nothing"
    refuse_together("journal_path", "no_journal", told)
    refuse_together("durable", "no_journal", "--durable is for the journal, and --no-journal saves none")
    if written("journal_path") and names_none(path) and written("durable"):
        raise click.UsageError("--durable is for the journal, and --journal none saves none: keep one")


def refuse_in_talk(progress: str) -> None:
    """Of the options for what is said."""
    if progress != "none":
        told = f"-q prints errors only, and --progress {progress} shows progress"
        refuse_together("quiet", "progress", told)


def refuse_in_cluster(executor: str | None) -> None:
    """A cluster beside an executor that runs everything here; ``executor`` is the one of all batches, None if
    the document says it."""
    if written("cluster") and executor is not None and not TRAITS[executor].elsewhere and executor != "auto":
        raise click.UsageError(
            f"--cluster is for the executor dask, and the executor is {executor}: add --executor dask, or "
            "leave --cluster out"
        )


def refuse_in_map(asked: dict[str, Any], words: Sequence[str], json_wanted: bool) -> None:
    """Of the options of ``map`` for a command of these ``words``, besides those that mean the same."""
    if asked["shell"] is not None and len(words) > 1:
        raise click.UsageError(
            "--shell reads a line, and a COMMAND of several words runs without a shell: quote it as one word"
        )
    if asked["on_error"] == "continue":
        told = "--halt stops at the first failure, and --on-error continue does not"
        refuse_together("on_error", "halt", told)
    if written("retry_wait") and not asked["retries"]:
        raise click.UsageError("--retry-wait has no effect without retries: add --retries N")
    if (asked["jobs"] or 1) > 1 and not TRAITS[asked["executor"]].side_by_side:
        raise click.UsageError(
            f"--jobs {asked['jobs']} runs items at the same time, and --executor {asked['executor']} one "
            "after another: keep one"
        )
    if json_wanted:
        refuse_together("json_wanted", "tag", "--json and --tag are two forms of the results")
        refuse_together("json_wanted", "dry", "--dry-run prints commands, and --json results")
