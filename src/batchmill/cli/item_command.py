"""``-- COMMAND ...``: the words of a command with ``{}`` for the item, as the ``command`` of a shell node.

Several words run without a shell, each as it is. One word is a line for the shell: the item is handed over
beside the text there, so whatever it holds is one word of the command and nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import click

from batchmill.cli.item_source import literal
from batchmill.errors import TemplateSyntaxError
from batchmill.template import review_words

_PLACE = re.compile(r"\{(item(?:\.[\w-]+)*)?\}")  # {}, {item} or {item.key}
AS_IT_IS = " | raw"  # nothing is pasted where there is no shell, and text that is JSON stays the text it is
_AS_ARGUMENT = "hand it over as an argument: -- sh -c 'echo \"$1\"' sh {}; or give the command as one word"


def command_of(words: Sequence[str]) -> str | list[str]:
    """The command of a shell node. A command without a place for the item gets it as its last word.

    Raises :class:`click.UsageError` for a shell that would read the item as part of its program.
    """
    if not any(map(_PLACE.search, words)):
        words = [f"{words[0]} {{}}"] if len(words) == 1 else [*words, "{}"]
    if len(words) == 1:
        return _with_templates(words[0], "")
    command = [_with_templates(word, AS_IT_IS) for word in words]
    try:
        review_words(command, _AS_ARGUMENT)
    except TemplateSyntaxError as error:
        raise click.UsageError(error.message) from None
    return command


def _with_templates(word: str, filters: str) -> str:
    parts = []
    end = 0
    for match in _PLACE.finditer(word):
        parts += [literal(word[end : match.start()]), f"${{{match[1] or 'item'}{filters}}}"]
        end = match.end()
    return "".join([*parts, literal(word[end:])])
