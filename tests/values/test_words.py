"""Figures in words."""

import pytest

from batchmill.values import words


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0.00 s"),
        (9.994, "9.99 s"),
        (12.34, "12.3 s"),
        (59.94, "59.9 s"),
        (125.4, "2 min 5 s"),
        (3840, "1 h 4 min"),
    ],
)
def test_seconds(value, text):
    assert words.seconds(value) == text


@pytest.mark.parametrize(
    ("items", "wall", "text"),
    [(1000, 0.5, "2,000 items/s"), (3, 2.0, "1.5 items/s"), (5, 0.0, "0 items/s"), (1, 3.0, "0.333 items/s")],
)
def test_rate(items, wall, text):
    assert words.rate(items, wall) == text


def test_count_knows_the_plural():
    assert [words.count(number, "item") for number in (0, 1, 2000)] == ["0 items", "1 item", "2,000 items"]


def test_shortened_keeps_to_one_line_and_hides_terminal_escapes():
    assert words.on_one_line("a\nb\x1b[31mc") == "a\\nb\\x1b[31mc"
    assert words.on_one_line({"a": "é"}) == '{"a": "é"}'
    assert words.on_one_line("x" * 100, 10) == "x" * 9 + "…"
    assert len(words.on_one_line("\x00" * 10_000, 60)) == 60


def test_shortened_takes_what_json_cannot():
    cycle: list = []
    cycle.append(cycle)
    assert words.on_one_line(cycle) == "[[...]]"
    assert words.on_one_line({(1, 2): 3}) == "{(1, 2): 3}"


@pytest.mark.parametrize(
    ("use", "text"),
    [
        ((1, 20, None), "1 call, 20 tokens"),
        ((14, 840, 0.00084), "14 calls, 840 tokens, 0.00084 USD"),
        ((14, 840, 0.5, 3, 0.25), "14 calls, 840 tokens, 0.5 USD (3 estimated: 0.25 USD of it)"),
        ((14, 840, None, 3, 0.0), "14 calls, 840 tokens (3 estimated)"),
    ],
)
def test_spending_says_what_is_estimated(use, text):
    assert words.spending(*use) == text
