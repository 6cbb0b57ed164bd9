"""All that is looked at, in the order it is told."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

from batchmill.doctor import cluster as clusters
from batchmill.doctor import interpreter, machine, packages, storage, terminal
from batchmill.doctor.finding import Finding


def examine(journal: Path, cluster: str | dict[str, object] | None = None) -> Iterator[Finding]:
    """Look at everything a run needs; takes about half a second, most of it a worker process's start. The
    ``cluster`` is looked at where one is named.

    Leaves nothing behind but the warm worker, which ends with this process.
    """
    yield from interpreter.findings()
    yield from machine.findings()
    yield from storage.findings(journal)
    yield from packages.findings()
    if cluster is not None:
        yield from clusters.findings(cluster)
    yield from terminal.findings(sys.stderr, os.environ)
