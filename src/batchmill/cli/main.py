"""The entry point: a group that imports a command when it is called, and where every error ends.

``batchmill --help`` must be quick, so the commands' summaries stand here and their files, which pull in
the engine, are imported one at a time.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import click

from batchmill.cli.caller import Caller, nothing
from batchmill.cli.exits import Exit
from batchmill.cli.faults import HelpInstead, complain, named
from batchmill.cli.json_fault import json_form, print_fault
from batchmill.cli.streams import flush_stdout, forget_stdout, stand_in_for_closed

COMMANDS = {
    "run": "Run a workflow document.",
    "resume": "Continue an interrupted or failed run.",
    "map": "Run one command over many items, without a document.",
    "validate": "Check a document and report every problem in it.",
    "plan": "Show what a run would do, without running anything.",
    "nodes": "List the node types, or describe one in full.",
    "doctor": "Find problems of this machine that would break a run.",
    "bench": "Compare executors on a document.",
    "init": "Write a small document to start from.",
    "runs": "List the runs in the journal.",
    "show": "Show what a run did, or one of its items.",
    "report": "Show where the time of a run went, as text, a page or metrics.",
    "trace": "Write a run item by item, for Perfetto, awk and others.",
    "watch": "Watch a run from another terminal.",
    "results": "Write the results of a run as JSON, JSON lines or CSV.",
    "gc": "Delete old runs from the journal.",
    "cost": "Show what the calls of a run used and cost.",
    "cluster": "Make certificates for a cluster of your own.",
    "completion": "Print the completion script for bash, zsh or fish.",
    "help": "Show the help of a command.",
    "schema": "Print the JSON Schema of documents.",
}


class _ReaderLeft(Exception):
    """Raised where click writes into a pipe that nobody reads, in place of an error that makes click exit
    with 1."""


@contextmanager
def _reader_may_leave() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError as error:
        raise _ReaderLeft from error


class LazyGroup(click.Group):
    """A group whose commands live in modules of their names and are imported when called."""

    def make_context(self, *args: Any, **more: Any) -> click.Context:
        with _reader_may_leave():  # of the help of the group
            return super().make_context(*args, **more)

    def invoke(self, ctx: click.Context) -> Any:
        with _reader_may_leave():  # of the help of a command
            return super().invoke(ctx)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command = import_module(f"batchmill.cli.{cmd_name}").command
        assert isinstance(command, click.Command)  # noqa: S101  # a fault of ours, not of the caller
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            name, command, rest = super().resolve_command(ctx, args)
        except click.UsageError as error:
            raise click.UsageError(f"{error.format_message()}{_meant(args[0])}", ctx) from None
        if command is not None and isinstance(ctx.obj, Caller):
            ctx.obj.fault_schema = json_form(command, rest)
        return name, command, rest

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        # here, as click before 8.2 prints the same on stdout and ends with 0
        if not args and not ctx.resilient_parsing:
            raise HelpInstead(ctx.get_help())
        return super().parse_args(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


def _meant(name: str) -> str:
    from difflib import get_close_matches  # needed on a mistake only

    close = get_close_matches(name, COMMANDS, 1)
    return f" Did you mean {close[0]!r}?" if close else ""


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 success, 1 failed, 2 usage or invalid document, 3 degraded, "
    "4 stopped by a limit, 5 storage or environment, 6 waiting for a service, 75 locked by another process, "
    "130 and 143 interrupted.",
)
@click.version_option(None, "-V", "--version", package_name="batchmill")
@click.pass_obj
def group(caller: Caller) -> None:
    """Run one workflow document over thousands of items: one after another, on threads or on
    processes, with the same results."""
    caller.ready()


def main(ready: Callable[[], None] = nothing) -> None:
    """Run the command on the arguments of this process and exit with its code; ``ready`` is called when all
    the command needs is loaded."""
    sys.exit(outcome(sys.argv[1:], ready))


def outcome(arguments: Sequence[str], ready: Callable[[], None] = nothing) -> int:
    """Run the command and return its exit code; every error ends here."""
    stand_in_for_closed()
    caller = Caller(ready=ready)
    try:
        code = group.main(list(arguments), "batchmill", standalone_mode=False, obj=caller)
        flush_stdout()
    except (BrokenPipeError, _ReaderLeft):
        forget_stdout()
        return Exit.SUCCESS
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001  # the end of the line: reported, not hidden
        told = KeyboardInterrupt() if _interrupted(error) else named(error)
        if caller.fault_schema is not None:
            print_fault(told, caller.fault_schema, caller.hide)
        return complain(told, caller.verbose, caller.hide)
    return int(code or 0)


def _interrupted(error: BaseException) -> bool:
    """Whether Ctrl-C is behind an error; before Python 3.12 one amid an import comes as a RuntimeError."""
    return isinstance(error, click.Abort) or isinstance(error.__cause__, KeyboardInterrupt)
