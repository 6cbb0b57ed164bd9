"""The sources that items of a batch are read from."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from batchmill.ir.models.fields import DifferentNames, NonEmpty, Paths, Spec, Text, Whole, WholeOrTemplate

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
    quote: Mark | None = Field('"', description="The character around cells; null: every one is data.")
    encoding: NonEmpty = Field("utf-8", description="Encoding of the text, one that Python knows.")
    header: bool = Field(
        True, description="Whether the first row names the columns. Without a header, `columns` does."
    )
    columns: Annotated[list[str], DifferentNames()] | None = Field(
        None,
        description="With a header: those columns that are kept. Without: the names of all; rows are lists "
        "where there are none.",
    )
    skip: Annotated[int, Whole(0, MOST_LINES)] = Field(0, description="Lines to leave out before the header.")
    comment: TextNotEmpty | None = Field(
        None, description="Lines that begin with it are left out; within quotes they are data."
    )


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
