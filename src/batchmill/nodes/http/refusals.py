"""Refusals (rate limits): how a service asks for fewer requests, and when it will accept some again.

Services say it in many ways, and mix them: ``Retry-After`` in seconds or as a date, the same in milliseconds,
the time at which each of several limits is free again, words in the body, or all of it in an answer with a
status of success.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

from batchmill.nodes.http.retry_after import MOST_SECONDS, TOO_MANY, now_there, seconds_asked_for

_NOT_NOW = frozenset({408, 409, 425})
FORBIDDEN = 403  # by which some refuse too, with headers that say so
_LOOKED_AT_BYTES = 65536  # of a body
_EPOCH = 1_000_000_000  # a larger number of seconds is a moment, not a length
_WORDS = frozenset(
    {"rate_limit_exceeded", "rate_limit_error", "resource_exhausted", "too_many_requests", "overloaded_error"}
)
SPENT = frozenset({"insufficient_quota", "billing_hard_limit_reached", "billing_not_active"})
"""Words of errors about a quota that waiting does not restore."""
PAYMENT_REQUIRED = 402
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_LENGTH = r"[0-9]{1,12}(?:\.[0-9]{1,9})?"
_PART = re.compile(
    rf"({_LENGTH})\s?(ms|milliseconds?|s|sec(?:onds?)?|m|min(?:utes?)?|h|hours?|d|days?)(?![a-z])"
)
_HINT = re.compile(r"(?:again|retry|wait)\b(?: (?:after|in|for|at least|about))? ?(?=[0-9])", re.IGNORECASE)
_TOLD = re.compile(r";\s*([rt])=([0-9]{1,12})")
_LIMITS = ("x-ratelimit", "x-rate-limit", "ratelimit", "anthropic-ratelimit")


def is_refusal(status: int, headers: Mapping[str, str]) -> bool:
    """Whether an answer with this ``status`` means that the service is overloaded, and says nothing about the
    request. ``headers`` are matched in any case."""
    if status in TOO_MANY:
        return True
    if status == FORBIDDEN:  # GitHub's way
        return _by_headers(headers) is not None or any(left == 0 for left, _ in _limits(headers))
    return (status >= 500 or status in _NOT_NOW) and _by_headers(headers) is not None


def refusal_status(body: bytes) -> int | None:
    """The status of a refusal in the body of a success; None if it holds none."""
    start = body[:_LOOKED_AT_BYTES]
    if b'"error"' not in start or len(body) > _LOOKED_AT_BYTES:
        return None
    told = _error_in(start)
    if told is None:
        return None
    for key in ("code", "status", "type"):
        value = told.get(key)
        if isinstance(value, str) and value.lower() in _WORDS:
            return 429
        if str(value) in ("429", "503", "529") and not isinstance(value, bool):
            return int(str(value))
    return None


def is_spent(status: int, body: bytes) -> bool:
    """Whether an error answer says that a quota is used up, so that waiting does not help."""
    if status == PAYMENT_REQUIRED:
        return True
    told = (_error_in(body[:_LOOKED_AT_BYTES]) if b'"error"' in body[:_LOOKED_AT_BYTES] else None) or {}
    return any(str(told.get(key) or "") in SPENT for key in ("code", "type"))


def seconds_until_free(headers: Mapping[str, str], body: bytes = b"", *, limits: bool = True) -> float | None:
    """Seconds from now, 0 to an hour, after which the service takes requests again; None if it does not say.
    ``headers`` are matched in any case; those about ``limits`` count if a limit may be the reason."""
    found = _by_headers(headers)
    if found is None and limits:
        found = _by_limits(headers)
    if found is None and body:
        found = _by_body(body[:_LOOKED_AT_BYTES])
    return None if found is None else min(MOST_SECONDS, max(0.0, found))


def _by_headers(headers: Mapping[str, str]) -> float | None:
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None and milliseconds >= 0:
        return milliseconds / 1000
    return seconds_asked_for(headers.get("retry-after"), headers.get("date"))


def _by_limits(headers: Mapping[str, str]) -> float | None:
    """When the last of the used-up limits is free again; the last of all limits if none says how much is
    left."""
    limits = [(left, reset) for left, reset in _limits(headers) if reset is not None]
    used_up = [reset for left, reset in limits if left is not None and left <= 0]
    untold = [reset for left, reset in limits if left is None]
    return max(used_up or untold, default=None)


def _limits(headers: Mapping[str, str]) -> Iterator[tuple[float | None, float | None]]:
    """For each limit in ``headers``: how much is left, and in how many seconds it is free again."""
    lower = {name.lower(): value for name, value in headers.items()}
    now = now_there(lower.get("date"))
    for name, value in lower.items():
        if name == "ratelimit":  # the IETF's: each limit with its name, or the only one
            for limit in value.split(","):
                told = dict(_TOLD.findall(limit))
                yield _number(told.get("r")), _number(told.get("t"))
        start = next((one for one in _LIMITS if name.startswith(one)), None)
        if start is None:
            continue
        if "-reset" in name:
            yield _number(lower.get(name.replace("-reset", "-remaining"))), _reset(value, now)
        elif "-remaining" in name and name.replace("-remaining", "-reset") not in lower:
            yield _number(value), None


def _reset(written: str, now: float) -> float | None:
    """Seconds from a length (``6m0s``, ``20``) or a moment (seconds or milliseconds of 1970, or ISO 8601)."""
    text = written.strip().lower()
    number = _number(text)
    if number is None:
        return _length(text) if text[:1].isdigit() and "t" not in text else _until(written, now)
    if number >= _EPOCH * 1000:
        return number / 1000 - now
    return number - now if number >= _EPOCH else number


def _until(written: str, now: float) -> float | None:
    try:
        moment = datetime.fromisoformat(written.strip())
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() - now


def _length(text: str) -> float | None:
    """The length of time at the start of a text: ``1.5s``, ``6m0s``, ``20 seconds``."""
    total, end = None, 0
    while (part := _PART.match(text, end)) is not None:
        unit = part[2] if part[2] in _UNITS else ("ms" if part[2].startswith("milli") else part[2][0])
        total = (total or 0.0) + float(part[1]) * _UNITS[unit]
        end = part.end() + (text[part.end() : part.end() + 1] == " ")
    return total


def _by_body(body: bytes) -> float | None:
    told = _error_in(body) or {}
    for detail in _list(told.get("details")):
        if isinstance(detail, dict) and isinstance(delay := detail.get("retryDelay"), str):
            return _length(delay)  # Google's
    metadata = told.get("metadata")
    inner = metadata.get("headers") if isinstance(metadata, dict) else None
    if isinstance(inner, dict):  # OpenRouter's, of whom it asked
        found = seconds_until_free({str(name).lower(): str(value) for name, value in inner.items()})
        if found is not None:
            return found
    text = body.decode("utf-8", "replace").lower()
    hints = (_length(text[hint.end() : hint.end() + 100]) for hint in _HINT.finditer(text))
    return next((one for one in hints if one is not None), None)


def _error_in(body: bytes) -> dict[str, object] | None:
    """The error in a body: the object under ``error``."""
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if isinstance(answer, list) and answer:  # Google's streams are lists
        answer = answer[0]
    error = answer.get("error") if isinstance(answer, dict) else None
    return error if isinstance(error, dict) else None


def _number(value: str | None) -> float | None:
    try:
        number = float(value or "")
    except ValueError:
        return None
    return number if abs(number) < 1e15 else None  # neither infinite nor NaN


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []
