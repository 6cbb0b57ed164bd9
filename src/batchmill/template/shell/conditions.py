"""Tests, ``[ ]`` and ``[[ ]]``: some of their operators calculate with an operand or take it for a name."""

from __future__ import annotations

from collections.abc import Sequence

from batchmill.template.shell.reviewing import RuleReader, demand, refuse
from batchmill.template.shell.words import Check, ValueFlow, Word, identifiers

_COMPARING = frozenset({"-eq", "-ne", "-lt", "-le", "-gt", "-ge"})
_NAMING = frozenset({"-v", "-R"})
_DESCRIPTOR = "-t"
_BETWEEN = _COMPARING | {"=", "==", "!=", "<", ">", "=~", "-nt", "-ot", "-ef"}
_MATCHED = ("BASH_REMATCH", "MATCH", "match")  # what bash and zsh set after =~


def review_test(operands: Sequence[Word], reader: RuleReader, *, double: bool) -> None:
    """Look at the operands of ``[ ]``, or of ``[[ ]]`` where ``double``."""
    texts = [word.text if word.literal else "" for word in operands]
    for place, text in enumerate(texts):
        before, after = operands[max(0, place - 1) : place], operands[place + 1 : place + 2]
        if text in _COMPARING:
            _calculate([*before, *after], reader)
        elif text == _DESCRIPTOR:
            _calculate(after, reader)
        elif text in _NAMING:
            refuse(after, reader, f"{text} would read a value as the name of a variable and its index")
        elif text == "=~":
            for name in _MATCHED:
                reader.flows.add(name, [flow for word in before for flow in word.flows], derived=True)
    if double:
        return
    demand((word for word in operands if word.splits), reader, Check.ONE_WORD)
    if not _well_formed(texts):
        for word in operands:
            if word.slots and word.text.startswith("-"):
                message = "the test could read this as an operator; use one [ ] for each comparison"
                reader.fail(message, word.place)
            demand([word], reader, Check.NO_OPERATOR)


def _calculate(operands: Sequence[Word], reader: RuleReader) -> None:
    demand(operands, reader, Check.INTEGER)
    for word in operands:
        if word.literal:
            reader.flows.demand([ValueFlow(name) for name in identifiers(word.text)], Check.INTEGER)


def _well_formed(texts: list[str]) -> bool:
    """Whether the number of operands alone decides which of them ``[`` takes for operators."""
    if texts and texts[0] == "!":
        texts = texts[1:]
    if len(texts) == 2:
        return texts[0].startswith("-")
    return len(texts) < 2 or (len(texts) == 3 and texts[1] in _BETWEEN)
