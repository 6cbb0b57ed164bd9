"""The manual page of the command line, from the same texts as ``--help``; ``make_reference.py`` writes it."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator

import click

from batchmill.cli.main import COMMANDS, group

MADE = '.\\" Made by docs/make_reference.py; do not edit.'
EXITS = (
    ("0", "success"),
    ("1", "the run failed"),
    ("2", "usage or invalid document: nothing ran"),
    ("3", "degraded: some items failed and were tolerated"),
    ("4", "stopped by a limit; can be resumed"),
    ("5", "storage or environment"),
    ("75", "the run is locked by another process"),
    ("130, 143", "ended by a signal; can be resumed"),
)
FILES = (
    (".batchmill/runs.sqlite", "the journal of documents run in this folder"),
    ("~/.local/state/batchmill/maps", "the journals of map, one for each folder"),
)
VARIABLES = (
    ("BATCHMILL_JOURNAL", "the journal, where --journal names none"),
    ("BATCHMILL_CLUSTER", "where dask has its workers, where --cluster names none"),
    ("NO_COLOR", "no colours, whatever it is set to"),
    ("XDG_STATE_HOME", "in the place of ~/.local/state"),
)


def man_page() -> str:
    """The whole page in roff."""
    with click.Context(group, info_name="batchmill") as outer:
        lines = [
            MADE,
            '.TH BATCHMILL 1 "" "batchmill" "User Commands"',
            ".SH NAME",
            "batchmill \\- run one workflow document, or one command, over thousands of items",
            ".SH SYNOPSIS",
            ".B batchmill",
            "COMMAND [OPTIONS] [ARGUMENTS]",
            ".SH DESCRIPTION",
            *paragraphs(group.help or ""),
            ".SH COMMANDS",
            *commands(outer),
        ]
    for title, rows in (("EXIT STATUS", EXITS), ("FILES", FILES), ("ENVIRONMENT", VARIABLES)):
        lines += [f".SH {title}", *(part for name, told in rows for part in tagged(name, told))]
    return "\n".join(lines) + "\n"


def commands(outer: click.Context) -> Iterator[str]:
    for name in COMMANDS:
        command = group.get_command(outer, name)
        assert command is not None  # noqa: S101  # the group lists what it has
        with click.Context(command, info_name=name, parent=outer) as context:
            yield f".SS {text(' '.join([context.command_path, *command.collect_usage_pieces(context)]))}"
            yield from paragraphs(command.help or "")
            for option in command.get_params(context):
                record = option.get_help_record(context)
                if isinstance(option, click.Option) and record is not None and "--help" not in option.opts:
                    yield from tagged(*record)


def paragraphs(told: str) -> Iterator[str]:
    for paragraph in inspect.cleandoc(told).split("\n\n"):
        if paragraph.startswith("\b\n"):
            yield from (".PP", ".nf", *map(text, paragraph.removeprefix("\b\n").splitlines()), ".fi")
        else:
            yield from (".PP", text(" ".join(paragraph.split())))


def tagged(name: str, told: str) -> tuple[str, str, str]:
    return ".TP", f"\\fB{text(name)}\\fR", text(" ".join(told.split()))


def text(told: str) -> str:
    """Text as roff reads it: no character means anything but itself."""
    told = told.replace("\\", "\\e").replace("-", "\\-").replace("`", "\\(ga").replace("'", "\\(aq")
    return re.sub(r"^\.", "\\\\&.", told).replace("~", "\\(ti").replace("^", "\\(ha")
