"""``--items SOURCE``: the short ways to write where items come from.

====================  ===============================================================
written               is
====================  ===============================================================
``-``                 the lines of standard input
``@FILE``             the lines of a file; of ``.jsonl`` and ``.csv`` files the values and rows
``KIND:VALUE``        a source by its name: ``glob:*.md``, ``range:0:10``, ``stdin:jsonl``
``[...]``, ``{...}``  a list of items, or a source, as in a batch block
anything else         a pattern of file names
====================  ===============================================================

Lines are names: bytes that are no UTF-8 are carried through, see :mod:`batchmill.items.names`.
"""

from __future__ import annotations

import glob
import json
import os
import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import click

from batchmill.batch.results.compression import packed_suffix
from batchmill.items.globbing import has_magic
from batchmill.items.many_files import paths_of
from batchmill.items.names import names_in_files, names_in_stdin
from batchmill.items.readers import READERS, is_source, open_source
from batchmill.nodes.placeholders import as_written
from batchmill.values import NotJson

FORMS = """SOURCE is one of
  'data/*.csv'        a pattern of file names, in quotes so that the shell leaves it alone
  @names.txt          the lines of a file; the values and rows of .jsonl, .csv and .parquet files
  -                   the lines of standard input; stdin:jsonl for values
  range:0:10          whole numbers, from the first to before the last
  '["a", "b"]'        a list
  '{"jsonl": "f"}'    a source as in a batch block"""

_FILES = ("lines", "jsonl", "csv", "parquet", "sqlite")
_OF_ROWS = ("jsonl", "csv", "parquet", "sqlite", "product", "zip", "python")
_WITHOUT_SHORT_FORM = ("sqlite", "product", "zip")
_NUMBERS = re.compile(r"\[?(-?[0-9]+)\.\.\.?(-?[0-9]+)\]?|range\((?:(-?[0-9]+), *)?(-?[0-9]+)\)")


@dataclass(frozen=True, slots=True)
class ItemSource:
    """A source as it was ``written``; ``spec`` is its form in a batch block, ``end`` the end of a line, if it
    is not a line feed."""

    written: str
    spec: Any
    end: str = ""

    @property
    def kind(self) -> str:
        """``list``, or the key of the source."""
        return "list" if isinstance(self.spec, list) else next(kind for kind in READERS if kind in self.spec)

    @property
    def value(self) -> Any:
        return self.spec[self.kind]

    @property
    def from_stdin(self) -> bool:
        return self.kind == "stdin"

    @property
    def of_lines(self) -> bool:
        """Whether its items are lines of text."""
        return self.kind == "lines" or (self.from_stdin and self.value in ("lines", "nul"))

    @property
    def path(self) -> str | None:
        """The path of the file, if it reads exactly one; else None."""
        one = self.kind in _FILES and isinstance(self.value, str) and not has_magic(self.value)
        return os.path.expanduser(self.value) if one else None

    @property
    def paths(self) -> list[str]:
        """All files that are read."""
        return paths_of(self.kind, self.value, "") if self.kind in _FILES else []

    @property
    def rows(self) -> bool:
        """Whether items may be rows."""
        if self.kind == "list":
            return any(isinstance(one, (dict, list)) for one in self.spec)
        return self.kind in _OF_ROWS or (self.from_stdin and self.value == "jsonl")

    @property
    def rows_of(self) -> str | None:
        """The file with rows in it that is named as one item; None for any other source."""
        if self.kind != "glob" or not isinstance(self.value, str) or has_magic(self.value):
            return None
        return self.value if self.value.endswith(tuple(_KINDS)) and os.path.isfile(self.value) else None

    @property
    def perhaps_meant(self) -> str:
        """A correction, if the name of a file may have been given instead of its content; else empty."""
        if self.kind != "glob" or not isinstance(self.value, str) or has_magic(self.value):
            return ""
        if os.path.isdir(self.value):
            inside = os.path.join(self.value, "*")
            return f"{self.value} is a folder, and one item; for what is in it write --items {inside!r}"
        if self.rows_of:
            return f"{self.value} is one item, the name of the file; for its rows write --items @{self.value}"
        return ""

    def opened(self) -> Iterable[object]:
        """The items, read lazily. Raises what reading raises."""
        if self.kind == "list":
            return list(self.spec)
        if self.kind == "lines":
            return names_in_files(self.paths, os.fsencode(self.end))
        if self.from_stdin and self.value in ("lines", "nul"):
            return names_in_stdin(b"\0" if self.value == "nul" else os.fsencode(self.end))
        if self.kind == "python" and (here := os.getcwd()) not in sys.path:
            sys.path.append(here)  # behind what is installed: folders of data hold files of any name
        return open_source(self.spec, decode=as_written)

    @property
    def missing(self) -> bool:
        """Whether it is a file, and not there."""
        return self.path is not None and not os.path.exists(self.path)

    @property
    def emptiness(self) -> str:
        """The message for a source that has no items."""
        if self.from_stdin:
            return "standard input is empty"
        if self.missing:
            return f"there is no file {self.path!r}"
        if self.path is not None:
            return f"the file {self.path!r} has no items in it"
        if self.kind not in ("glob", *_FILES) or not isinstance(self.value, str):
            return f"{self.written!r} has no items"
        pattern = self.value
        if glob.has_magic(pattern):
            return f"no file matches the pattern {pattern!r}"
        return f"there is no file {pattern!r}{_meant(pattern)}"


def source_of(written: str, end: str = "") -> ItemSource:
    """Parse a source; ``end`` is the end of a line, if it is not a line feed. Raises
    :class:`click.BadParameter`."""
    return ItemSource(written, _spec(written), end)


def _spec(written: str) -> object:
    if written == "-":
        return {"stdin": "lines"}
    if not written:
        raise click.BadParameter(f"a SOURCE is missing\n{FORMS}")
    if written.startswith("@"):
        return _file(written[1:])
    if written[:1] in ("[", "{"):
        return _json(written)
    kind, colon, value = written.partition(":")
    if colon and kind in READERS and kind not in _WITHOUT_SHORT_FORM:
        return {kind: _bounds(value) if kind == "range" else value}
    return {"glob": written}


def literal(value: object) -> Any:
    """A value of the command line within a document, where ``${`` would begin a template."""
    if isinstance(value, str):
        return value.replace("${", "$${")
    if isinstance(value, list):
        return [literal(one) for one in value]
    if isinstance(value, dict):
        return {key: literal(one) for key, one in value.items()}
    return value


def _meant(word: str) -> str:
    """A hint for a word that is not a file: what to write instead."""
    if found := _NUMBERS.fullmatch(word):
        first, last = (found[1], int(found[2]) + 1) if found[1] else (found[3] or "0", int(found[4]))
        return f"; for numbers write range:{first}:{last}"
    parts = re.split(r"\s*,\s*|\s+", word.strip())
    if len(parts) > 1:
        return f"; for a list write '{json.dumps(parts, ensure_ascii=False)}'"
    return ""


def _file(path: str) -> dict[str, object]:
    if not path:
        raise click.BadParameter("write the name of a file after the @")
    suffix = _suffix(path)
    if suffix in _NOT_READ:
        raise click.BadParameter(f"{path}: {_NOT_READ[suffix]}; for its lines write lines:{path}")
    return {_KINDS.get(suffix, "lines"): path}


def _suffix(path: str) -> str:
    """The suffix of a file in lower case, without that of its compression."""
    packed = packed_suffix(path)
    return os.path.splitext(path.lower().removesuffix(packed or ""))[1]


_KINDS = {".jsonl": "jsonl", ".ndjson": "jsonl", ".csv": "csv", ".parquet": "parquet"}
_NOT_READ = {
    ".tsv": r'for rows with tabs between their cells write {"csv": "FILE", "delimiter": "\t"}',
    ".json": "one JSON document is not a list of items by itself; write it as JSON lines (.jsonl)",
    ".sqlite": 'for the rows of a query write {"sqlite": "FILE", "query": "SELECT ..."}',
    ".xlsx": "files of this kind are not read; convert it to CSV",
}


def _json(written: str) -> object:
    try:
        found = as_written(written)
    except NotJson as error:
        hint = f"; for a pattern that begins so write glob:{written}" if glob.has_magic(written) else ""
        raise click.BadParameter(f"is not JSON: {error}{hint}") from error
    if isinstance(found, dict) and not is_source(found):
        raise click.BadParameter(f"a source has one key, of {', '.join(READERS)}; not {written}")
    return found


def _bounds(written: str) -> list[int]:
    try:
        return [int(part) for part in written.split(":")]
    except ValueError:
        raise click.BadParameter(
            f"a range is START:STOP or START:STOP:STEP in whole numbers, not {written!r}"
        ) from None
