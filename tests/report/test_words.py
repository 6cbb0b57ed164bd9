"""Figures in words."""

from __future__ import annotations

import pytest

from batchmill.report import words


@pytest.mark.parametrize(
    ("told", "wanted"),
    [
        (words.duration(None), "–"),
        (words.duration(0), "0 s"),
        (words.duration(7.89e-6), "7.89 µs"),
        (words.duration(0.0456), "45.6 ms"),
        (words.duration(0.99999), "1 s"),
        (words.duration(125), "2 min 5 s"),
        (words.bytes_(1023), "1,023 B"),
        (words.bytes_(12.34 * 2**20), "12.3 MB"),
        (words.rate(269.4), "269 items/s"),
        (words.rate(0.05), "3 items/min"),
        (words.rate(1e-6), "0.0036 items/h"),
        (words.share(0.0001), "< 1 %"),
        (words.share(0.9999), "> 99 %"),
        (words.share(1.0), "100 %"),
        (words.share(0.0), "0 %"),
        (words.percent(1, 0), "–"),
        (words.dollars(12.3), "$12.30"),
        (words.dollars(0.0123), "$0.0123"),
        (words.dollars(0.000018), "$0.000018"),
        (words.dollars(0.0), "$0.00"),
        (words.dollars(None), "–"),
        (words.clock(1e300), "–"),
    ],
)
def test_a_figure_is_told_with_its_unit(told, wanted):
    assert told == wanted
