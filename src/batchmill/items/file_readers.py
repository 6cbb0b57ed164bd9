"""The sources that are files, standard input, or names of files.

A reader takes the value of the key of its source, the keys beside it, and how the source is read.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial
from itertools import islice
from typing import Any

from batchmill.bad_row import BadRow
from batchmill.errors import InvalidSetting, StorageError
from batchmill.items.byte_streams import STDIN, Opened, Waker, standard_input, standard_input_numbers
from batchmill.items.csv_rows import CsvForm, csv_rows
from batchmill.items.globbing import find_paths
from batchmill.items.many_files import ReadFile, as_path, paths_of, read_files
from batchmill.items.names import names_in_stdin
from batchmill.items.parquet_rows import parquet_rows
from batchmill.items.readers import Options, ReadOptions
from batchmill.items.sources import ChunkedIterable
from batchmill.items.sqlite_rows import rows_of_query
from batchmill.items.text_lines import Lines, numbered_lines
from batchmill.sourced import at_line
from batchmill.values import NotJson

_NAMES_TOGETHER = 256


def glob(pattern: object, options: Options, how: ReadOptions) -> ChunkedIterable:
    """The paths that match, in the order of their text; see :mod:`batchmill.items.globbing`."""
    paths = find_paths(os.path.expanduser(as_path("glob", pattern)), how.folder)
    leave_out = how.leave_out

    def pieces() -> Iterator[list[str]]:
        while names := list(islice(paths, _NAMES_TOGETHER)):
            yield names if leave_out is None else leave_out(names)

    return ChunkedIterable(pieces)


def lines(path: object, options: Options, how: ReadOptions) -> ChunkedIterable:
    """Each line of text files, without its end; blank ones too."""
    return _of_files("lines", path, how, partial(_texts, how=how))


def jsonl(path: object, options: Options, how: ReadOptions) -> ChunkedIterable:
    """The JSON value on each line that is not blank."""
    return _of_files("jsonl", path, how, partial(_values, how=how))


def csv(path: object, options: Options, how: ReadOptions) -> ChunkedIterable:
    """Each row as an object keyed by the names of its file's header; all values are text, blank lines are
    skipped. ``options`` are those of :class:`~batchmill.items.csv_rows.CsvForm`.

    A row with more or fewer cells than the header is an error that names its line.
    """
    read = partial(csv_rows, form=CsvForm.of(options), keep_bad=how.keep_bad, placed=how.placed)
    return _of_files("csv", path, how, read)


def stdin(form: object, options: Options, how: ReadOptions) -> ChunkedIterable:
    """Standard input as ``"lines"``, as ``"jsonl"``, or as ``"nul"``: names that each end with a NUL."""
    if form == "nul":
        return names_in_stdin(b"\0")
    if form not in ("lines", "jsonl"):
        raise InvalidSetting(f'stdin is read as "lines", "jsonl" or "nul", not {form!r}')
    waker = Waker()
    read = partial(_values if form == "jsonl" else _texts, how=how)
    stream = partial(standard_input, waker)
    return ChunkedIterable(partial(read, stream, STDIN), wake=waker.wake, files=standard_input_numbers())


def parquet(path: object, options: Options, how: ReadOptions) -> ChunkedIterable:
    """Each row of Parquet files as an object."""
    paths = paths_of("parquet", path, how.folder, how.leave_out)
    return parquet_rows(paths, how.folder, options.get("columns"), placed=how.placed)


def sqlite(path: object, options: Options, how: ReadOptions) -> ChunkedIterable:
    """Each row of a query as an object."""
    parameters = options.get("parameters", ())
    return rows_of_query(as_path("sqlite", path), how.folder, options.get("query"), parameters)


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
