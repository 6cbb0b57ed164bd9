"""Every form of Retry-After."""

from __future__ import annotations

import time
from email.utils import formatdate

import pytest

from batchmill.nodes.http.retry_after import MOST_SECONDS, seconds_asked_for


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0.0),
        ("7", 7.0),
        (" 7 ", 7.0),
        ("1.5", 1.5),
        ("-5", 0.0),
        ("1e9", MOST_SECONDS),
        ("9" * 30, MOST_SECONDS),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", MOST_SECONDS),
        (None, None),
        ("", None),
        ("soon", None),
        ("nan", None),
        ("inf", None),
        ("5 minutes", None),
        ("Wed, 99 Foo 2015 07:28:00 GMT", None),
        ("9" * 10_000, None),
        ("0x10", None),
        ("١", None),
    ],
)
def test_seconds(value, seconds):
    assert seconds_asked_for(value) == seconds


def test_a_date():
    assert seconds_asked_for(formatdate(time.time() + 100, usegmt=True)) == pytest.approx(99.5, abs=1)


def test_a_date_by_a_clock_that_is_wrong():
    there = time.time() - 86_400
    asked = seconds_asked_for(formatdate(there + 30, usegmt=True), formatdate(there, usegmt=True))
    assert asked == pytest.approx(30, abs=1.01)


def test_the_servers_own_date_may_be_garbage():
    assert seconds_asked_for(formatdate(time.time() + 100, usegmt=True), "x") == pytest.approx(99.5, abs=1)
