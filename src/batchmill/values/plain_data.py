"""Plain JSON out of any Python value: the one rule for how a value is written, wherever that is.

===========================  ==================================================================
value                        becomes
===========================  ==================================================================
dict, other mapping          an object; its keys become what they are as values, as text
list, tuple, other sequence  an array
a list that is not held      such a list, of what its elements become; itself where they are plain
set, frozenset               an array, in order
an array (numpy and others)  an array; of records, one of objects
a table (pandas, polars)     an array of objects, one for each row
bytes, bytearray             text in base64
NaN, infinity, missing       null
a path, a UUID, a Decimal    its text
a date or time               ISO 8601 text; of a length of time too
an enum member               its value
a dataclass                  an object of its fields; a model of pydantic's as well
===========================  ==================================================================

Anything else has no form in JSON, and neither have a key that is a list or an object, two keys of one
object that become the same text, and an integer of more than 4,300 digits.
"""

from __future__ import annotations

import base64
import collections
import dataclasses
import enum
import math
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence, Set, ValuesView
from functools import partial
from typing import Any

from batchmill.errors import BatchmillError
from batchmill.lists import LazyList, MappedList
from batchmill.values.arrays import Unwritable, elements, iso_duration, rows_of
from batchmill.values.places import JsonPath, path_text
from batchmill.values.redaction import shortened

MAX_DEPTH = 200  # levels; the encoder of the standard library gives up somewhat later, and without a place

MAX_DIGITS = 4300  # of an integer; Python reads and writes no more as text

MAX_SHOWN = 1_000  # characters of a value that JSON cannot show

_TOO_LARGE: int = 10**MAX_DIGITS
_CONSTANT_KEYS = {True: "true", False: "false", None: "null"}
_COPIED = frozenset({str, bool, type(None)})
_NESTING = frozenset({dict, list, tuple})
_TEXTS = (("pathlib", "PurePath"), ("uuid", "UUID"), ("decimal", "Decimal"), ("fractions", "Fraction"))
_MISSING = frozenset({"NAType", "NaTType"})  # what pandas has for values that are not there


class NotPlain(BatchmillError):  # named as the errors of the tree are
    """Raised when a value has no form in JSON; ``path`` leads to it. Retrying is pointless."""

    retryable = False

    def __init__(self, message: str, path: JsonPath = ()) -> None:
        super().__init__(message, path)
        self.message = message
        self.path = path

    def __str__(self) -> str:
        return self.message


class _NoForm(Exception):  # never leaves this module
    """Raised for a value without a form in JSON; the message describes it."""


class _TooDeep(_NoForm):
    """Raised for a value nested too deep, perhaps endlessly."""


Odd = Callable[[str, Any], Any]
"""Replaces a value without a form, given the reason and the value."""


def plain(value: object, where: str = "value") -> Any:
    """``value`` as plain JSON data after the table above; what is plain already is not copied deeper
    than its containers. ``where`` names the value in an error. Raises :class:`NotPlain`."""
    try:
        return _plain(value, 0, partial(plain, where=f"{where}[...]"), _refuse)
    except _NoForm as fault:
        path = _way_to_fault(value, fault)
        raise NotPlain(f"{path_text(path, where)} {fault}", path) from None


def shown(value: object) -> object:
    """``value`` as plain data, for code that must not fail: a value without a form in JSON becomes its
    ``repr``, shortened."""
    try:
        return _plain(value, 0, shown, _described)
    except _NoForm:
        return _described("", value)


def noted(value: object, where: str = "value") -> object:
    """``value`` as :func:`shown` gives it, for code that must report the rest: raises :class:`NotPlain` for a
    value that cannot be shown at all, namely a long integer, too deep nesting, or an object whose ``repr``
    raises."""
    try:
        return _plain(value, 0, partial(noted, where=f"{where}[...]"), _represented)
    except _NoForm as fault:
        path = _way_to_fault(value, fault, _represented)
        raise NotPlain(f"{path_text(path, where)} {fault}", path) from None


def nearest(value: object) -> object:
    """The JSON counterpart of ``value``, with its members unchanged; ``value`` itself if it has none."""
    for _ in range(MAX_DEPTH):
        if value is None or isinstance(value, (str, int, float, dict, list, tuple, LazyList)):
            return value
        try:
            value = _one_level(value)
        except _NoForm:
            return value
    return value


def is_true(value: object) -> bool:
    """Whether a value counts as true: null, false, 0 and empty text, lists and objects do not, all else does,
    text such as ``false`` and ``0`` too."""
    number = _is(value, "decimal", "Decimal") or _is(value, "fractions", "Fraction")
    form = value if number else nearest(value)
    return len(form) > 0 if isinstance(form, LazyList) else bool(form)


def _refuse(why: str, value: object) -> object:
    raise _NoForm(why)


def _described(why: str, value: object) -> str:
    try:
        text = repr(value)
    except Exception:  # noqa: BLE001  # whatever an object's own code raises
        text = f"<{type(value).__name__}>"
    return shortened(text, MAX_SHOWN)


def _represented(why: str, value: object) -> str:
    try:
        return shortened(repr(value), MAX_SHOWN)
    except Exception as fault:  # whatever an object's own code raises
        raise _NoForm(why) from fault


def _way_to_fault(value: object, fault: _NoForm, odd: Odd = _refuse) -> JsonPath:
    """Where in ``value`` the first part is of which ``odd`` makes nothing."""
    path: list[str | int] = []
    while not isinstance(fault, _TooDeep):
        for step, part in _parts(value):
            try:
                _plain(part, len(path) + 1, lambda one: one, odd)
            except _NoForm as inner:
                path.append(step)
                value, fault = part, inner
                break
        else:
            break
    return tuple(path)


def _parts(value: Any) -> Iterator[tuple[str | int, Any]]:
    """The members of a value that is written as a container, each with its key or position."""
    for _ in range(MAX_DEPTH):
        if isinstance(value, Mapping):
            yield from ((_key(key, _described), part) for key, part in value.items())
            return
        if type(value) in (list, tuple):
            yield from enumerate(value)
            return
        if value is None or isinstance(value, (str, int, float)):
            return
        try:
            value = _one_level(value)
        except _NoForm:
            return


def _plain(value: Any, depth: int, lazily: Callable[[Any], object], odd: Odd) -> Any:
    """``lazily`` replaces the elements of lists that are read later."""
    kind = type(value)
    if kind is str or kind is bool or value is None:
        return value
    if kind is int:
        return value if -_TOO_LARGE < value < _TOO_LARGE else odd(_long(), value)
    if kind is float:
        return value if math.isfinite(value) else None
    if depth > MAX_DEPTH or (depth == MAX_DEPTH and kind in _NESTING):
        raise _TooDeep(f"holds itself or nests deeper than {MAX_DEPTH} levels, which JSON cannot show")
    if kind is dict:
        return _object(value, depth, lazily, odd)
    if kind is list or kind is tuple:
        if _is_copied(value):
            return list(value)
        return [_plain(member, depth + 1, lazily, odd) for member in value]
    return _converted(value, depth, lazily, odd)


def _is_copied(members: Sequence[Any]) -> bool:
    """Whether all members stay what they are, seen by their types: of long lists most are of one."""
    kinds = set(map(type, members))
    if kinds == {float}:
        return all(map(math.isfinite, members))
    return kinds <= _COPIED or (kinds == {int} and max(members) < _TOO_LARGE and min(members) > -_TOO_LARGE)


def _object(
    value: dict[object, object], depth: int, lazily: Callable[[Any], object], odd: Odd
) -> dict[str, object]:
    made: dict[str, object] = {}
    for key, member in value.items():
        name = key if type(key) is str else _key(key, odd)
        if name in made:
            name = odd(f"has two keys that are {name!r} as text", key)
        made[name] = _plain(member, depth + 1, lazily, odd)
    return made


def _key(key: object, odd: Odd) -> str:
    if key is None or type(key) is bool:
        return _CONSTANT_KEYS[key]
    found = _plain(key, 0, lambda one: one, odd)
    if isinstance(found, (list, dict)):
        return str(odd(f"has a key that is {_name(key)}, which is not text in JSON", key))
    if found is None or isinstance(found, bool):
        return _CONSTANT_KEYS[found]
    return found if isinstance(found, str) else repr(found)


def _converted(value: object, depth: int, lazily: Callable[[Any], object], odd: Odd) -> Any:
    """The rarer kinds; each converts one level and hands its members back to :func:`_plain`."""
    if isinstance(value, LazyList):
        return value if value.plain else MappedList(value, lazily)
    try:
        simpler = _one_level(value)
    except _TooDeep:
        raise
    except _NoForm as fault:
        return odd(str(fault), value)
    if isinstance(value, Set):
        return _in_order([_plain(member, depth + 1, lazily, odd) for member in simpler])
    return _plain(simpler, depth + 1, lazily, odd)


def _one_level(value: object) -> Any:
    """``value`` as one that is nearer to JSON. Raises :class:`_NoForm`."""
    try:
        return _nearer(value)
    except _NoForm:
        raise
    except Unwritable as fault:
        raise _NoForm(f"is {_name(value)} that cannot be written: {fault}") from fault
    except Exception as fault:  # whatever an object's own code raises
        raise _NoForm(f"is {_name(value)} that cannot be read: {type(fault).__name__}: {fault}") from fault


def _nearer(value: object) -> object:
    match value:
        case enum.Enum():
            return value.value
        case str():
            return str.__str__(value)
        case bool() | int():
            return int(value)
        case float():
            return float(value)
        case bytes() | bytearray() | memoryview():
            return base64.b64encode(bytes(value)).decode("ascii")
        case Mapping():
            return dict(value)
        case Set():
            return list(value)
        case collections.UserString():
            return str(value)
    if type(value).__name__ in _MISSING:
        return None
    return _of_library(value)


def _of_library(value: Any) -> object:
    """Of classes of the standard library that most runs never load."""
    if _is(value, "decimal", "Decimal") and not value.is_finite():
        return None
    if any(_is(value, *one) for one in _TEXTS):
        return str(value)
    if _is(value, "datetime", "timedelta"):
        return iso_duration(value)
    if _is(value, "datetime", "date") or _is(value, "datetime", "time"):
        return value.isoformat()
    return _by_shape(value)


def _is(value: object, module: str, name: str) -> bool:
    """Whether ``value`` is an instance of a class, which is impossible while its module is not loaded."""
    loaded = sys.modules.get(module)
    return loaded is not None and isinstance(value, getattr(loaded, name, ()))


def _by_shape(value: object) -> object:
    kind = type(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if not isinstance(value, type):
        for reading in (rows_of, elements, _fields):
            found = reading(value)
            if found is not None and type(found) is not kind:
                return found
    if isinstance(value, (Sequence, ValuesView)):
        return list(value)
    raise _NoForm(f"is {_name(value)}, which has no form in JSON")


def _fields(value: Any) -> object:
    """The fields of a pydantic model."""
    return value.model_dump() if callable(getattr(value, "model_dump", None)) else None


def _name(value: object) -> str:
    """The class of a value with its article, and with its module if that helps."""
    kind = type(value)
    own = kind.__module__ in ("builtins", "__main__")
    name = kind.__name__ if own else f"{kind.__module__}.{kind.__name__}"
    return f"{'an' if name[0] in 'aeiouAEIOU' else 'a'} {name}"


def _in_order(members: list[object]) -> list[Any]:
    """Plain members of a set. Those of several kinds have no order of their own; their ``repr`` gives a
    stable one."""
    try:
        return sorted(members)
    except TypeError:
        return sorted(members, key=repr)


def _long() -> str:
    return f"is an integer of more than {MAX_DIGITS:,} digits"
