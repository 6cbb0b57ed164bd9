"""``-- COMMAND ...``: the words of a command with ``{}`` for the item, as the ``command`` of a shell node.

Several words run without a shell, each as it is. One word is a line for the shell: the item is handed over
beside the text there, so whatever it holds is one word of the command and nothing else.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence

import click

from batchmill.cli.item_source import literal

_PLACE = re.compile(r"\{(item(?:\.[\w-]+)*)?\}")  # {}, {item} or {item.key}
AS_IT_IS = " | raw"  # nothing is pasted where there is no shell, and text that is JSON stays the text it is
_SHELLS = frozenset({"sh", "bash", "dash", "zsh", "ksh", "fish"})


def command_of(words: Sequence[str]) -> str | list[str]:
    """The command of a shell node. A command without a place for the item gets it as its last word.

    Raises :class:`click.UsageError` for a shell that would read the item as part of its program.
    """
    if not any(map(_PLACE.search, words)):
        words = [f"{words[0]} {{}}"] if len(words) == 1 else [*words, "{}"]
    if len(words) == 1:
        return _with_templates(words[0], "")
    _refuse_pasting(words)
    return [_with_templates(word, AS_IT_IS) for word in words]


def _with_templates(word: str, filters: str) -> str:
    parts = []
    end = 0
    for match in _PLACE.finditer(word):
        parts += [literal(word[end : match.start()]), f"${{{match[1] or 'item'}{filters}}}"]
        end = match.end()
    return "".join([*parts, literal(word[end:])])


def _refuse_pasting(words: Sequence[str]) -> None:
    """``sh -c 'wc {}'``: what the item holds would be run."""
    if os.path.basename(words[0]) not in _SHELLS or "-c" not in words[:-1]:
        return
    program = words[words.index("-c") + 1]
    if _PLACE.search(program):
        raise click.UsageError(
            f"{words[0]} -c would run what the item holds; give the command as one word, "
            f"-- {program!r}, or the item as an argument, -- {words[0]} -c '... \"$1\"' {words[0]} {{}}"
        )
