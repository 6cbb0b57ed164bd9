"""Lines that end with CR alone: outside quotes only, however the file arrives."""

from __future__ import annotations

import csv
import io
import itertools
import re

from hypothesis import given
from hypothesis import strategies as st

from batchmill.items.csv_bytes import with_line_feeds

FIELD = st.text('a,"\r\n ', max_size=5)
ROWS = st.lists(st.lists(FIELD, min_size=2, max_size=3), min_size=1, max_size=6)


@given(ROWS, st.booleans(), st.lists(st.integers(1, 7), min_size=1, max_size=5))
def test_what_was_written_is_read(rows: list[list[str]], always: bool, sizes: list[int]) -> None:
    if not always:  # Python's writer quotes no LF where lines end with CR
        rows = [[field.replace("\n", "") for field in row] for row in rows]
    written = io.StringIO(newline="")
    quoting = csv.QUOTE_ALL if always else csv.QUOTE_MINIMAL
    csv.writer(written, lineterminator="\r", quoting=quoting).writerows(rows)
    stream, size = io.BytesIO(written.getvalue().encode()), itertools.cycle(sizes)
    read = with_line_feeds(lambda _: stream.read(next(size)), '"', ",")
    text = b"".join(iter(lambda: read(8), b"")).decode()
    lines = re.findall("[^\n]*\n|[^\n]+", text)  # CR ends none, and is refused outside quotes
    assert list(csv.reader(lines, strict=True)) == rows


def test_quotes_amid_a_field_are_text() -> None:
    read = with_line_feeds(io.BytesIO(b'x,y\ra"b\rc,d\r"e\r""",f"g\r').read, '"', ",")
    assert read(100) == b'x,y\na"b\nc,d\n"e\r""",f"g\n'
