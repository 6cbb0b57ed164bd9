"""A line for the shell that is handed several items: they are its positional parameters, ``"$@"``.

How many there are is known only when it runs, so the place cannot be rewritten to variables, as in a line for
one item. ``"$@"`` is a word for each item only outside of quotes; elsewhere ``{}`` is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import click

from batchmill.nodes.placeholders import Placeholder

ALL = '"$@"'
_INSTEAD = "give the command as several words, or write -- sh -c '...' sh {}"
_UNSURE = re.compile(r"<<|\$'")  # text in which quotes mean something else
_BEFORE, _BEHIND = " \t\n;&|(<>", " \t\n;&|)<>`"


def positional(parts: Sequence[str | Placeholder]) -> Iterator[str]:
    """The pieces of the line's text. Raises :class:`click.UsageError` if a ``{}`` is not a separate word."""
    texts = "".join(one for one in parts if isinstance(one, str))
    if any(isinstance(one, Placeholder) for one in parts) and (found := _UNSURE.search(texts)):
        raise click.UsageError(f"with -n {found[0]} cannot stand in a line with {{}}: {_INSTEAD}")
    before = ""
    for place, one in enumerate(parts):
        if isinstance(one, str):
            before += one
            yield one
            continue
        if one.part or one.keys or one.source is not None or one.written in ("{#}", "{%}"):
            raise click.UsageError(f"with -n a line for the shell takes {{}}, not {one.written}: {_INSTEAD}")
        following = parts[place + 1] if place + 1 < len(parts) else ""
        behind = following[:1] if isinstance(following, str) else "{"
        if _in_quotes(before) or (before and before[-1] not in _BEFORE) or (behind and behind not in _BEHIND):
            raise click.UsageError(
                f"with -n {one.written} in a line for the shell must be a word of its own, outside of "
                f"quotes: {_INSTEAD}"
            )
        yield ALL
        before += ALL


def _in_quotes(text: str) -> bool:
    """Whether what follows ``text`` is quoted; in doubt it is."""
    quote = ""
    escaped = False
    for char in text:
        if escaped:
            escaped = False
        elif char == "\\" and quote != "'":
            escaped = True
        elif quote:
            quote = "" if char == quote else quote
        elif char in "'\"":
            quote = char
    return bool(quote) or escaped
