"""The item that replaces a row of a source that cannot be read, and fails."""

from __future__ import annotations


class BadRow(str):
    """The text of such a row, as far as it can be read; ``message`` says where it is and what is wrong.

    Code that handles items recognises it by its type. In errors and in the journal it is the text.
    """

    message: str

    def __new__(cls, text: str, message: str) -> BadRow:
        row = super().__new__(cls, text)
        row.message = message
        return row

    def __reduce__(self) -> tuple[object, ...]:
        return BadRow, (str(self), self.message)


def as_text(item: object) -> object:
    """``item``, or the mere text of a bad row."""
    return str(item) if type(item) is BadRow else item
