"""A Parquet file of rows; its columns and types are inferred from all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

from batchmill.errors import MissingExtra, NodeError
from batchmill.values.words import kind_of, on_one_line

GROUP_ROWS = 20_000  # in a row group, and in memory

Row = dict[str, Any]


class ParquetTable:
    """The columns of the file at ``path``: ``columns``, or the keys of the rows as they appear. A column
    holds values of one type and null; whole numbers mixed with others become floating-point, and objects get
    all keys that any of them has.

    Raises :class:`~batchmill.errors.MissingExtra`.
    """

    def __init__(self, path: str, columns: Sequence[str] | None) -> None:
        try:
            import pyarrow
            import pyarrow.parquet
        except ImportError as fault:
            raise MissingExtra("parquet", "writing a Parquet file") from fault
        self._pa: Any = pyarrow
        self._path = path
        self._fixed = columns is not None
        self._types: dict[str, Any] = dict.fromkeys(columns or (), pyarrow.null())
        self._faults = (pyarrow.ArrowException, OverflowError, UnicodeEncodeError)

    def look_at(self, rows: Sequence[Row]) -> None:
        """Take the types of ``rows`` into account. Raises :class:`~batchmill.errors.NodeError` if they
        conflict with those of earlier rows; then none of them count."""
        names = self._types if self._fixed else dict.fromkeys(name for row in rows for name in row)
        found = {name: self._widened(name, [row.get(name) for row in rows]) for name in names}
        self._types.update(found)

    def _widened(self, name: str, values: list[object]) -> object:
        pa, known = self._pa, self._types.get(name, self._pa.null())
        try:
            new = pa.array(values).type
            if _has_odd_boolean(pa, new, values):
                raise pa.ArrowInvalid("a boolean is not a number")
            if new == known:
                return known
            schemas = [pa.schema([("", known)]), pa.schema([("", new)])]
            return pa.unify_schemas(schemas, promote_options="permissive").field(0).type
        except self._faults as fault:
            raise self._refused(name, values, fault) from fault

    def _refused(self, name: str, values: list[object], fault: Exception) -> NodeError:
        as_json = f'`select`: {{"{name}": "${{{name} | json}}"}}'
        if isinstance(fault, UnicodeEncodeError):
            message = (
                f"results cannot be written to {self._path}: the column {name!r} has text that is not UTF-8, "
                f"as names of files may be: {on_one_line(repr(fault.object))}; Parquet holds UTF-8 only: "
                f"write JSON lines (.jsonl), or in a document use {as_json}"
            )
            return NodeError(message, retryable=False, type_name="NotText")
        kinds = list(dict.fromkeys(kind_of(value) for value in values if value is not None))
        held = " and ".join(kinds[:3]) or "values"
        message = (
            f"results cannot be written to {self._path}: the column {name!r} has {held}, which a column of "
            f"Parquet cannot hold together with what is in it: {fault}; make them one type with {as_json}"
        )
        return NodeError(message, retryable=False, type_name="MixedTypes")

    def write(self, rows: Iterable[Row], write: Callable[[bytes], None]) -> None:
        """Write the whole file of ``rows``, all of which were looked at. Raises what ``write`` does, and
        :class:`~batchmill.errors.NodeError`."""
        pa, types = self._pa, self._types
        for name, one in types.items():
            if _has_empty_struct(pa, one):
                raise self._refused(name, [], ValueError("there are objects without any key"))
        schema = pa.schema(list(types.items()))
        writer = pa.parquet.ParquetWriter(pa.PythonFile(_Sink(write), mode="w"), schema)
        try:
            for group in _groups(rows):
                arrays = [self._array(name, [row.get(name) for row in group]) for name in types]
                writer.write_table(pa.Table.from_arrays(arrays, schema=schema))
        finally:
            writer.close()

    def _array(self, name: str, values: list[object]) -> object:
        try:
            return self._pa.array(values, type=self._types[name])
        except self._faults as fault:
            raise self._refused(name, values, fault) from fault


class _Sink:
    """A file object for pyarrow."""

    closed = False

    def __init__(self, write: Callable[[bytes], None]) -> None:
        self._write = write
        self._at = 0

    def write(self, data: Any) -> int:
        whole = bytes(data)
        self._write(whole)
        self._at += len(whole)
        return len(whole)

    def tell(self) -> int:
        return self._at

    def flush(self) -> None:
        pass

    def close(self) -> None:
        self.closed = True


def _groups(rows: Iterable[Row]) -> Iterator[list[Row]]:
    every = iter(rows)
    while group := list(islice(every, GROUP_ROWS)):
        yield group


def _has_empty_struct(pa: Any, one: Any) -> bool:
    """Whether a type contains objects without keys, which Parquet cannot store."""
    if pa.types.is_struct(one):
        return one.num_fields == 0 or any(_has_empty_struct(pa, field.type) for field in one)
    return pa.types.is_list(one) and _has_empty_struct(pa, one.value_type)


def _has_odd_boolean(pa: Any, one: Any, values: list[Any]) -> bool:
    """Whether there is a boolean where a type has floating-point numbers, which pyarrow takes for 1 or 0."""
    if pa.types.is_floating(one):
        return any(type(value) is bool for value in values)
    there = [value for value in values if value is not None]
    if pa.types.is_struct(one):
        return any(_has_odd_boolean(pa, field.type, [v.get(field.name) for v in there]) for field in one)
    nested = pa.types.is_list(one)
    return nested and _has_odd_boolean(pa, one.value_type, [member for value in there for member in value])
