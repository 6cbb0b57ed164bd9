"""Reading items from files and standard input, a line at a time, with an error that names the line.

Text is UTF-8, a byte-order mark at the start is dropped, lines end with LF, CRLF or CR. One line may hold
:data:`MAX_LINE` characters. Names ending in ``.gz`` are read through gzip.
"""

from __future__ import annotations

import csv
import glob
import gzip
import io
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import IO, Any

from batchmill.errors import InvalidSetting, StorageError

MAX_LINE = 64 << 20

Reader = Callable[[Any, str], "Iterator[Any] | Sequence[Any]"]


def read_glob(pattern: Any, folder: str) -> Sequence[str]:
    """The paths that match, sorted; ``**`` goes through folders. Relative patterns give relative paths."""
    return sorted(glob.glob(_text("glob", pattern), root_dir=folder or None, recursive=True))


def read_lines(path: Any, folder: str) -> Iterator[str]:
    """Each line of a text file, without its end."""
    return (line for _, line in _lines(_text("lines", path), folder))


def read_jsonl(path: Any, folder: str) -> Iterator[Any]:
    """The JSON value on each line that is not blank."""
    return _values(_lines(_text("jsonl", path), folder), str(path))


def read_csv(path: Any, folder: str) -> Iterator[dict[str, str]]:
    """Each row as an object keyed by the header's names; all values are text.

    A row with more or fewer cells than the header is an error that names its line.
    """
    name = _text("csv", path)
    return _rows(name, folder)


def read_range(bounds: Any, folder: str) -> Sequence[int]:
    """``[stop]``, ``[start, stop]`` or ``[start, stop, step]``, as Python's ``range``."""
    good = isinstance(bounds, list) and 1 <= len(bounds) <= 3
    if not good or not all(type(bound) is int for bound in bounds) or (len(bounds) == 3 and not bounds[2]):
        raise InvalidSetting(f"range needs [start, stop, step] in whole numbers, step not 0; not {bounds!r}")
    return range(*bounds)


def read_stdin(form: Any, folder: str) -> Iterator[Any]:
    """Standard input as ``"lines"`` or ``"jsonl"``."""
    if form not in ("lines", "jsonl"):
        raise InvalidSetting(f'stdin is read as "lines" or "jsonl", not {form!r}')
    lines = _checked(enumerate(sys.stdin, 1), "standard input")
    return _values(lines, "standard input") if form == "jsonl" else (line for _, line in lines)


READERS: dict[str, Reader] = {
    "glob": read_glob,
    "lines": read_lines,
    "jsonl": read_jsonl,
    "csv": read_csv,
    "range": read_range,
    "stdin": read_stdin,
}


def _text(kind: str, value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise InvalidSetting(f"the source {kind!r} needs a path as text, not {value!r}")
    return value


def _open(path: str, folder: str, newline: str | None = None) -> IO[str]:
    place = os.path.join(folder, path)
    try:
        opened = gzip.open if place.endswith(".gz") else open
        raw = opened(place, "rb")
    except OSError as fault:
        raise StorageError(f"items cannot be read from {place}: {fault.strerror or fault}") from fault
    return io.TextIOWrapper(raw, encoding="utf-8-sig", newline=newline)


def _lines(path: str, folder: str) -> Iterator[tuple[int, str]]:
    with _open(path, folder) as file:
        yield from _checked(_numbered(file), path)


def _numbered(file: IO[str]) -> Iterator[tuple[int, str]]:
    number = 0
    while line := file.readline(MAX_LINE):
        number += 1
        yield number, line


def _checked(lines: Iterator[tuple[int, str]], source: str) -> Iterator[tuple[int, str]]:
    number = 0
    try:
        for number, line in lines:
            if len(line) >= MAX_LINE:
                raise StorageError(f"{source}, line {number}: longer than {MAX_LINE} characters")
            yield number, line.rstrip("\r\n")
    except UnicodeDecodeError as fault:
        where = f"{source}, after line {number}"
        raise StorageError(f"{where}: not UTF-8 text ({fault.reason}); convert the file first") from fault
    except (OSError, EOFError) as fault:
        raise StorageError(f"{source}, after line {number}: {fault}") from fault


def _values(lines: Iterator[tuple[int, str]], source: str) -> Iterator[Any]:
    for number, line in lines:
        if not line.strip():
            continue
        try:
            yield json.loads(line)
        except (ValueError, RecursionError) as fault:
            raise StorageError(f"{source}, line {number}: not JSON: {fault}") from fault


def _rows(path: str, folder: str) -> Iterator[dict[str, str]]:
    with _open(path, folder, newline="") as file:
        csv.field_size_limit(MAX_LINE)
        reader = csv.reader(file, strict=True)
        try:
            header = next(reader, None)
            if header is None:
                return
            _check_header(header, path)
            for row in reader:
                if not row:
                    continue
                if len(row) != len(header):
                    counts = f"{len(row)} cells where the header has {len(header)}"
                    raise StorageError(f"{path}, line {reader.line_num}: {counts}")
                yield dict(zip(header, row, strict=True))
        except (csv.Error, UnicodeDecodeError, OSError, EOFError) as fault:
            raise StorageError(f"{path}, line {reader.line_num}: {fault}") from fault


def _check_header(header: list[str], path: str) -> None:
    double = sorted({name for name in header if header.count(name) > 1})
    if double:
        raise StorageError(f"{path}, line 1: the column name {double[0]!r} stands there twice")


def open_source(spec: Mapping[str, Any], folder: str | os.PathLike[str] | None = None) -> Iterable[Any]:
    """The items of a document's source, such as ``{"glob": "data/*.csv"}``.

    ``folder`` is where relative paths start, the working folder by default. Raises
    :class:`InvalidSetting` for a source there is none of.
    """
    kind, value = _only_entry(spec)
    return READERS[kind](value, os.fspath(folder) if folder is not None else "")


def _only_entry(spec: Mapping[str, Any]) -> tuple[str, Any]:
    if len(spec) != 1:
        raise InvalidSetting(f"a source has exactly one key ({', '.join(READERS)}), not {len(spec)}")
    kind, value = next(iter(spec.items()))
    if kind not in READERS:
        raise InvalidSetting(f"there is no source {kind!r}, only {', '.join(READERS)}")
    return kind, value
