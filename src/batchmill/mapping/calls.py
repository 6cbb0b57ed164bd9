"""The implementation of ``map`` and its variants."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from batchmill.batch.results.batch_result import BatchResult
from batchmill.mapping.functions import as_star_task, as_task
from batchmill.mapping.keywords import chosen
from batchmill.mapping.mapped import Mapped
from batchmill.mapping.stream import Stream

Given = Mapping[str, Any]


def of_map(function: Any, items: Iterable[Any], given: Given, unknown: Given) -> BatchResult[Any]:
    """Implements :func:`batchmill.map`; ``given`` are its arguments."""
    return Mapped(as_task(function), items, chosen(given, "map()", unknown)).result()


def of_starmap(function: Any, items: Iterable[Any], given: Given) -> BatchResult[Any]:
    """Implements :func:`batchmill.starmap`; ``given`` are its settings."""
    return Mapped(as_star_task(function), items, chosen(given, "starmap()")).result()


def of_imap(function: Any, items: Iterable[Any], given: Given, unknown: Given) -> Stream[Any]:
    """Implements :func:`batchmill.imap`; ``given`` are its arguments."""
    settings = chosen(given, "imap()", unknown)
    return Mapped(as_task(function), items, settings).stream(given["ordered"], given["indexed"])
