"""Files that a run writes about itself when it has ended: ``--report``, ``--trace`` and the like."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from batchmill.cli.journals import Found
from batchmill.cli.outputs import temporary_folder
from batchmill.errors import StorageError
from batchmill.file_table import OwnFile, Use
from batchmill.journal.contract import RunRecord
from batchmill.journal.journal import Journal

FILES = {
    "report": "Write a page about the run (extra `report`).",
    "trace": "Write a trace of the run for Perfetto; FILE may end in .gz.",
    "summary": "Add a summary in Markdown to FILE when the run has ended.",
    "metrics": "Write OpenMetrics text of the run, for Prometheus' textfile collector.",
    "joblog": "Write GNU parallel's log of jobs, with a line for each item.",
}
"""The options by name, with their help. The ``joblog`` of ``map`` is its own: it grows while items end."""
KEPT = "at_the_end"


@dataclass(frozen=True)
class FilesAtTheEnd:
    """The files by the options that ask for them, and the ``journal`` that records the run: its own, or a
    temporary one if the run is not kept but files are requested. The writers are imported only if there are
    any files, because most runs have none and should start sooner. Paths are absolute: a run that is resumed
    works in its own folder."""

    files: Mapping[str, str] = field(default_factory=dict)
    journal: Journal | None = None

    @classmethod
    @contextmanager
    def asked(cls, options: Mapping[str, str | None], journal: Journal | None) -> Iterator[FilesAtTheEnd]:
        """The files that options ask for; ``journal`` is that of the run. Raises
        :class:`~batchmill.errors.MissingExtra` now rather than after the run, and
        :class:`~batchmill.errors.StorageError`."""
        asked = {name: file for name in FILES if (file := options.get(name)) is not None}
        files = {name: os.path.abspath(os.path.expanduser(file)) for name, file in asked.items()}
        if files:
            _writers().require(files)
        if journal is not None or not files:
            yield cls(files, journal)
            return
        with temporary_folder("the figures of the run") as folder:
            yield cls(files, Journal(os.path.join(folder, "run.sqlite"), temporary=True))

    @property
    def written(self) -> list[tuple[str, OwnFile]]:
        """Paths with what they are, also those that two options name."""
        return [(file, _at_the_end(f"the file of --{name}")) for name, file in self.files.items()]

    @property
    def own_files(self) -> dict[str, OwnFile]:
        """The same by path."""
        return dict(self.written)

    def remembered(self) -> dict[str, object]:
        """The setting of a run that makes its further passes know these files."""
        return {KEPT: {path: file.words for path, file in self.written}} if self.files else {}

    def write(self, run: str) -> None:
        """Raises :class:`~batchmill.errors.StorageError`."""
        if not self.files or self.journal is None:
            return
        from batchmill.journal.reading import Reader

        with Reader(self.journal) as reader:
            _writers().write_at_the_end(self.files, Found(reader, reader.run(run), 0))
        if self.journal.temporary and self.journal.fault is not None:
            names = " and ".join(f"--{name}" for name in self.files)
            raise StorageError(f"{names} would not cover the whole run: {self.journal.fault}")


NO_FILES = FilesAtTheEnd()


def kept_files(run: RunRecord) -> dict[str, OwnFile]:
    """The files of earlier passes of a run, by path."""
    return {path: _at_the_end(words) for path, words in (run.settings.get(KEPT) or {}).items()}


def _at_the_end(words: str) -> OwnFile:
    return OwnFile(words, Use.AT_THE_END)


def _writers() -> Any:
    return import_module("batchmill.cli.report_files")
