"""The sources of a document's items, read lazily: files, standard input, names of files, numbers, queries,
functions, and combinations of them.

Items arrive in lists, one for every piece of a file or pipe, so the items of a slow pipe are there as soon as
they are written.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from batchmill.errors import InvalidSetting
from batchmill.values import from_json

if TYPE_CHECKING:
    from batchmill.items.many_files import LeaveOut


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


def _range(bounds: Any, options: Options, how: ReadOptions) -> range:
    """``[stop]``, ``[start, stop]`` or ``[start, stop, step]``, as Python's ``range``."""
    good = isinstance(bounds, list) and 1 <= len(bounds) <= 3
    if not good or not all(type(bound) is int for bound in bounds) or (len(bounds) == 3 and not bounds[2]):
        raise InvalidSetting(f"range needs [start, stop, step] in whole numbers, step not 0; not {bounds!r}")
    return range(*bounds)


def _from(module: str, name: str) -> Reader:
    """A reader from another module, which is imported when it is first used: a document has one kind of
    source, or two."""

    def read(value: object, options: Options, how: ReadOptions) -> Iterable[object]:
        reader: Reader = getattr(import_module(f"batchmill.items.{module}"), name)
        return reader(value, options, how)

    return read


READERS: dict[str, Reader] = {
    "glob": _from("file_readers", "glob"),
    "lines": _from("file_readers", "lines"),
    "jsonl": _from("file_readers", "jsonl"),
    "csv": _from("file_readers", "csv"),
    "range": _range,
    "stdin": _from("file_readers", "stdin"),
    "parquet": _from("file_readers", "parquet"),
    "sqlite": _from("file_readers", "sqlite"),
    "product": _from("joined_readers", "product"),
    "zip": _from("joined_readers", "zip_"),
    "python": _from("function_items", "of_function"),
}
OPTIONS: dict[str, tuple[str, ...] | None] = {
    "csv": None,
    "parquet": ("columns",),
    "sqlite": ("query", "parameters"),
    "product": ("exclude",),
    "python": ("args", "inputs"),
}
"""The options allowed beside the key of a source; None if its reader checks them itself."""


def open_source(
    spec: Mapping[str, object], folder: str | os.PathLike[str] | None = None, **how: Any
) -> Iterable[Any]:
    """The items of a document's source, such as ``{"glob": "data/*.csv"}``.

    ``folder`` is where relative paths start, the working folder by default; ``how`` are the other fields of
    :class:`ReadOptions`. Raises :class:`InvalidSetting` for a source there is none of.
    """
    return opened(spec, ReadOptions(os.fspath(folder) if folder is not None else "", **how))


def opened(spec: Mapping[str, object], how: ReadOptions) -> Iterable[object]:
    """The items of a source, read as ``how`` says. Raises :class:`InvalidSetting`."""
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
        if known is not None and name != kinds[0] and name not in known:
            others = f"no option {name!r}, only {', '.join(known)}" if known else f"no options, not {name!r}"
            raise InvalidSetting(f"the source {kinds[0]!r} has {others}")
    return kinds[0]
