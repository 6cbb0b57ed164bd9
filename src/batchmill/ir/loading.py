"""Loading a file or an object into a :class:`Draft`: the document as plain JSON with the places of its
values."""

from __future__ import annotations

import codecs
import copy
import json
import marshal
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from batchmill.errors import InvalidDocument, Problem, StorageError
from batchmill.ir.faults import DocumentPath, Doubt, Fault, all_of, did_you_mean, path_text
from batchmill.ir.positions import (
    NOWHERE,
    JsonPositions,
    KnownPositions,
    NoPositions,
    PlaceFinder,
    TextPlace,
)
from batchmill.ir.quick_screening import no_collection, reads_clean
from batchmill.ir.screening import Unwalkable, screen
from batchmill.ir.yaml_text import OddNumber, YamlError, read_yaml
from batchmill.values import MAX_DIGITS, NotJson, exact_float
from batchmill.values.reader import faults_in, syntax_fault
from batchmill.values.scanning import Position
from batchmill.values.words import kind_of
from batchmill.warned import Warned

MAX_JSON_BYTES = 64 * 2**20
MAX_YAML_BYTES = 4 * 2**20
"""YAML is read some thirty times slower than JSON."""

STDIN_NAME = "standard input"
"""The name in messages of a document from standard input."""

_YAML_SUFFIXES = (".yaml", ".yml")


@dataclass(frozen=True, slots=True)
class Draft:
    """A document that was read but not checked.

    ``raw`` is plain JSON. ``source`` is its name in messages; ``folder`` is the file's folder, or the current
    one for an object. ``faults`` are faults of reading that do not prevent checking the rest, each with its
    place. ``odd_numbers`` are numbers whose text differs from their value. ``from_stdin`` says that the text
    came from standard input, which is then used up.
    """

    raw: Any
    source: str = "document"
    folder: Path = Path()
    faults: tuple[tuple[Fault, Position], ...] = ()
    positions: PlaceFinder = field(default_factory=NoPositions)
    odd_numbers: tuple[OddNumber, ...] = ()
    from_stdin: bool = False

    @property
    def is_file(self) -> bool:
        """Whether the document was read from a file; then ``source`` is the path."""
        return not (self.from_stdin or isinstance(self.positions, NoPositions))

    def problems(self, faults: Iterable[Fault]) -> tuple[Problem, ...]:
        """These faults and those of reading as problems with their places, in text order."""
        placed = list(self.faults)
        no_value = {fault.path for fault, _ in placed if not fault.on_key}
        new = [fault for fault in dict.fromkeys(faults) if fault.on_key or fault.path not in no_value]
        placed += zip(new, self._positions_of(new), strict=True)
        placed.sort(key=lambda pair: pair[1])
        return tuple(_problem(fault, position) for fault, position in placed)

    def warnings(self, doubts: Iterable[Doubt]) -> tuple[Warned, ...]:
        """The doubts as warnings with their places, in text order."""
        every = list(dict.fromkeys(doubts))
        placed = zip(every, self._positions_of([doubt.fault for doubt in every]), strict=True)
        return tuple(
            Warned(doubt.code, doubt.fault.message, doubt.fault.hint, path_text(doubt.fault.path), *position)
            for doubt, position in sorted(placed, key=lambda pair: pair[1])
        )

    def _positions_of(self, faults: Sequence[Fault]) -> list[Position]:
        places = self.positions.find({prefix for fault in faults for prefix in _prefixes(fault.path)})
        return [_place(fault, places) for fault in faults]


def load(source: str | Path | dict[str, object] | Draft) -> Draft:
    """Read a document from a ``.json``, ``.yaml`` or ``.yml`` file, or take one as a dictionary. A loaded
    document is returned unchanged.

    A file with any other name is read as JSON. Raises :class:`InvalidDocument` if the source is no document,
    and :class:`StorageError` if the file cannot be read.
    """
    if isinstance(source, Draft):
        return source
    if isinstance(source, Mapping):
        return _from_object(source if isinstance(source, dict) else dict(source))
    path = _path_of(source)
    text = _read_text(path, MAX_YAML_BYTES if _is_yaml(path) else MAX_JSON_BYTES)
    if not text.strip():
        raise _invalid(str(path), Fault((), "the file is empty", "write a document with `nodes`"))
    return _from_yaml(text, path) if _is_yaml(path) else _from_json(text, path)


def load_stdin(content: bytes) -> Draft:
    """Load a document from the text of standard input: JSON if it begins with ``{`` or ``[``, else YAML.

    Its paths are relative to the current folder. Raises :class:`InvalidDocument`.
    """
    if len(content) > MAX_JSON_BYTES:
        raise _too_large(STDIN_NAME, MAX_JSON_BYTES)
    text = _decode(content, STDIN_NAME)
    if not text.strip():
        raise _invalid(STDIN_NAME, Fault((), "is empty", "pipe a document in: ... | batchmill run -"))
    path = Path(STDIN_NAME)
    if text.lstrip().startswith(("{", "[")):
        draft = _from_json(text, path)
    elif len(content) > MAX_YAML_BYTES:
        raise _too_large(STDIN_NAME, MAX_YAML_BYTES)
    else:
        draft = _from_yaml(text, path)
    return replace(draft, from_stdin=True)


def _path_of(source: object) -> Path:
    if not isinstance(source, (str, os.PathLike)) or not isinstance(os.fspath(source), str):
        raise _invalid(
            "document", Fault((), f"is given by a path or as a dictionary, not as {kind_of(source)}")
        )
    text = os.fspath(source)
    if not text.strip():
        raise _invalid("document", Fault((), "the path of the document is empty"))
    if "\n" in text or text.lstrip().startswith("{"):
        hint = "give its path, or read it: json.loads(text)"
        raise _invalid("document", Fault((), "this is the text of a document, not its path", hint))
    return Path(text)


def _is_yaml(path: Path) -> bool:
    return path.suffix.lower() in _YAML_SUFFIXES


def _from_object(document: dict[str, object]) -> Draft:
    try:
        faults = screen(document)
    except Unwalkable as error:
        raise _invalid("document", error.fault) from None
    raw = document if faults else _copied(document)  # what is not JSON may not be copyable either
    return Draft(raw, faults=tuple((fault, NOWHERE) for fault in faults))


def _copied(document: dict[str, object]) -> object:
    try:
        return marshal.loads(marshal.dumps(document))  # noqa: S302  # our own bytes; ten times as fast
    except ValueError:  # classes that derive from those of plain data
        return copy.deepcopy(document)


def _read_text(path: Path, most: int) -> str:
    name = str(path)
    try:
        with path.open("rb") as file:
            content = file.read(most + 1)
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError, ValueError) as error:
        if isinstance(error, FileNotFoundError):
            raise _invalid(name, Fault((), "there is no such file", _near(path))) from None
        raise _invalid(name, Fault((), _reason(error))) from None
    except OSError as error:
        raise StorageError(f"{name} cannot be read: {_reason(error)}") from error
    if len(content) > most:
        raise _too_large(name, most)
    return _decode(content, name)


def _near(path: Path) -> str:
    """A hint: a document beside ``path`` with nearly the same name."""
    try:
        there = sorted(one.name for one in path.parent.iterdir())
    except OSError:
        return ""
    names = [name for name in there if name.lower().endswith((*_YAML_SUFFIXES, ".json"))]
    close = did_you_mean(path.name, names)
    return close or (f"there are {all_of(names[:5])}" if names else "")


def _too_large(name: str, most: int) -> InvalidDocument:
    message = f"the document is larger than {most // 2**20} MiB"
    return _invalid(name, Fault((), message, "read items from a file of their own"))


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def _decode(content: bytes, name: str) -> str:
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise _invalid(name, Fault((), "the text is UTF-16", "save it as UTF-8"))
    content = content.removeprefix(codecs.BOM_UTF8)
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        before = content[: error.start].decode()
        position = (before.count("\n") + 1, len(before) - before.rfind("\n"))
        message = f"byte 0x{content[error.start]:02x} is not UTF-8"
        raise _invalid(name, Fault((), message, "save the file as UTF-8"), position) from None


def _from_json(text: str, path: Path) -> Draft:
    reading = _JsonReading(text)
    try:
        with no_collection():
            raw = reading.value()
        faults = [] if reads_clean(raw, text) else screen(raw)
    except NotJson as error:
        fault = Fault((), f"is not JSON: {error.message}", error.hint)
        raise _invalid(str(path), fault, (error.line, error.column)) from None
    except RecursionError:
        raise _invalid(
            str(path), Fault((), "is nested too deep to be read", "flatten the document")
        ) from None
    except Unwalkable as error:
        position = _place(error.fault, reading.positions.find([error.fault.path]))
        raise _invalid(str(path), error.fault, position) from None
    places = reading.positions.find([fault.path for fault in faults])
    found = [(fault, _place(fault, places)) for fault in faults] + reading.faults()
    return Draft(raw, str(path), path.parent, tuple(found), reading.positions)


class _JsonReading:
    """One reading of a JSON text, by the rules of :mod:`batchmill.values.reader`. Refused keys and numbers
    are recorded, so the rest can still be checked; their places are found on demand."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._refused = False
        self.positions = JsonPositions(text)

    def value(self) -> Any:
        """Raises :class:`NotJson`, RecursionError."""
        refused: list[None] = []

        def made(
            pairs: list[tuple[str, object]],
        ) -> dict[str, object]:  # called for every object: no attributes
            read = dict(pairs)
            if len(read) != len(pairs):
                refused.append(None)
            return read

        def constant(word: str) -> float:
            refused.append(None)
            return 0.0

        hooks: dict[str, Any] = {"object_pairs_hook": made, "parse_constant": constant}
        try:
            return json.loads(self._text, parse_float=exact_float, **hooks)
        except json.JSONDecodeError as error:
            raise syntax_fault(error) from None
        except ValueError:  # a number that would not be the one that was written
            refused.append(None)
            return json.loads(self._text, parse_int=_integer, parse_float=_float, **hooks)
        finally:
            self._refused = bool(refused)

    def faults(self) -> list[tuple[Fault, Position]]:
        if not self._refused:
            return []
        return [
            (Fault(path, words, "keep one" if on_key else "", on_key=on_key), place)
            for path, place, words, on_key in faults_in(self._text)
        ]


def _integer(digits: str) -> int:
    return int(digits) if len(digits) <= MAX_DIGITS else 0


def _float(digits: str) -> float:
    value = float(digits)
    return value if math.isfinite(value) else 0.0


def _from_yaml(text: str, path: Path) -> Draft:
    try:
        document = read_yaml(text)
        faults = screen(document.value)
    except YamlError as error:
        raise _invalid(str(path), Fault(error.path, error.message), error.position) from None
    except Unwalkable as error:
        raise _invalid(str(path), error.fault) from None
    positions = KnownPositions(document.places)
    places = positions.find({prefix for fault in faults for prefix in _prefixes(fault.path)})
    found = document.faults + [(fault, _place(fault, places)) for fault in faults]
    odd = tuple(document.odd_numbers)
    return Draft(document.value, str(path), path.parent, tuple(found), positions, odd)


def _prefixes(path: DocumentPath) -> list[DocumentPath]:
    return [path[:length] for length in range(len(path), -1, -1)]


def _place(fault: Fault, places: dict[DocumentPath, TextPlace]) -> Position:
    for prefix in _prefixes(fault.path):
        if prefix in places:
            place = places[prefix]
            return place.key if fault.on_key and prefix == fault.path else place.value
    return NOWHERE


def _problem(fault: Fault, position: Position) -> Problem:
    return Problem(path_text(fault.path), fault.message, fault.hint, *position)


def _invalid(source: str, fault: Fault, position: Position = NOWHERE) -> InvalidDocument:
    return InvalidDocument((_problem(fault, position),), source)
