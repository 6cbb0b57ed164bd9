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
    plain = path.removesuffix(".gz")
    for kind in ("jsonl", "csv"):
        if plain.endswith(f".{kind}"):
            return {kind: literal(path)}
    return {"lines": literal(path)}


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
