"""Files about a run that it is to leave when it has ended: ``--report``, ``--trace`` and the like."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

import click

from batchmill.cli.journals import Journals
from batchmill.journal.journal import Journal

FILES = {
    "report": "Write a page about the run (extra `report`).",
    "trace": "Write a trace of the run for Perfetto; FILE may end in .gz.",
    "summary": "Add a summary in Markdown to FILE when the run has ended.",
    "metrics": "Write OpenMetrics text of the run, for Prometheus' textfile collector.",
}
"""The options by name, with their help."""


@dataclass(frozen=True)
class FilesAtTheEnd:
    """The files by the options that ask for them. What writes them is imported where there are any: most runs
    have none, and begin sooner."""

    files: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def asked(cls, options: Mapping[str, str | None], journal: Journal | None) -> FilesAtTheEnd:
        """Those that options ask for. Raises :class:`click.UsageError` without a ``journal``, of which they
        are made, and :class:`~batchmill.errors.MissingExtra` now rather than after the run."""
        files = {name: file for name in FILES if (file := options.get(name)) is not None}
        if not files:
            return cls()
        if journal is None:
            raise click.UsageError(f"--{next(iter(files))} is made of the journal: leave --no-journal out")
        _writers().require(files)
        return cls(files)

    def write(self, journal: Journal | None, run: str) -> None:
        """Raises :class:`~batchmill.errors.StorageError`."""
        if self.files and journal is not None:
            with Journals(str(journal.path)) as journals:
                _writers().write_at_the_end(self.files, journals.run(run))


def _writers() -> Any:
    return import_module("batchmill.cli.report_files")
