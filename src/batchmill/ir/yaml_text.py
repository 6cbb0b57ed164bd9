"""YAML read as another way to write JSON: same types, same keys, and the place of every value.

The text is read event by event, never by a loader that builds Python objects. Plain words follow
YAML 1.2: only ``true`` and ``false`` are booleans, dates and ``on`` or ``no`` stay text. Merge keys
(``<<: *base``) of YAML 1.1 are read as well.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from batchmill.ir.faults import DocumentPath, Fault
from batchmill.ir.positions import TextPlace
from batchmill.ir.screening import Unwalkable
from batchmill.values import MAX_DEPTH, MAX_DIGITS, exact_float
from batchmill.values.scanning import Position

_NULL = re.compile(r"null|Null|NULL|~|")
_TRUE = re.compile(r"true|True|TRUE")
_FALSE = re.compile(r"false|False|FALSE")
_INTEGER = re.compile(r"[-+]?[0-9]+")
_HEX_OR_OCTAL = re.compile(r"0x[0-9a-fA-F]+|0o[0-7]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_FIRST = frozenset(["", *"nN~tTfF+-.0123456789"])  # what every word that is no text begins with
_HASH = re.compile(r"[0-9]{3,}[eE][0-9]+")
_MERGE = "<<"
_MOST_MERGED = 1_000_000  # keys, in a whole text: a chain of merges copies ever more
_TAG = "tag:yaml.org,2002:"
_SCALAR_TAGS = ("str", "int", "float", "bool", "null")


class OddNumber(NamedTuple):
    """A number whose text differs from its value: ``3.10``, ``007``. ``path`` is its place."""

    path: DocumentPath
    written: str
    value: int | float


class YamlError(Exception):
    """Raised inside ``ir`` for a text that is not YAML, or YAML with features that are not supported."""

    def __init__(self, message: str, position: Position, path: DocumentPath = ()) -> None:
        super().__init__(message)
        self.message = message
        self.position = position
        self.path = path


@dataclass(slots=True)
class YamlDocument:
    """A parsed text: the value, the place of every value in it, faults that do not stop reading, and numbers
    that may be unintended."""

    value: Any = None
    places: dict[DocumentPath, TextPlace] = field(default_factory=dict)
    faults: list[tuple[Fault, Position]] = field(default_factory=list)
    odd_numbers: list[OddNumber] = field(default_factory=list)


def read_yaml(text: str) -> YamlDocument:
    """Read one YAML document. Raises :class:`YamlError`, and Unwalkable if it is nested too deep."""
    import yaml  # heavy, and a JSON document does not need it

    loader = getattr(yaml, "CLoader", yaml.Loader)  # libyaml is not there on every interpreter
    try:
        return _Builder(iter(yaml.parse(text, Loader=loader))).document()
    except yaml.reader.ReaderError as error:
        raise YamlError(f"holds a character that YAML does not allow: {error.reason}", (0, 0)) from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        position = (mark.line + 1, mark.column + 1) if mark else (0, 0)
        raise YamlError(f"is not YAML: {error.problem or error.context}", position) from error


@dataclass(slots=True)
class _Open:
    """A container while it is filled. In a mapping, ``key`` is the name of the next value, and ``merges``
    says to merge that value. ``merged`` are the mappings that supply keys it lacks, in order of precedence;
    None if there are none."""

    value: dict[str, Any] | list[Any]
    path: DocumentPath
    anchor: str | None
    key: str | None = None
    key_position: Position = (0, 0)
    merges: bool = False
    merged: list[dict[str, object]] | None = None


class _Builder:
    def __init__(self, events: Iterator[object]) -> None:
        self._events = events
        self._out = YamlDocument()
        self._stack: list[_Open] = []
        self._anchors: dict[str, object] = {}
        self._n_merged = 0

    def document(self) -> YamlDocument:
        steps = {
            "ScalarEvent": self._scalar,
            "AliasEvent": self._alias,
            "SequenceStartEvent": self._start,
            "MappingStartEvent": self._start,
            "SequenceEndEvent": self._end,
            "MappingEndEvent": self._end,
        }
        n_documents = 0
        for event in self._events:
            name = type(event).__name__
            n_documents += name == "DocumentStartEvent"
            if n_documents > 1:
                raise YamlError("a second YAML document begins", _at(event))
            if name in steps:
                steps[name](event)
        return self._out

    def _scalar(self, event: Any) -> None:
        if self._awaits_key():
            self._key(event)
            return
        path = self._note(event)
        value = self._scalar_value(event, path)
        self._anchor(event.anchor, value)
        self._put(value)

    def _scalar_value(self, event: Any, path: DocumentPath) -> Any:
        tag = (event.tag or "").removeprefix(_TAG)
        if tag not in ("", "!", *_SCALAR_TAGS):
            raise YamlError(f"the tag {event.tag!r} is not read here", _at(event), path)
        if tag in ("!", "str") or (not tag and not event.implicit[0]):
            return event.value
        try:
            value = plain_value(event.value)
        except ValueError as error:
            self._out.faults.append((Fault(path, str(error)), _at(event)))
            return None
        if tag and not _has_tag(value, tag):
            raise YamlError(f"{event.value!r} is not what its tag !!{tag} says", _at(event), path)
        if not tag and _says_more(event.value, value):
            self._out.odd_numbers.append(OddNumber(path, event.value, value))
        return value

    def _alias(self, event: Any) -> None:
        if self._awaits_key():
            raise YamlError("an alias cannot be a key", _at(event), self._stack[-1].path)
        path = self._note(event)
        if event.anchor not in self._anchors:
            raise YamlError(f"*{event.anchor} is used before its anchor", _at(event), path)
        self._put(self._anchors[event.anchor])

    def _start(self, event: Any) -> None:
        if self._awaits_key():
            raise YamlError("a key must be text", _at(event), self._stack[-1].path)
        path = self._note(event)
        is_list = type(event).__name__ == "SequenceStartEvent"
        tag = (event.tag or "").removeprefix(_TAG)
        if tag not in ("", "!", "seq" if is_list else "map"):
            raise YamlError(f"the tag {event.tag!r} is not read here", _at(event), path)
        if len(self._stack) >= MAX_DEPTH:
            raise Unwalkable(Fault(path, f"is nested deeper than {MAX_DEPTH} levels", "flatten the document"))
        self._stack.append(_Open([] if is_list else {}, path, event.anchor))

    def _end(self, event: object) -> None:
        done = self._stack.pop()
        if done.merged and isinstance(done.value, dict):
            self._merge(done.value, done.merged, done)
        self._anchor(done.anchor, done.value)
        self._put(done.value)

    def _awaits_key(self) -> bool:
        return bool(self._stack) and isinstance(self._stack[-1].value, dict) and self._stack[-1].key is None

    def _key(self, event: Any) -> None:
        top = self._stack[-1]
        if event.implicit[0] and _plain_or_none(event.value) != event.value:
            words = f"the key {event.value} is not text"
            self._out.faults.append((Fault(top.path, words, "put it in quotes"), _at(event)))
        self._anchor(event.anchor, event.value)
        top.key, top.key_position = event.value, _at(event)
        top.merges = event.value == _MERGE and event.implicit[0]
        if event.value in top.value or (top.merges and top.merged is not None):
            path = (*top.path, event.value)
            self._out.faults.append((Fault(path, "stands twice in its object", on_key=True), _at(event)))

    def _note(self, event: object) -> DocumentPath:
        """Note the place of the value that begins with ``event``; returns its path."""
        at = _at(event)
        if not self._stack:
            path: DocumentPath = ()
            self._out.places[path] = TextPlace(at, at)
            return path
        top = self._stack[-1]
        if isinstance(top.value, list):
            path = (*top.path, len(top.value))
            self._out.places[path] = TextPlace(at, at)
        else:
            path = (*top.path, top.key or "")
            self._out.places[path] = TextPlace(at, top.key_position)
        return path

    def _put(self, value: object) -> None:
        if not self._stack:
            self._out.value = value
            return
        top = self._stack[-1]
        if isinstance(top.value, list):
            top.value.append(value)
        elif top.merges:
            self._take_merged(top, value)
            top.key = None
        else:
            top.value[top.key or ""] = value
            top.key = None

    def _take_merged(self, top: _Open, value: Any) -> None:
        """Record a value to merge into a mapping: a mapping, or a list of mappings."""
        found = value if isinstance(value, list) else [value]
        if all(isinstance(one, dict) for one in found):
            top.merged = list({id(one): one for one in found}.values())
            return
        top.merged = []
        fault = Fault(top.path, "`<<` takes an object, or a list of objects", "merge with `<<: *anchor`")
        self._out.faults.append((fault, top.key_position))

    def _merge(self, value: dict[str, object], merged: list[dict[str, object]], done: _Open) -> None:
        """Give a mapping the keys of those merged into it, before its own."""
        own = dict(value)
        value.clear()
        for one in reversed(merged):
            self._n_merged += len(one)
            if self._n_merged > _MOST_MERGED:
                raise YamlError(f"merges more than {_MOST_MERGED:,} keys", done.key_position, done.path)
            value.update(one)
        at = self._out.places[(*done.path, _MERGE)]
        for key in value.keys() - own.keys():
            self._out.places[(*done.path, key)] = at
        value.update(own)

    def _anchor(self, name: str | None, value: object) -> None:
        if name is not None:
            self._anchors[name] = value


def _at(event: Any) -> Position:
    return event.start_mark.line + 1, event.start_mark.column + 1


def plain_value(text: str) -> Any:
    """The value of an unquoted word. Raises ValueError for a number that JSON does not have, or that would
    lose digits."""
    if text[:1] not in _FIRST:
        return text
    if _NULL.fullmatch(text):
        return None
    if _TRUE.fullmatch(text) or _FALSE.fullmatch(text):
        return text[0] in "tT"
    if _NOT_FINITE.fullmatch(text):
        raise ValueError("must be a finite number: JSON has no NaN or Infinity")
    if _INTEGER.fullmatch(text) or _HEX_OR_OCTAL.fullmatch(text):
        if len(text) > MAX_DIGITS:
            raise ValueError(f"has more than {MAX_DIGITS:,} digits")
        return int(text, 0) if _HEX_OR_OCTAL.fullmatch(text) else int(text)
    return exact_float(text) if _FLOAT.fullmatch(text) else text


def _says_more(text: str, value: object) -> bool:
    """Whether a plain word that was read as a number may have been meant as text, as a part of it is lost:
    a plus, zeros in front (a zip code), zeros at the end of a fraction (a version), an ``e`` among
    digits (a hash)."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or _HEX_OR_OCTAL.fullmatch(text):
        return False
    if text.startswith("+") or _HASH.fullmatch(text):
        return True
    whole, _, fraction = text.lower().partition("e")[0].lstrip("-").partition(".")
    return (len(whole) > 1 and whole[0] == "0") or (len(fraction) > 1 and fraction[-1] == "0")


def _plain_or_none(text: str) -> object:
    try:
        return plain_value(text)
    except ValueError:
        return None


def _has_tag(value: object, tag: str) -> bool:
    if tag == "null":
        return value is None
    if tag == "bool":
        return isinstance(value, bool)
    numbers = (int, float) if tag == "float" else (int,)
    return isinstance(value, numbers) and not isinstance(value, bool)
