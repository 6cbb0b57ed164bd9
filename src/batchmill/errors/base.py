"""The base of every error."""

from __future__ import annotations


class BatchmillError(Exception):
    """Base of all errors raised by batchmill."""
