"""``--items SOURCE``: the short ways to write where items come from, as the ``items`` of a batch block.

====================  ===============================================================
written               is
====================  ===============================================================
``-``                 the lines of standard input
``@FILE``             the lines of a file; of ``.jsonl`` and ``.csv`` files the values and rows
``KIND:VALUE``        a source by its name: ``glob:*.md``, ``range:0:10``, ``stdin:jsonl``
``[...]``, ``{...}``  a list of items, or a source, as in a batch block
anything else         a pattern of file names
====================  ===============================================================
"""

from __future__ import annotations

import os
from typing import Any

import click

from batchmill.batch.readers import READERS
from batchmill.plain import NotJson, from_json


def source_of(written: str) -> Any:
    """The items as a batch block has them. Raises :class:`click.BadParameter`."""
    if written == "-":
        return {"stdin": "lines"}
    if written.startswith("@"):
        return _file(written[1:])
    if written[:1] in ("[", "{"):
        return _json(written)
    kind, colon, value = written.partition(":")
    if colon and kind in READERS:
        return {kind: _bounds(value) if kind == "range" else literal(value)}
    return {"glob": literal(written)}


def literal(value: Any) -> Any:
    """A value of the command line within a document, where ``${`` would begin a template."""
    if isinstance(value, str):
        return value.replace("${", "$${")
    if isinstance(value, list):
        return [literal(one) for one in value]
    if isinstance(value, dict):
        return {key: literal(one) for key, one in value.items()}
    return value


def _file(path: str) -> dict[str, Any]:
    if not path:
        raise click.BadParameter("a file's name belongs behind the @")
    suffix = _suffix(path)
    if suffix in _NOT_READ:
        raise click.BadParameter(f"{path}: {_NOT_READ[suffix]}; for its lines write lines:{path}")
    return {_KINDS.get(suffix, "lines"): literal(path)}


def _suffix(path: str) -> str:
    """The ending that says what is in a file, in small letters, with that of gzip left out."""
    return os.path.splitext(path.lower().removesuffix(".gz"))[1]


_KINDS = {".jsonl": "jsonl", ".ndjson": "jsonl", ".csv": "csv"}
_NOT_READ = {
    ".tsv": "tables with tabs between their cells are not read; convert it to CSV",
    ".json": "one JSON document is no list of items by itself; write it as JSON lines (.jsonl)",
    **dict.fromkeys((".parquet", ".xlsx", ".sqlite"), "files of this kind are not read; convert it to CSV"),
    **dict.fromkeys((".bz2", ".xz", ".zst"), "it is packed in a way that is not read; unpack it"),
}


def _json(written: str) -> Any:
    try:
        return literal(from_json(written))
    except NotJson as error:
        raise click.BadParameter(f"is not JSON: {error}") from error


def _bounds(written: str) -> list[int]:
    try:
        return [int(part) for part in written.split(":")]
    except ValueError:
        raise click.BadParameter(
            f"a range is START:STOP or START:STOP:STEP in whole numbers, not {written!r}"
        ) from None
