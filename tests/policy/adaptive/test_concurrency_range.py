"""How far adaptive concurrency may go."""

from __future__ import annotations

import pytest

from batchmill.errors import InvalidSetting
from batchmill.policy.adaptive.concurrency_range import ConcurrencyRange


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("auto", ConcurrencyRange(1, 4, 100)),
        ("4-20-100", ConcurrencyRange(4, 20, 100)),
        ("1-1-1", ConcurrencyRange(1, 1, 1)),
    ],
)
def test_spans_are_read(text, span):
    assert ConcurrencyRange.parse(text) == span


@pytest.mark.parametrize("text", ["", "Auto", "4-20", "20-4-100", "0-1-2", "1-2-10001", "a-b-c", "-1-2-3"])
def test_what_is_no_span_is_refused(text):
    with pytest.raises(InvalidSetting, match="max_concurrent"):
        ConcurrencyRange.parse(text)
