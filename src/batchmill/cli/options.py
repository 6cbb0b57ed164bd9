"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from batchmill.executors.choose import KINDS

MOST_JOBS = 1000
Command = TypeVar("Command", bound=Callable[..., Any])


def document(command: Command) -> Command:
    """``FILE``."""
    return click.argument("file", metavar="FILE")(command)


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
        help="Nodes and items at work at once in the whole run; a sequential batch stays so.",
    )(command)
    return click.option(
        "--executor", type=click.Choice(tuple(KINDS)), help="Run every batch node on this executor."
    )(command)


def json_flag(text: str) -> Callable[[Command], Command]:
    """``--json``."""
    return click.option("--json", "json_wanted", is_flag=True, help=text)


def talk(command: Command) -> Command:
    """``--progress``, ``--quiet`` and ``--verbose``."""
    command = click.option("-v", "--verbose", is_flag=True, help="Name every node; show tracebacks.")(command)
    command = click.option("-q", "--quiet", is_flag=True, help="Say nothing but errors.")(command)
    return click.option(
        "--progress",
        type=click.Choice(("auto", "bar", "plain", "none")),
        default="auto",
        show_default=True,
        help="How to show progress on stderr.",
    )(command)
