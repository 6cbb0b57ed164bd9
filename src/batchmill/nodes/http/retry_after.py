"""``Retry-After``: how long a server asks to wait, in seconds or until a date (RFC 9110, 10.2.3)."""

from __future__ import annotations

import re
import time
from datetime import UTC
from email.utils import parsedate_to_datetime

MOST_SECONDS = 3600.0
"""The maximum; a longer wait is cut to it, because a request for more than an hour is a mistake or
an attack."""
SKEW_SECONDS = 2.0
"""Seconds; a server clock that is further off is used instead of ours."""

TOO_MANY = frozenset({429, 503, 529})
"""Statuses with which a service asks for fewer requests, or none for a while, even without ``Retry-After``:
Too Many Requests (RFC 6585, section 4), Service Unavailable (RFC 9110, 15.6.4), and 529, with which some
report overload."""

_SECONDS = re.compile(r"[+-]?[0-9]{1,30}(\.[0-9]{1,30})?([eE]\+?[0-9]{1,2})?")


def seconds_asked_for(value: str | None, server_date: str | None = None) -> float | None:
    """Seconds from now, 0 to an hour; None without a readable request.

    ``server_date`` is the answer's ``Date`` header.
    """
    text = (value or "").strip()
    if _SECONDS.fullmatch(text):
        seconds = float(text)
    else:
        date = _epoch(text)
        if date is None:
            return None
        seconds = date - now_there(server_date)
    return min(MOST_SECONDS, max(0.0, seconds))


def _epoch(text: str | None) -> float | None:
    try:
        date = parsedate_to_datetime(text or "")
    except (ValueError, TypeError, IndexError, OverflowError):  # each of them for some kind of garbage
        return None
    if date.tzinfo is None:  # "-0000", a zone that is not told: dates of HTTP are in UTC
        date = date.replace(tzinfo=UTC)
    try:
        return date.timestamp()
    except (OverflowError, ValueError):
        return None


def now_there(server_date: str | None) -> float:
    """The second since 1970 by the server's clock, as far as its ``Date`` header shows it."""
    here, there = time.time(), _epoch(server_date)
    return here if there is None or abs(here - there) <= SKEW_SECONDS else there
