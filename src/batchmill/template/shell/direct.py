"""Commands that do the same with and without a shell. They run without one, at half the cost.

Such a command consists of plain words, quotes and templates. Its first word is written out and names a
program that is no special builtin of any shell. A character outside quotes that is special to any shell rules
it out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from batchmill.template.parts import Expression, Template
from batchmill.template.shell.words import MARK, names

# A bare stretch of a word, or one in quotes within which no shell finds anything; MARK is a template.
_STRETCH = re.compile(r"[A-Za-z0-9_./:@%+,=\0-]+|'[^']*'|\"[^\"$`\\!]*\"")
_ENDS = ("", " ", "\t")
_BLANKS = re.compile(r"[ \t]*")

# Builtins and keywords of dash, bash, zsh, mksh, ksh93 and busybox. Builtins that exist only for speed (true,
# false, sleep, cat, ...) are left out.
_BUILT_IN = names(
    ". : [ alias always autoload bg bind bindkey break builtin bye caller case cd chdir coproc command "
    "compgen complete compopt continue declare dirs disable disown do done echo echotc echoti elif else "
    "emulate enable end enum esac eval exec exit export fc fg fi float for foreach function functions "
    "getln getopts global hash help hist history if in integer jobs kill let limit local log logout "
    "mapfile mknod nameref newgrp nocorrect noglob popd print printf private pushd pushln pwd r read "
    "readarray readonly rehash rename repeat return sched select set setopt shift shopt source stop "
    "suspend test then time times trap ttyctl type typeset ulimit umask unalias unfunction unhash "
    "unlimit unset unsetopt until vared wait whence where which while zcompile zformat zle zmodload "
    "zparseopts zregexparse zstyle"
)

Words = list[list[str | int] | int]
Places = Mapping[tuple[str, bool], int]


def direct_words(template: Template, places: Places) -> Words | None:
    """The words of a command that needs no shell, or ``None``.

    A word is a list of texts and of numbers: the places of values, by the text of their expression and
    whether they are lists. A word that is a list, and so several arguments, is the number alone.
    """
    source = "".join(part if isinstance(part, str) else MARK for part in template.parts)
    expressions = list(template.expressions)
    if any(expression.raw for expression in expressions):
        return None
    words: Words = []
    at = 0
    while at < len(source):
        word: list[str | int] | int = []
        if expressions and expressions[0].several and source[at] == MARK and source[at + 1 : at + 2] in _ENDS:
            word, at = places[expressions.pop(0).text, True], at + 1
        while not isinstance(word, int) and (found := _STRETCH.match(source, at)):
            at = found.end()
            text = found.group()
            word.extend(_filled(text[1:-1] if text[0] in "'\"" else text, expressions, places))
        blanks = _BLANKS.match(source, at)
        following = blanks.end() if blanks else at
        if word != [] or following == at:
            words.append(word)
        if following == at and at < len(source):
            return None
        at = following
    return words if _is_direct(words, source) else None


def _filled(text: str, expressions: list[Expression], places: Places) -> list[str | int]:
    """``text`` with its marks replaced by the places of the next expressions, which are taken off."""
    texts = text.split(MARK)
    # A list that a sign of the shell ends is in no place of a text; that sign rules the command out.
    filled: list[str | int] = [texts[0]]
    for following in texts[1:]:
        filled += [places.get((expressions.pop(0).text, False), 0), following]
    return filled


def _is_direct(words: Words, source: str) -> bool:
    first = words[0] if words else 0
    if isinstance(first, int) or any(isinstance(part, int) for part in first):
        return False
    program = "".join(map(str, first))
    assignment = "=" in program
    expanded = re.search(r"(?:^|[ \t])=", source) is not None  # =program is a path to zsh
    return bool(program) and not assignment and not expanded and program not in _BUILT_IN
