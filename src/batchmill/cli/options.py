"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import click

from batchmill.cli.at_the_end import FILES
from batchmill.cli.journals import VARIABLE
from batchmill.events.progress import ProgressKind
from batchmill.executors.registry import KINDS
from batchmill.ir.clusters import written_cluster
from batchmill.journal.journal import DEFAULT_PATH, Journal, unfit_name
from batchmill.runs.settings import ALL

MOST_JOBS = 1000
ONCE = frozenset({"collect", "results", "mark", "journal_path", "params_file", "name", "file", *FILES})
"""Options that would lose data if a second one silently replaced the first."""
Command = TypeVar("Command", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Talk:
    """What a command says on stderr: the options of :func:`talk`."""

    progress: ProgressKind
    quiet: bool
    verbose: bool


@dataclass(frozen=True, slots=True)
class Keeping:
    """Where a run is saved, and under which name: the options of :func:`keeping`."""

    journal_path: str | None
    no_journal: bool
    durable: bool
    name: str | None

    def journal(self, otherwise: Callable[[], Path] = lambda: DEFAULT_PATH) -> Journal | None:
        """The journal, that at ``otherwise`` if no path is given; ``none`` as a path is none at all."""
        if self.no_journal or names_none(self.journal_path):
            return None
        return Journal(otherwise() if self.journal_path is None else self.journal_path, durable=self.durable)


class OnceCommand(click.Command):
    """A command that refuses options of :data:`ONCE` given twice; of others the last one holds, as usual."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        given = [one for one in self.make_parser(ctx).parse_args(list(args))[2] if one.name in ONCE]
        twice = next((one for one in given if given.count(one) > 1), None)
        if twice is not None:
            raise click.UsageError(f"{twice.opts[-1]} is given twice: keep one", ctx)
        return super().parse_args(ctx, args)


def gathered(name: str, kind: Callable[..., object], *names: str) -> Callable[..., Callable[..., Any]]:
    """Give a command several of its options, by their ``names``, as one argument: what ``kind`` makes
    of them."""

    def around(command: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(command)
        def called(*args: object, **given: object) -> Any:
            one = kind(**{key: given.pop(key) for key in names})
            return command(*args, **given, **{name: one})

        return called

    return around


def document(command: Command) -> Command:
    """``FILE``."""
    return click.argument("file", metavar="FILE", shell_complete=_files)(command)


def _files(context: click.Context, param: click.Parameter, begun: str) -> list[Any]:
    """Has the shell complete names of files."""
    return click.Path().shell_complete(context, param, begun)


def inputs(command: Command) -> Command:
    """``NAME=VALUE``, ``--params`` and ``--set-json``, in the order that help shows them."""
    command = click.option("--set-json", multiple=True, metavar="NAME=JSON", help="Give one input as JSON.")(
        command
    )
    command = click.option(
        "--params",
        "params_file",
        metavar="FILE",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help="Read inputs from a JSON or YAML file.",
    )(command)
    return click.argument("inputs", nargs=-1, metavar="[NAME=VALUE]...")(command)


def overrides(command: Command) -> Command:
    """``--executor`` and ``--jobs``."""
    command = click.option(
        "-j",
        "--jobs",
        type=click.IntRange(1, MOST_JOBS),
        metavar="N",
        help="Most nodes and items to run at once in the whole run; sequential batches stay sequential.",
    )(command)
    return click.option(
        "--executor", type=click.Choice(tuple(KINDS)), help="Run every batch node on this executor."
    )(command)


def limit(command: Command) -> Command:
    """``--limit`` for documents."""
    return click.option(
        "--limit",
        type=click.IntRange(1),
        metavar="N",
        help="Run at most N items of each batch.",
    )(command)


def part(command: Callable[..., Any]) -> Callable[..., Any]:
    """``--only``, ``--from`` and ``--until``, as the argument ``part``, by name."""
    command = gathered("part", dict, "only", "from_", "until")(command)
    command = click.option("--until", metavar="NODE", help="Run NODE and the nodes it needs.")(command)
    command = click.option(
        "--from", "from_", metavar="NODE", help="Run NODE and the nodes after it; see above."
    )(command)
    return click.option("--only", metavar="NODE", help="Run NODE alone.")(command)


class _CountOrAll(click.IntRange):
    """A whole number from 1, or the word ``all``."""

    name = "number or `all`"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return ALL if value == ALL else super().convert(value, param, ctx)


def limit_or_all(command: Command) -> Command:
    """``--limit`` where a run may have one."""
    return click.option(
        "--limit",
        type=_CountOrAll(1),
        metavar="N|all",
        help="Run at most the first N items of each batch, or all; by default as the run began.",
    )(command)


def cluster(command: Command) -> Command:
    """``--cluster``."""
    return click.option(
        "--cluster",
        metavar="WHERE",
        callback=lambda context, option, text: written_cluster(text),
        help="Where the executor dask has its workers: a scheduler's address, `local`, or an object in JSON.",
    )(command)


def json_flag(text: str) -> Callable[[Command], Command]:
    """``--json``."""
    return click.option("--json", "json_wanted", is_flag=True, help=text)


def journal(command: Command) -> Command:
    """``--journal`` for commands that read it."""
    return click.option(
        "--journal",
        "journal_path",
        metavar="PATH",
        envvar=VARIABLE,
        help=f"The journal of runs, by default {DEFAULT_PATH}, for `map` in your state folder. "
        f"Also {VARIABLE}.",
    )(command)


def wait(command: Command) -> Command:
    """``--wait``."""
    told = "Wait for batches of services (`batch_api`), however long they take, and continue with them."
    return click.option("--wait", is_flag=True, help=told)(command)


def keeping(command: Callable[..., Any]) -> Callable[..., Any]:
    """``--journal``, ``--no-journal``, ``--durable`` and ``--name`` for commands that write it, as a
    :class:`Keeping`."""
    command = gathered("keeping", Keeping, *(field.name for field in fields(Keeping)))(command)
    command = click.option("--name", metavar="NAME", callback=_fit_name, help="A name for the run.")(command)
    command = click.option(
        "--durable", is_flag=True, help="Wait until every commit of the journal is on disk."
    )(command)
    command = click.option("--no-journal", is_flag=True, help="Save nothing; you cannot resume the run.")(
        command
    )
    return journal(command)


def _fit_name(context: click.Context, option: click.Parameter, name: str | None) -> str | None:
    if name is not None and (why := unfit_name(name)):
        raise click.BadParameter(f"{name!r} cannot name a run, as {why}: choose another name")
    return name


def names_none(path: str | None) -> bool:
    """Whether ``--journal`` says that there is to be none."""
    return path is not None and path.lower() in ("", "none")


def at_the_end(command: Command) -> Command:
    """An option for each of :data:`FILES`, and ``--exit-zero``."""
    return click.option("--joblog", metavar="FILE", help=FILES["joblog"])(at_the_end_of_map(command))


def at_the_end_of_map(command: Command) -> Command:
    """:func:`at_the_end` for ``map``, which has a ``--joblog`` of its own."""
    command = click.option("--exit-zero", is_flag=True, help="Exit with 0 if only some items failed.")(
        command
    )
    for name, told in reversed(FILES.items()):
        if name == "joblog":
            continue
        command = click.option(f"--{name}", name, metavar="FILE", help=told)(command)
    return command


def talk(command: Callable[..., Any]) -> Callable[..., Any]:
    """``--progress``, ``--quiet`` and ``--verbose``, as a :class:`Talk`."""
    command = gathered("talk", Talk, *(field.name for field in fields(Talk)))(command)
    command = click.option("-v", "--verbose", is_flag=True, help="Name every node; show tracebacks.")(command)
    command = click.option("-q", "--quiet", is_flag=True, help="Print errors only.")(command)
    return click.option(
        "--progress",
        type=click.Choice(("auto", "bar", "plain", "none")),
        default="auto",
        show_default=True,
        help="How to show progress on stderr.",
    )(command)


def remembered(name: str | None, as_json: bool, progress: str) -> dict[str, object]:
    """The options of a command that are saved with the run and apply again when it is resumed."""
    told = {"name": name, "json": as_json, "progress": None if progress == "auto" else progress}
    return {key: value for key, value in told.items() if value}
