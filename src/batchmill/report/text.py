"""Texts of others as a report can hold them: valid Unicode, cut to a length, and on one line where need
be."""

from __future__ import annotations

import json
import re

_CONTROL = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]"
)
_ANSI = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)")

_CODE = re.compile(r"`([^`]+)`")


def valid(text: str) -> str:
    """``text`` with lone surrogates, as names of files may have, written as escapes: the rest of the world
    takes only UTF-8."""
    return text.encode("utf-8", "backslashreplace").decode()


def of_value(value: object) -> str:
    """Plain data as JSON for a reader, with letters of every script as they are."""
    return json.dumps(value, ensure_ascii=False)


def beginning(text: str, most: int) -> str:
    """At most ``most`` characters from the begin of ``text``, an ellipsis where it was cut."""
    text = valid(text)
    return text if len(text) <= most else text[: most - 1] + "…"


def end(text: str, most: int) -> str:
    """At most ``most`` characters from the end of ``text``, an ellipsis where it was cut."""
    text = valid(text)
    return text if len(text) <= most else "…" + text[-(most - 1) :]


def visible(text: str) -> str:
    """``text`` with colours of a terminal removed and other control characters written as escapes such as
    ``\x00``, including those that change the direction of writing. Line ends and tabs stay."""
    if text.isascii() and text.isprintable():
        return text
    return _CONTROL.sub(_escaped, _ANSI.sub("", valid(text).replace("\r\n", "\n")))


def line(text: str, most: int | None = None) -> str:
    """:func:`visible` on one line, cut to ``most`` characters."""
    told = " ".join(visible(text).split())
    return told if most is None else beginning(told, most)


def spans(sentence: str) -> list[tuple[bool, str]]:
    """A sentence of ours in pieces, each with a flag: True for code, which stands between backticks."""
    pieces = _CODE.split(sentence)
    return [(place % 2 == 1, piece) for place, piece in enumerate(pieces) if piece]


def _escaped(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode()
