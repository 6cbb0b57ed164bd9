"""The sources of a document's items: files, standard input, names of files, numbers; read as they are needed.

What is read together comes together: a list of items for every piece of a file or pipe, so that the items
of a slow pipe are there as soon as they are written.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from itertools import islice
from typing import Any

from batchmill.bad_row import BadRow
from batchmill.errors import InvalidSetting, StorageError
from batchmill.items.byte_streams import (
    STDIN,
    Opened,
    Waker,
    is_live,
    opened,
    standard_input,
    standard_input_number,
)
from batchmill.items.csv_rows import CsvForm, csv_rows
from batchmill.items.globbing import find_paths
from batchmill.items.names import names_in_stdin
from batchmill.items.sources import ChunkedIterable
from batchmill.items.text_lines import numbered_lines
from batchmill.values import NotJson, from_json

Reader = Callable[[Any, str], "Iterable[Any]"]
_NAMES_TOGETHER = 256


def read_glob(pattern: Any, folder: str) -> ChunkedIterable:
    """The paths that match, in the order of their text; see :mod:`batchmill.items.globbing`."""
    paths = find_paths(os.path.expanduser(_text("glob", pattern)), folder)
    return ChunkedIterable(lambda: iter(lambda: list(islice(paths, _NAMES_TOGETHER)), []))


def read_lines(path: Any, folder: str, *, keep_bad: bool = False) -> ChunkedIterable:
    """Each line of a text file, without its end; blank ones too."""
    return _of_file("lines", path, folder, partial(_texts, keep_bad=keep_bad))


def read_jsonl(
    path: Any, folder: str, decode: Callable[[str], Any] = from_json, *, keep_bad: bool = False
) -> ChunkedIterable:
    """The JSON value on each line that is not blank; ``decode`` raises :class:`~batchmill.values.NotJson`."""
    return _of_file("jsonl", path, folder, partial(_values, decode=decode, keep_bad=keep_bad))


def read_csv(
    path: Any, folder: str, options: Mapping[str, Any] | None = None, *, keep_bad: bool = False
) -> ChunkedIterable:
    """Each row as an object keyed by the header's names; all values are text, blank lines are passed over.
    ``options`` are those of :class:`~batchmill.items.csv_rows.CsvForm`.

    A row with more or fewer cells than the header is an error that names its line.
    """
    read = partial(csv_rows, form=CsvForm.of(options or {}), keep_bad=keep_bad)
    return _of_file("csv", path, folder, read)


def read_range(bounds: Any, folder: str) -> range:
    """``[stop]``, ``[start, stop]`` or ``[start, stop, step]``, as Python's ``range``."""
    good = isinstance(bounds, list) and 1 <= len(bounds) <= 3
    if not good or not all(type(bound) is int for bound in bounds) or (len(bounds) == 3 and not bounds[2]):
        raise InvalidSetting(f"range needs [start, stop, step] in whole numbers, step not 0; not {bounds!r}")
    return range(*bounds)


def read_stdin(
    form: Any, folder: str, decode: Callable[[str], Any] = from_json, *, keep_bad: bool = False
) -> ChunkedIterable:
    """Standard input as ``"lines"``, as ``"jsonl"``, of which ``decode`` makes values, or as ``"nul"``: names
    that each end with a NUL."""
    if form == "nul":
        return names_in_stdin(b"\0")
    if form not in ("lines", "jsonl"):
        raise InvalidSetting(f'stdin is read as "lines", "jsonl" or "nul", not {form!r}')
    waker = Waker()
    read = partial(_values, decode=decode) if form == "jsonl" else _texts
    stream = partial(standard_input, waker)
    return ChunkedIterable(
        partial(read, stream, STDIN, keep_bad=keep_bad), wake=waker.wake, file=standard_input_number()
    )


READERS: dict[str, Reader] = {
    "glob": read_glob,
    "lines": read_lines,
    "jsonl": read_jsonl,
    "csv": read_csv,
    "range": read_range,
    "stdin": read_stdin,
}
_OF_ROWS = ("lines", "jsonl", "csv", "stdin")
"""Those that know ``keep_bad``: a row that cannot be read comes as a :class:`~batchmill.bad_row.BadRow`."""


def _text(kind: str, value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise InvalidSetting(f"the source {kind!r} needs a path as text, not {value!r}")
    return value


def _of_file(
    kind: str, path: Any, folder: str, read: Callable[[Opened, str], Iterator[list[Any]]]
) -> ChunkedIterable:
    place = os.path.join(folder, os.path.expanduser(_text(kind, path)))
    waker = Waker() if is_live(place) else None
    stream = partial(opened, place, waker)
    return ChunkedIterable(partial(read, stream, path), wake=waker.wake if waker else None, file=place)


def _texts(stream: Opened, source: str, *, keep_bad: bool = False) -> Iterator[list[str]]:
    with stream() as read:
        for lines in numbered_lines(read, source, keep_bad=keep_bad):
            yield [text for _, text in lines]


def _values(
    stream: Opened, source: str, decode: Callable[[str], Any], *, keep_bad: bool = False
) -> Iterator[list[Any]]:
    with stream() as read:
        for lines in numbered_lines(read, source, keep_bad=keep_bad):
            values: list[Any] = []
            for number, text in lines:
                if not text or text.isspace():
                    continue
                try:
                    values.append(text if type(text) is BadRow else decode(text))
                except NotJson as fault:
                    message = f"{source}, line {number}: not JSON: {fault.message} at {fault.place}"
                    if keep_bad:
                        values.append(BadRow(text, message))
                        continue
                    yield values
                    raise StorageError(message) from fault
            yield values


def open_source(
    spec: Mapping[str, Any], folder: str | os.PathLike[str] | None = None, *, keep_bad: bool = False
) -> Iterable[Any]:
    """The items of a document's source, such as ``{"glob": "data/*.csv"}``.

    ``folder`` is where relative paths start, the working folder by default. ``keep_bad`` puts a
    :class:`~batchmill.bad_row.BadRow` in the place of a row that cannot be read, where that otherwise ends
    the items. Raises :class:`InvalidSetting` for a source there is none of.
    """
    kind, options = _kind(spec), dict(spec)
    value = options.pop(kind)
    place = os.fspath(folder) if folder is not None else ""
    more: dict[str, Any] = {"keep_bad": True} if keep_bad and kind in _OF_ROWS else {}
    if kind == "csv":
        return read_csv(value, place, options, **more)
    read: Callable[..., Iterable[Any]] = READERS[kind]
    return read(value, place, **more)


def _kind(spec: Mapping[str, Any]) -> str:
    kinds = [kind for kind in spec if kind in READERS]
    if len(spec) == 1 and not kinds:
        raise InvalidSetting(f"there is no source {next(iter(spec))!r}, only {', '.join(READERS)}")
    if len(kinds) != 1 or (len(spec) > 1 and kinds != ["csv"]):
        raise InvalidSetting(
            f"a source has exactly one key ({', '.join(READERS)}; options beside csv), not {len(spec)}"
        )
    return kinds[0]
