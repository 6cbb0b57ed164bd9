"""Evaluation of conditions: comparisons, membership, and ``and``, ``or`` and ``not``.

Values of different kinds are never equal and have no order. All cells of a CSV file are text, so a text that
is a number is a trap: compared with the number it would be, both answers may be wrong. It is an error.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any

from batchmill.errors import ConditionError
from batchmill.template.parts import Comparison, Condition, Junction, Negation, Operand
from batchmill.template.text import LISTS
from batchmill.values import exact_number, is_true
from batchmill.values.words import kind_of

ValueOf = Callable[[Operand], Any]
_ORDERS: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def evaluate(condition: Condition, value_of: ValueOf) -> object:
    """The value of ``condition``: the operand's own value if there is only one, else true or false.
    ``value_of`` resolves operands; those after an ``and`` or ``or`` that is already decided are not resolved.

    Raises :class:`~batchmill.errors.ConditionError` for values that cannot be compared, and the errors of
    ``value_of``.
    """
    if isinstance(condition, Operand):
        return value_of(condition)
    if isinstance(condition, Negation):
        return not is_true(evaluate(condition.of, value_of))
    if isinstance(condition, Junction):
        decided = condition.word == "or"
        return decided is any(is_true(evaluate(one, value_of)) is decided for one in condition.parts)
    return _compared(condition, evaluate(condition.left, value_of), evaluate(condition.right, value_of))


def _compared(comparison: Comparison, left: object, right: object) -> bool:
    word = comparison.operator
    if word in ("in", "not in"):
        return _is_in(left, right) is (word == "in")
    if word in ("==", "!="):
        return _are_equal(left, right) is (word == "==")
    return _in_order(word, left, right)


def _are_equal(left: Any, right: Any) -> bool:
    kind, other = kind_of(left), kind_of(right)
    if kind != other:
        _refuse_number_as_text(left, right)
        _refuse_number_as_text(right, left)
        return False
    if kind == "a list":
        return len(left) == len(right) and all(map(_are_equal, left, right))
    if kind == "an object":
        return left.keys() == right.keys() and all(_are_equal(left[key], right[key]) for key in left)
    return bool(left == right)


def _refuse_number_as_text(text: object, number: object) -> None:
    if not isinstance(text, str) or isinstance(number, bool) or not isinstance(number, (int, float)):
        return
    try:
        same = exact_number(text) == number
    except ValueError:
        return
    if same:
        raise ConditionError(
            f"compares the text {text!r} with the number {number}; write | number behind the text"
        )


def _in_order(word: str, left: Any, right: Any) -> bool:
    kind, other = kind_of(left), kind_of(right)
    if kind != other:
        hint = "; write | number behind the text" if {kind, other} == {"text", "a number"} else ""
        raise ConditionError(f"cannot compare {kind} with {other} by {word}{hint}")
    if kind not in ("a number", "text"):
        raise ConditionError(f"cannot put {kind} in order, as {word} does")
    ordered = _ORDERS[word]
    if kind == "text":
        _refuse_two_orders(left, right, ordered)
    return ordered(left, right)


def _refuse_two_orders(left: str, right: str, ordered: Callable[[Any, Any], bool]) -> None:
    """As text ``9`` comes after ``10``, as a number before it."""
    try:
        by_number = ordered(exact_number(left), exact_number(right))
    except ValueError:
        return
    if by_number != ordered(left, right):
        raise ConditionError(
            f"compares numbers as text: {left!r} and {right!r} have another order as numbers; write | number "
            "behind each, or compare something else"
        )


def _is_in(one: object, holder: object) -> bool:
    """Whether a list has the element, an object the key, or a text the text."""
    if isinstance(holder, LISTS):
        return any(_are_equal(one, each) for each in holder)
    if isinstance(holder, Mapping):
        return isinstance(one, str) and one in holder
    if isinstance(holder, str):
        if isinstance(one, str):
            return one in holder
        raise ConditionError(f"cannot look for {kind_of(one)} in text")
    raise ConditionError(f"`in` needs a list, an object or text behind it, not {kind_of(holder)}")
