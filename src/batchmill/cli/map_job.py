"""The job of one call of ``batchmill map``. It is saved with the run; ``resume`` continues the same job."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import click

from batchmill.cli.item_command import ITEM, ItemCommand, ItemShape, command_of
from batchmill.cli.item_feed import ItemFeed
from batchmill.cli.item_source import ItemSource, literal, source_of
from batchmill.cli.own_files import check_written, own_files
from batchmill.errors import UnresolvedReference
from batchmill.file_table import FileTable, OwnFile, OwnFiles, Use, enter
from batchmill.journal.journal import Journal
from batchmill.nodes.command import (
    INDEX,
    INDEX_VARIABLE,
    KEY,
    KEY_VARIABLE,
    SIZE,
    TEXT,
    CommandNode,
    present,
)
from batchmill.runs.files import files_of_journal
from batchmill.step import StepParams
from batchmill.template import Scope
from batchmill.template.shell import ShellCommand

NODE = "map"
TYPE = f"{CommandNode.__module__}:{CommandNode.__name__}"
_PRELUDE = re.compile(r"unset [^;]*; (?:\w+=\"\$\w+\"; )*unset [^;]*; ")
_IN_DOUBLE_QUOTES = re.compile(r"([\\$`\"])")


@dataclass(frozen=True, slots=True)
class MapJob:
    """``words`` is the command, ``items`` the sources as written; none means standard input.

    ``batch`` and ``params`` go into the document unchanged. ``collect``, ``results`` and ``joblog`` are
    paths. ``group`` is the number of items for one command. ``mark`` replaces ``{}``. ``end`` is the end of a
    line, if it is not a line feed, and ``colsep`` splits lines into columns. ``nice`` is added to the
    niceness of the process. ``load`` is the load of the machine at which no further item begins.
    """

    words: tuple[str, ...]
    items: tuple[str, ...] = ()
    link: bool = False
    end: str = ""
    nice: int = 0
    colsep: str | None = None
    limit: int | None = None
    group: int = 1
    allow_empty: bool = False
    mark: str | None = None
    on_stdin: bool = False
    collect: str | None = None
    results: str | None = None
    joblog: str | None = None
    tag: bool = False
    as_completed: bool = False
    halt: bool = False
    load: float | None = None
    batch: Mapping[str, Any] = field(default_factory=dict)
    params: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """The values that differ from the defaults, as plain data for :meth:`of`."""
        every = asdict(self)
        plain = {name: value for name, value in every.items() if value not in (None, False, "", (), {})}
        return plain if self.group > 1 else {k: v for k, v in plain.items() if k != "group"}

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> MapJob:
        """The job from the data of :meth:`as_json`."""
        lists = {name: tuple(told.get(name) or ()) for name in ("words", "items")}
        return cls(**{**told, **lists})

    @property
    def sources(self) -> list[ItemSource]:
        """The sources, read. Raises :class:`click.BadParameter`."""
        return [source_of(one, self.end) for one in self.items or ("-",)]

    @property
    def shape(self) -> ItemShape:
        """The shape of the items."""
        sources = self.sources
        rows = any(source.rows for source in sources)
        if self.group > 1:
            return ItemShape(self.group, rows, grouped=True)
        return ItemShape(0 if self.colsep is not None else len(sources), rows)

    @property
    def command(self) -> ItemCommand:
        """The command, read. Raises :class:`click.UsageError`."""
        shell = self.params.get("shell") or "sh"
        try:
            return command_of(
                self.words, self.shape, append=not self.on_stdin, mark=self.mark, interpreter=shell
            )
        except click.UsageError as error:
            meant = [source.rows_of for source in self.sources if source.rows_of]
            hint = f"; for the rows of {meant[0]} write --items @{meant[0]}" if meant else ""
            raise click.UsageError(f"{error.format_message()}{hint}") from None

    def document(self, outputs: str, run: str) -> dict[str, Any]:
        """The workflow for this job; ``outputs`` is the folder for large outputs, ``run`` makes the keys of
        its items unique."""
        command = self.command
        environment = {INDEX_VARIABLE: f"${{{ITEM}.{INDEX}}}", KEY_VARIABLE: f"${{{ITEM}.{KEY}}}"}
        params: dict[str, Any] = {
            **literal(dict(self.params)),
            "command": command.command,
            "placeholders": [one.as_json() for one in command.placeholders],
            "several": self.shape.several,
            "outputs": literal(outputs),
            "run": run,
            "env": {**literal(dict(self.params.get("env") or {})), **environment},
        }
        if self.group > 1:
            params |= {"grouped": True, "members": list(map(list, command.members))}
            params["size"] = f"${{{ITEM}.{SIZE}}}"
            if isinstance(command.command, list):
                params.pop("shell", None)  # it is a word of the command
        if command.counts:
            params["number"] = "${__index__}"
        if self.on_stdin:
            params["stdin"] = f"${{{ITEM}.{TEXT} | raw}}"
        batch = {
            "items": [None],
            "as": ITEM,
            "collect": "none",
            **self.batch,
        }  # the feed's come in their place
        return {"nodes": [{"id": NODE, "type": TYPE, "params": params, "batch": batch}]}

    def feed(self, own: FileTable, say: Callable[[str], object], *, resuming: bool = False) -> ItemFeed:
        """The items. Raises :class:`click.UsageError` if there are none.

        When a run is continued, a pattern may match nothing any more: its files may be done, and moved.
        """
        sources = self.sources
        moved = resuming and all(source.kind == "glob" for source in sources)
        feed = ItemFeed(
            sources,
            own,
            say,
            link=self.link,
            allow_empty=self.allow_empty or moved,
            limit=self.limit,
            change=None if self.colsep is None else self._columns,
            group=self.group,
        )
        self._check_rows(feed)
        return feed

    def _columns(self, item: object) -> object:
        if isinstance(item, (list, dict)):
            return item
        return item.split(self.colsep) if isinstance(item, str) else [item]

    def _check_rows(self, feed: ItemFeed) -> None:
        """Report a mistyped column before anything runs; all rows of a table have the same columns."""
        sources = self.sources
        if not feed.first or not all(source.kind == "csv" for source in sources):
            return
        for placeholder in (one for one in self.command.keys if one.source is None):
            try:
                placeholder.text(feed.first[0], self.shape.several)
            except UnresolvedReference as fault:
                raise click.UsageError(str(fault)) from fault

    def own_files(self, journal: Journal | None, files: OwnFiles) -> FileTable:
        """The files of the run itself; ``files`` are those that it writes at its end."""
        found = {} if journal is None else files_of_journal(journal)
        found |= {**dict(self._written()), **files}
        if self.results is not None:
            found[os.path.join(self.results, "")] = OwnFile("--results")
        table = FileTable()
        enter(table, {**own_files(), **found})
        return table

    def _written(self) -> list[tuple[str, OwnFile]]:
        both = ("--collect", self.collect), ("--joblog", self.joblog)
        return [(path, OwnFile(f"the file of {option}")) for option, path in both if path is not None]

    def check_files(self, written: Iterable[tuple[str, OwnFile]]) -> None:
        """Raises :class:`click.UsageError` for a file to be written that is read too, or is two at once;
        ``written`` are those that the run writes at its end."""
        read = {path: OwnFile(source.written, Use.READ) for source in self.sources for path in source.paths}
        check_written([*self._written(), *written], {**own_files(), **read})

    def text_of(self, item: object, index: int, outputs: str) -> str:
        """The command for an item, as somebody would type it."""
        (node,) = self.document(outputs, "")["nodes"]
        params = StepParams(CommandNode, node["params"])
        with CommandNode().seen(item, index, {**params.constants, "outputs": outputs}) as seen:
            resolved = params.resolve(Scope({ITEM: seen, "__index__": index}))
        return _as_typed(present(resolved))


def _as_typed(command: object) -> str:
    if not isinstance(command, ShellCommand):
        return shlex.join(map(str, command)) if isinstance(command, list) else str(command)
    if command.argv:
        return shlex.join(command.argv)
    script = _PRELUDE.sub("", command.script, count=1) if command.env else command.script
    for given, value in command.env.items():
        name = given.removesuffix("_VALUE")
        script = script.replace(f'"${{{name}}}"', shlex.quote(value))
        script = script.replace(f"${{{name}}}", _IN_DOUBLE_QUOTES.sub(r"\\\1", value))
    return script
