"""Durations of many items, added up: the parts of the model that a running command needs too."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Histogram:
    """Counts over durations in buckets that grow by ``ratio``: bucket ``i`` is that from ``first * ratio**i``
    to ``first * ratio**(i + 1)`` seconds. ``ok`` and ``failed`` are aligned."""

    first: float
    ratio: float
    ok: list[int]
    failed: list[int]


@dataclass(frozen=True, slots=True)
class Durations:
    """How long something took, in seconds, over ``count`` items. ``total``, ``least`` and ``most`` are exact;
    the percentiles are too up to a thousand values, and within 1.1 % above."""

    count: int
    total: float
    least: float
    p50: float
    p90: float
    p95: float
    p99: float
    most: float
