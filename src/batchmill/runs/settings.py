"""The settings of a run beyond the document and its inputs."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from batchmill.errors import InvalidSetting
from batchmill.executors.registry import executor_named
from batchmill.file_table import OwnFiles
from batchmill.graph.part import Part
from batchmill.ir.clusters import checked_cluster, written_cluster
from batchmill.policy.concurrency import MOST_CONCURRENT

if TYPE_CHECKING:  # it imports pydantic
    from batchmill.ir.models import Workflow

VARIABLE = "BATCHMILL_CLUSTER"

ALL: Final = "all"
"""A value for the limit that removes the limit of the resumed run."""


@dataclass(frozen=True, slots=True)
class RunSettings:
    """``executor`` and ``jobs`` (1 to 1000 items and nodes at once in the whole run) override those of batch
    nodes; ``jobs`` does not make a sequential batch parallel. ``limit`` (from 1) is the most items that any
    batch runs, None for all. ``own_files`` are files that the caller has read for the run or writes beside
    it, by path: the run must not write them. ``remembered`` is JSON that the journal
    saves for the caller beside ``executor``, ``jobs`` and ``limit``, such as the form of the output.
    ``cluster`` overrides the document's. ``part`` selects the nodes to run, None for all. Raises
    :class:`~batchmill.errors.InvalidSetting`."""

    executor: str | None = None
    jobs: int | None = None
    limit: int | None = None
    own_files: OwnFiles = field(default_factory=dict)
    remembered: Mapping[str, Any] = field(default_factory=dict)
    cluster: str | Mapping[str, Any] | None = None
    part: Part | None = None

    def __post_init__(self) -> None:
        checked_cluster(self.cluster)
        if self.jobs is not None and (type(self.jobs) is not int or not 1 <= self.jobs <= MOST_CONCURRENT):
            raise InvalidSetting(
                f"jobs must be a whole number from 1 to {MOST_CONCURRENT}, not {self.jobs!r}"
            )
        if self.limit is not None and (type(self.limit) is not int or self.limit < 1):
            raise InvalidSetting(f"limit must be a whole number from 1, not {self.limit!r}")
        if self.executor is None:
            return
        if not isinstance(self.executor, str):
            raise InvalidSetting(f"executor must be the name of one, not {self.executor!r}")
        executor_named(self.executor)


def cluster_of(settings: RunSettings, document: Workflow) -> str | dict[str, Any] | None:
    """The address of a run's cluster: from its caller, else the environment, else the document. Raises
    :class:`~batchmill.errors.InvalidSetting` if the environment names no valid place."""
    if settings.cluster is not None:
        return settings.cluster if isinstance(settings.cluster, str) else dict(settings.cluster)
    named = checked_cluster(written_cluster(os.environ.get(VARIABLE)))
    return document.cluster_setting if named is None else named
