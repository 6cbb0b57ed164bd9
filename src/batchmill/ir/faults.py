"""Faults, which are problems with a path but no line so far, and the form of paths and values in messages."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice

from batchmill.values.places import JsonPath, path_text
from batchmill.values.words import kind_of

__all__ = ["DocumentPath", "Fault", "any_of", "did_you_mean", "path_text", "shown"]

DocumentPath = JsonPath

_LONGEST_VALUE = 40
_MOST_CHOICES = 500  # comparing is slow, and a document may have a fault in each of its nodes


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault at ``path``; ``on_key`` says that the key is at fault, not its value."""

    path: DocumentPath
    message: str
    hint: str = ""
    on_key: bool = False


@dataclass(frozen=True, slots=True)
class Doubt:
    """Something allowed that is probably unintended; ``code`` is the code of the warning it becomes."""

    code: str
    fault: Fault


def shown(value: object) -> str:
    """A value of a document for a message: short JSON text, or its kind where that would be long."""
    if isinstance(value, (dict, list)):
        return kind_of(value)
    try:
        text = json.dumps(value, ensure_ascii=not _printable(value))
    except (TypeError, ValueError):
        return kind_of(value)
    return text if len(text) <= _LONGEST_VALUE else text[: _LONGEST_VALUE - 3] + "..."


def _printable(value: object) -> bool:
    return not isinstance(value, str) or value.isprintable()


def did_you_mean(word: str, choices: Iterable[str]) -> str:
    """``did you mean `thread`?``; empty if no choice is close or there are too many to compare."""
    from difflib import get_close_matches  # needed on a mistake only

    few = list(islice(choices, _MOST_CHOICES + 1))
    if len(few) > _MOST_CHOICES:
        return ""
    by_lower = {choice.lower(): choice for choice in few}
    near = get_close_matches(word.lower()[:100], list(by_lower), n=1, cutoff=0.6)
    return f"did you mean `{by_lower[near[0]]}`?" if near else ""


def any_of(choices: Iterable[str]) -> str:
    """```a`, `b` or `c```, for a message about one of them."""
    return _joined(choices, "or")


def all_of(names: Iterable[str]) -> str:
    """```a`, `b` and `c```, for a message that lists them."""
    return _joined(names, "and")


def _joined(names: Iterable[str], last: str) -> str:
    quoted = [f"`{name}`" for name in names]
    if len(quoted) < 2:
        return "".join(quoted)
    return ", ".join(quoted[:-1]) + f" {last} {quoted[-1]}"


@lru_cache(maxsize=256)  # each item of a batch asks
def misspelt_function(path: str) -> str | None:
    """The fault of the name of a function; None if it has none."""
    module_name, colon, attribute = path.partition(":")
    names = [*module_name.split("."), *attribute.split(".")]
    if colon and all(name.isidentifier() for name in names):
        return None
    hint = ""
    if not colon and "." in path:
        hint = f"; did you mean {':'.join(path.rsplit('.', 1))!r}?"
    return f"a function is written package.module:name, not {path!r}{hint}"
