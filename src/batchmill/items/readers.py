"""The sources of a document's items, read lazily: files, standard input, names of files, numbers, queries,
functions, and combinations of them.

Items arrive in lists, one for every piece of a file or pipe, so the items of a slow pipe are there as soon as
they are written.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from functools import partial
from itertools import islice
from typing import Any

from batchmill.bad_row import BadRow
from batchmill.errors import InvalidSetting, StorageError
from batchmill.items.byte_streams import (
    STDIN,
    Opened,
    Waker,
    standard_input,
    standard_input_numbers,
)
from batchmill.items.csv_rows import CsvForm, csv_rows
from batchmill.items.function_items import FunctionItems
from batchmill.items.globbing import find_paths
from batchmill.items.many_files import LeaveOut, ReadFile, as_path, paths_of, read_files
from batchmill.items.names import names_in_stdin
from batchmill.items.parquet_rows import parquet_rows
from batchmill.items.sources import ChunkedIterable
from batchmill.items.sqlite_rows import rows_of_query
from batchmill.items.text_lines import Lines, numbered_lines
from batchmill.items.together import combinations, side_by_side
from batchmill.lists import LazyList
from batchmill.sourced import at_line
from batchmill.values import NotJson, from_json

_NAMES_TOGETHER = 256


@dataclass(frozen=True)
class ReadOptions:
    """How to read sources. Relative paths start at ``folder``. ``keep_bad`` replaces an unreadable row by a
    :class:`~batchmill.bad_row.BadRow`; without it such a row ends the items. ``placed`` makes rows of files
    carry their place, see :mod:`batchmill.sourced`. ``leave_out`` filters the files that a pattern has found.
    ``decode`` makes a value of a line of JSON, and raises :class:`~batchmill.values.NotJson`."""

    folder: str = ""
    keep_bad: bool = False
    placed: bool = False
    leave_out: LeaveOut | None = None
    decode: Callable[[str], Any] = from_json


Options = Mapping[str, Any]
Reader = Callable[[Any, Options, ReadOptions], "Iterable[Any]"]
"""Opens a source: the value of its key, the keys beside it, and how it is read."""


def _glob(pattern: object, options: Options, how: ReadOptions) -> ChunkedIterable:
    """The paths that match, in the order of their text; see :mod:`batchmill.items.globbing`."""
    paths = find_paths(os.path.expanduser(as_path("glob", pattern)), how.folder)
    leave_out = how.leave_out

    def pieces() -> Iterator[list[str]]:
        while names := list(islice(paths, _NAMES_TOGETHER)):
            yield names if leave_out is None else leave_out(names)

    return ChunkedIterable(pieces)


def _lines(path: object, options: Options, how: ReadOptions) -> ChunkedIterable:
    """Each line of text files, without its end; blank ones too."""
    return _of_files("lines", path, how, partial(_texts, how=how))


def _jsonl(path: object, options: Options, how: ReadOptions) -> ChunkedIterable:
    """The JSON value on each line that is not blank."""
    return _of_files("jsonl", path, how, partial(_values, how=how))


def _csv(path: object, options: Options, how: ReadOptions) -> ChunkedIterable:
    """Each row as an object keyed by the names of its file's header; all values are text, blank lines are
    skipped. ``options`` are those of :class:`~batchmill.items.csv_rows.CsvForm`.

    A row with more or fewer cells than the header is an error that names its line.
    """
    read = partial(csv_rows, form=CsvForm.of(options), keep_bad=how.keep_bad, placed=how.placed)
    return _of_files("csv", path, how, read)


def _range(bounds: Any, options: Options, how: ReadOptions) -> range:
    """``[stop]``, ``[start, stop]`` or ``[start, stop, step]``, as Python's ``range``."""
    good = isinstance(bounds, list) and 1 <= len(bounds) <= 3
    if not good or not all(type(bound) is int for bound in bounds) or (len(bounds) == 3 and not bounds[2]):
        raise InvalidSetting(f"range needs [start, stop, step] in whole numbers, step not 0; not {bounds!r}")
    return range(*bounds)


def _stdin(form: object, options: Options, how: ReadOptions) -> ChunkedIterable:
    """Standard input as ``"lines"``, as ``"jsonl"``, or as ``"nul"``: names that each end with a NUL."""
    if form == "nul":
        return names_in_stdin(b"\0")
    if form not in ("lines", "jsonl"):
        raise InvalidSetting(f'stdin is read as "lines", "jsonl" or "nul", not {form!r}')
    waker = Waker()
    read = partial(_values if form == "jsonl" else _texts, how=how)
    stream = partial(standard_input, waker)
    return ChunkedIterable(partial(read, stream, STDIN), wake=waker.wake, files=standard_input_numbers())


def _parquet(path: object, options: Options, how: ReadOptions) -> ChunkedIterable:
    """Each row of Parquet files as an object."""
    paths = paths_of("parquet", path, how.folder, how.leave_out)
    return parquet_rows(paths, how.folder, options.get("columns"), placed=how.placed)


def _sqlite(path: object, options: Options, how: ReadOptions) -> ChunkedIterable:
    """Each row of a query as an object."""
    parameters = options.get("parameters", ())
    return rows_of_query(as_path("sqlite", path), how.folder, options.get("query"), parameters)


def _product(sides: object, options: Options, how: ReadOptions) -> Iterable[object]:
    """Every combination of the items of several sources, as objects."""
    exclude = options.get("exclude", ())
    if not isinstance(exclude, (list, tuple)) or not all(isinstance(one, Mapping) for one in exclude):
        raise InvalidSetting(f"`exclude` of the source 'product' must be a list of objects, not {exclude!r}")
    return combinations(_sides("product", sides, how), exclude)


def _zip(sides: object, options: Options, how: ReadOptions) -> Iterable[object]:
    """The items of several sources side by side, as objects."""
    return side_by_side(_sides("zip", sides, how))


def _sides(kind: str, sides: object, how: ReadOptions) -> dict[str, Iterable[object]]:
    if not isinstance(sides, Mapping) or not sides:
        raise InvalidSetting(f"the source {kind!r} needs an object of lists and sources, not {sides!r}")
    how = replace(how, keep_bad=False, placed=False)
    return {name: _side(f"{kind}.{name}", side, how) for name, side in sides.items()}


def _side(name: str, side: object, how: ReadOptions) -> Iterable[object]:
    if isinstance(side, Mapping):
        return _opened(side, how)
    if isinstance(side, (list, tuple, range, LazyList)):
        return side
    raise InvalidSetting(f"`{name}` must be a list or a source, not {side!r}")


def _python(function: object, options: Options, how: ReadOptions) -> FunctionItems:
    """The items of a Python function."""
    return FunctionItems(function, options.get("args", ()), options.get("inputs", {}))


READERS: dict[str, Reader] = {
    "glob": _glob,
    "lines": _lines,
    "jsonl": _jsonl,
    "csv": _csv,
    "range": _range,
    "stdin": _stdin,
    "parquet": _parquet,
    "sqlite": _sqlite,
    "product": _product,
    "zip": _zip,
    "python": _python,
}
OPTIONS: dict[str, tuple[str, ...]] = {
    "csv": tuple(field.name for field in fields(CsvForm)),
    "parquet": ("columns",),
    "sqlite": ("query", "parameters"),
    "product": ("exclude",),
    "python": ("args", "inputs"),
}
"""The options allowed beside the key of a source."""


def _of_files(kind: str, path: object, how: ReadOptions, read: ReadFile) -> ChunkedIterable:
    return read_files(paths_of(kind, path, how.folder, how.leave_out), how.folder, read)


def _texts(stream: Opened, source: str, how: ReadOptions) -> Iterator[list[object]]:
    with stream() as read:
        for lines in numbered_lines(read, source, keep_bad=how.keep_bad):
            if how.placed:
                yield [at_line(source, number, text) for number, text in lines]
            else:
                yield [text for _, text in lines]


def _values(stream: Opened, source: str, how: ReadOptions) -> Iterator[list[object]]:
    with stream() as read:
        for lines in numbered_lines(read, source, keep_bad=how.keep_bad):
            values = None if how.placed else _values_together(lines, how)
            if values is not None:
                yield values
                continue
            values = []
            for number, text in lines:
                if not text or text.isspace():
                    continue
                try:
                    value = text if type(text) is BadRow else how.decode(text)
                except NotJson as fault:
                    message = f"{source}, line {number}: not JSON: {fault.message} at {fault.place}"
                    if not how.keep_bad:
                        yield values
                        raise StorageError(message) from fault
                    value = BadRow(text, message)
                values.append(at_line(source, number, value) if how.placed else value)
            yield values


def _values_together(lines: Lines, how: ReadOptions) -> list[Any] | None:
    """The values of lines; None if one of them needs a look at itself."""
    texts = [text for _, text in lines]
    if BadRow in set(map(type, texts)):
        return None
    try:
        return list(map(how.decode, filter(None, texts)))
    except NotJson:  # or a line of blanks
        return None


def open_source(
    spec: Mapping[str, object], folder: str | os.PathLike[str] | None = None, **how: Any
) -> Iterable[Any]:
    """The items of a document's source, such as ``{"glob": "data/*.csv"}``.

    ``folder`` is where relative paths start, the working folder by default; ``how`` are the other fields of
    :class:`ReadOptions`. Raises :class:`InvalidSetting` for a source there is none of.
    """
    return _opened(spec, ReadOptions(os.fspath(folder) if folder is not None else "", **how))


def _opened(spec: Mapping[str, object], how: ReadOptions) -> Iterable[object]:
    kind, options = _kind(spec), dict(spec)
    return READERS[kind](options.pop(kind), options, how)


def is_source(spec: Mapping[str, object]) -> bool:
    """Whether an object names a source; its options may still be wrong."""
    return any(kind in spec for kind in READERS)


def _kind(spec: Mapping[str, object]) -> str:
    kinds = [kind for kind in spec if kind in READERS]
    if not kinds and len(spec) == 1:
        raise InvalidSetting(f"there is no source {next(iter(spec))!r}, only {', '.join(READERS)}")
    if len(kinds) != 1:
        raise InvalidSetting(f"a source has one key of {', '.join(READERS)}, not {len(kinds)}")
    known = OPTIONS.get(kinds[0], ())
    for name in spec:
        if name != kinds[0] and name not in known:
            others = f"no option {name!r}, only {', '.join(known)}" if known else f"no options, not {name!r}"
            raise InvalidSetting(f"the source {kinds[0]!r} has {others}")
    return kinds[0]
