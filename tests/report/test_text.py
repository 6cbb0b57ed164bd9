"""Texts of others, made fit to be shown."""

from __future__ import annotations

import pytest

from batchmill.report import text


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("plain", "plain"),
        ("two\nlines\tand  more", "two lines and more"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("a\x00b", "a\\x00b"),
        ("\u202eevil", "\\u202eevil"),
        ("\udcff", "\\udcff"),
    ],
)
def test_a_line_shows_what_would_not_be_seen(given, shown):
    assert text.line(given) == shown


def test_cut_texts_say_so():
    assert text.beginning("abcdef", 4) == "abc…"
    assert text.end("abcdef", 4) == "…def"
    assert text.beginning("abcd", 4) == text.end("abcd", 4) == "abcd"
