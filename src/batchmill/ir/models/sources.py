"""The sources that items of a batch are read from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from batchmill.ir.models.base import Spec
from batchmill.ir.models.fields import (
    DifferentNames,
    NonEmpty,
    Paths,
    Query,
    TemplateText,
    Text,
    Whole,
    WholeOrTemplate,
)

MOST_LINES = 10**12
Files = Annotated[str | list[str], Paths()]
Mark = Annotated[str, Text(r"^[^\r\n]$", "one character")]
TextNotEmpty = Annotated[str, Text(r"^[^\r\n]+$", "text of one line that is not empty")]


class GlobSource(Spec):
    """One item per file name that matches."""

    glob: NonEmpty = Field(description="Pattern of file names, `**` for any depth; items are paths, sorted.")


class LinesSource(Spec):
    """One item per line of a text file."""

    lines: Files = Field(
        description="Path of a text file, a pattern of such, or a list of them; items are their lines "
        "without the line break."
    )


class JsonlSource(Spec):
    """One item per line of JSON."""

    jsonl: Files = Field(
        description="Path of a file with one JSON value a line, a pattern, or a list of them."
    )


class CsvSource(Spec):
    """One item per row of a CSV file."""

    csv: Files = Field(
        description="Path of a CSV file, a pattern of such, or a list of them; items are objects of text."
    )
    delimiter: Mark = Field(",", description="The character between cells.")
    quote: Mark | None = Field('"', description="The quote character around cells; null turns quoting off.")
    encoding: NonEmpty = Field("utf-8", description="Encoding of the text, one that Python knows.")
    header: bool = Field(
        True, description="Whether the first row names the columns. Without a header, `columns` does."
    )
    columns: Annotated[list[str], DifferentNames()] | None = Field(
        None,
        description="With a header: the columns to keep. Without: the names of all columns; if omitted, rows "
        "are lists.",
    )
    skip: Annotated[int, Whole(0, MOST_LINES)] = Field(0, description="Lines to leave out before the header.")
    comment: TextNotEmpty | None = Field(
        None, description="Lines that begin with it are left out; within quotes they are data."
    )


class ParquetSource(Spec):
    """One item per row of a Parquet file."""

    parquet: Files = Field(
        description="Path of a Parquet file, a pattern of such, or a list of them; items are objects."
    )
    columns: Annotated[list[str], DifferentNames()] | None = Field(
        None, description="The columns to read; items have only these."
    )


class SqliteSource(Spec):
    """One item per row that a query gives."""

    sqlite: NonEmpty = Field(description="Path of an SQLite database, which is only read; items are objects.")
    query: Annotated[str, Query()] = Field(
        description="A SELECT. Values are bound to its `?` or `:name`, never written into it."
    )
    parameters: list[Any] | dict[str, Any] = Field(
        default_factory=list, description="The values that are bound (templates inside)."
    )


class PythonSource(Spec):
    """One item per value that a function yields."""

    python: NonEmpty = Field(
        description="A function, as `package.module:name`, that yields items or returns a list."
    )
    args: list[Any] = Field(default_factory=list, description="Positional arguments (templates inside).")
    inputs: dict[str, Any] = Field(default_factory=dict, description="Keyword arguments (templates inside).")


class RangeSource(Spec):
    """Whole numbers."""

    range: list[Annotated[int | str, WholeOrTemplate(-(2**63), 2**63 - 1)]] = Field(
        min_length=1,
        max_length=3,
        description="`[stop]`, `[start, stop]` or `[start, stop, step]`; the stop itself is not an item.",
    )


class StdinSource(Spec):
    """Items from standard input."""

    stdin: Literal["lines", "jsonl", "nul"] = Field(
        description="How standard input is read; `nul`: names that each end with a NUL."
    )


ITEMS_ERROR = "items_kind"
ITEMS_TAG = "items:"
"""The prefix of the tags below; pydantic puts them into the place of an error, from which they are
removed."""

SIDES: dict[str, type[Spec]] = {
    "glob": GlobSource,
    "lines": LinesSource,
    "jsonl": JsonlSource,
    "csv": CsvSource,
    "parquet": ParquetSource,
    "sqlite": SqliteSource,
    "range": RangeSource,
    "python": PythonSource,
}
"""The sources that may be part of another one."""


def tag_of(value: object, sources: Mapping[str, type[Spec]]) -> str | None:
    """The tag of a form of items, None if it is none."""
    if isinstance(value, str):
        return f"{ITEMS_TAG}reference"
    if isinstance(value, list):
        return f"{ITEMS_TAG}list"
    given = type(value).model_fields if isinstance(value, Spec) else value  # a model, when it is written
    kind = next((key for key in sources if key in given), None) if isinstance(given, dict) else None
    return f"{ITEMS_TAG}{kind}" if kind else None


def _side_tag(value: object) -> str | None:
    return tag_of(value, SIDES)


SideForms = (
    Annotated[TemplateText, Tag(f"{ITEMS_TAG}reference")]
    | Annotated[list[Any], Tag(f"{ITEMS_TAG}list")]
    | Annotated[GlobSource, Tag(f"{ITEMS_TAG}glob")]
    | Annotated[LinesSource, Tag(f"{ITEMS_TAG}lines")]
    | Annotated[JsonlSource, Tag(f"{ITEMS_TAG}jsonl")]
    | Annotated[CsvSource, Tag(f"{ITEMS_TAG}csv")]
    | Annotated[ParquetSource, Tag(f"{ITEMS_TAG}parquet")]
    | Annotated[SqliteSource, Tag(f"{ITEMS_TAG}sqlite")]
    | Annotated[RangeSource, Tag(f"{ITEMS_TAG}range")]
    | Annotated[PythonSource, Tag(f"{ITEMS_TAG}python")]
)
"""The forms of items that may be part of another one, by their tags."""

Side = Annotated[
    SideForms, Discriminator(_side_tag, custom_error_type=ITEMS_ERROR, custom_error_message="not items")
]


class ProductSource(Spec):
    """One item per combination of the items of several sources."""

    product: dict[str, Side] = Field(
        min_length=1,
        description="Names and what each stands for: `${ref}`, a list, or a source. Items are objects of "
        "these names; the last one changes fastest.",
    )
    exclude: list[dict[str, Any]] = Field(
        default_factory=list,
        description="Objects of some of the names (templates inside); combinations with these values are "
        "left out.",
    )


class ZipSource(Spec):
    """One item per place in several sources that are equally long."""

    zip: dict[str, Side] = Field(
        min_length=1,
        description="Names and what each stands for, as in `product`; items are objects of these names.",
    )


RESOLVED = ("exclude", "parameters", "args", "inputs")
"""The options of sources that may hold templates."""


def as_written(value: object) -> object:
    """A source within another one as the document has it."""
    if isinstance(value, Spec):
        return {
            key: as_written(getattr(value, key))
            for key in type(value).model_fields
            if key in value.model_fields_set
        }
    return {key: as_written(one) for key, one in value.items()} if isinstance(value, dict) else value
