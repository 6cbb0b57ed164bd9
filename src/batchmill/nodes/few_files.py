"""The warning that calls wait because this process may open no more connections."""

from __future__ import annotations

from batchmill.attempt import Attempt

FEW_FILES = "few-files"


def warn_of_few_files(attempt: Attempt, most: int) -> None:
    """Say that no more than ``most`` calls run at once, and what to do."""
    attempt.warn(
        FEW_FILES,
        f"{most:,} calls run at once, as this process may open no more connections",
        "raise the limit of open files before the run, for example with `ulimit -n 16384`",
    )
