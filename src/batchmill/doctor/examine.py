"""The whole examination, in the order of its report."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

from batchmill.doctor import cluster as clusters
from batchmill.doctor import interpreter, machine, packages, storage, terminal
from batchmill.doctor.finding import CheckResult


def examine(journal: Path, cluster: str | dict[str, object] | None = None) -> Iterator[CheckResult]:
    """Check everything a run needs; takes about half a second, most of it the start of a worker process. The
    ``cluster`` is checked if one is named.

    Leaves only the warm worker, which ends with this process.
    """
    yield from interpreter.findings()
    yield from machine.findings()
    yield from storage.findings(journal)
    yield from packages.findings()
    if cluster is not None:
        yield from clusters.findings(cluster)
    yield from terminal.findings(sys.stderr, os.environ)
