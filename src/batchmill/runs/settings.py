"""What a caller may say about a run beyond the document and its inputs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from batchmill.batch import BatchSettings
from batchmill.executors.choose import executor_named


@dataclass(frozen=True, slots=True)
class RunSettings:
    """``executor`` and ``jobs`` (1 to 1000 items and nodes at work at once in the whole run) take the place
    of what batch nodes say; ``jobs`` does not make a sequential batch parallel.
    ``remembered`` is JSON that the journal keeps for the caller beside them: the form of the output, say.
    Raises :class:`~batchmill.errors.InvalidSetting`."""

    executor: str | None = None
    jobs: int | None = None
    remembered: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        BatchSettings(max_concurrent=self.jobs)
        if self.executor is not None:
            executor_named(self.executor)
