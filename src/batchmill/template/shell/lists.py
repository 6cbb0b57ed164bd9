"""Lists in a command: ``cat ${files[*]}`` passes each element as an argument of its own.

The number of elements is known only when the command is resolved, so the words after a list have no fixed
place. Some rules decide by its place what a word means to a program. They are therefore applied to the
command with zero, one, two and three elements, and values get the checks of all four.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from batchmill.template.shell import program_texts
from batchmill.template.shell.programs import rule_of
from batchmill.template.shell.reviewing import RuleReader, demand
from batchmill.template.shell.shells import FIND_ACTIONS, SHELLS, STARTING, operand_of_shell
from batchmill.template.shell.words import Check, ValuePlace, Word
from batchmill.template.text import LISTS, check_length, to_text

_COUNTS = (0, 2, 3)
_PROGRAM = re.compile(r"[A-Za-z_./][\w./+-]*")


def texts_of(value: object) -> list[str]:
    """The arguments that ``value`` gives: one for each element of a list, else one."""
    if not isinstance(value, LISTS):
        return [to_text(value)]
    texts, length = [], 0
    for element in value:
        texts.append(to_text(element))
        length += len(texts[-1]) + 1
        check_length(length)
    return texts


def other_counts(lists: Sequence[int]) -> Iterator[Mapping[int, int]]:
    """The numbers of elements, besides one each, that the values at the places ``lists`` may have."""
    for count in _COUNTS:
        for place in lists:
            yield {place: count}
        if len(lists) > 1:
            yield dict.fromkeys(lists, count)


def take_checks(slots: Sequence[ValuePlace], others: Sequence[ValuePlace], places: Sequence[int]) -> None:
    """Add to ``slots`` the checks of ``others``, from the same command with another number of elements;
    ``places`` maps each of these to its expression."""
    for slot in slots:
        for other in others:
            if places[other.expression] == slot.expression:
                slot.checks |= other.checks


def review_lists(words: list[Word], reader: RuleReader) -> None:
    """Check the lists in a command whose program may interpret an element as more than an argument."""
    for place, word in enumerate(words):
        if not word.several:
            continue
        if place == 0:
            reader.fail("a list gives arguments only; write the name of the program before it", word.place)
        if words[0].program in ("[", "test"):
            reader.fail("a list cannot stand in a test: the number of its words is not known", word.place)
        if words[0].program in STARTING:
            _started(words, place, reader)
        if any(_may_be_option(words, known, place) for known in range(place)):
            demand([word], reader, Check.NO_OPTION)


def _started(words: list[Word], place: int, reader: RuleReader) -> None:
    """A program that starts another one must not take an element for the other's name."""
    first = 1
    if words[0].program == "find":
        first = next((at for at in range(1, place) if words[at].text in FIND_ACTIONS), 0) + 1
        if first == 1:
            demand([words[place]], reader, Check.NO_OPTION)
            demand([words[place]], reader, Check.NO_OPERATOR)
            return
    if not any(word.literal and _PROGRAM.fullmatch(word.text) for word in words[first:place]):
        reader.fail(
            f"{words[0].text} could read an element of the list as the program to start; write that "
            "program before the list",
            words[place].place,
        )


def _may_be_option(words: list[Word], known: int, place: int) -> bool:
    """Whether ``words[known]`` is a program that takes some options for code, and ``place`` may be one."""
    program = words[known]
    if known and words[0].program not in STARTING:
        return False
    if not program.literal:
        return known == 0 and all(word.text.startswith("-") for word in words[1:place])
    if program.program in SHELLS:
        return place <= operand_of_shell(words, known + 1)[1]
    language = program_texts.words_of_language(words[known:])
    if language is not None:
        return any(word is words[place] for word in language)
    risky = program.program not in STARTING and rule_of(program.program) is not None
    return risky and not any(word.text == "--" for word in words[known:place])
