"""Where a command looks for runs: in the journal that you name, or in those of the working folder."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from batchmill.errors import StorageError, UnknownRun
from batchmill.journal.contract import RunRecord
from batchmill.journal.journal import LAST, Journal, chosen, chosen_to_resume
from batchmill.journal.places import all_map_journals, default_journals, maps_folder, own_map_journal

if TYPE_CHECKING:  # a run that is only written reads no journal
    from batchmill.journal.reading import Reader

VARIABLE = "BATCHMILL_JOURNAL"


class Found(NamedTuple):
    """A run, the reader of its journal, and the number of later runs."""

    reader: Reader
    run: RunRecord
    runs_ago: int

    @property
    def journal(self) -> Journal:
        return self.reader.journal


class Journals:
    """The journal at ``path``, or by default those of the working folder, of documents and of ``map``.

    A context manager that closes what it opened; with ``only_read`` it cannot write. Used by one thread.
    Raises :class:`~batchmill.errors.StorageError` if there is no journal.
    """

    def __init__(self, path: str | None, *, only_read: bool = False) -> None:
        self._path, self._only_read = path, only_read
        self._opened = ExitStack()
        here = default_journals(working_folder()) if path is None else (Path(path),)
        self._readers = [self._reader(one) for one in here if one.exists()]

    def __enter__(self) -> Journals:
        return self

    def __exit__(self, *error: object) -> None:
        self._opened.close()

    def _reader(self, path: Path) -> Reader:
        from batchmill.journal.reading import Reader

        if self._path is None and path.parent == maps_folder():
            own_map_journal(working_folder())  # which complains of one that others can write
        return self._opened.enter_context(Reader(Journal(path), only=self._only_read))

    def runs(self) -> list[Found]:
        """All runs, the latest first."""
        if not self._readers:
            if self._path is not None:
                raise StorageError(f"there is no journal {self._path}; --journal PATH names another one")
            here = default_journals(working_folder())[0]
            raise StorageError(
                f"no run of this folder is saved: there is no journal {here}, and none of `map`; "
                "go to the folder where you started the run, or name its journal with --journal PATH"
            )
        found = [(reader, run) for reader in self._readers for run in reader.runs()]
        found.sort(key=lambda one: one[1].started_at, reverse=True)
        return [Found(*one, runs_ago) for runs_ago, one in enumerate(found)]

    def run(self, name: str) -> Found:
        """The run that ``name`` means; see :func:`~batchmill.journal.journal.chosen`. One of ``map`` in
        another folder is found by its name, too."""
        return self._chosen(name, lambda runs: chosen(runs, name))

    def to_watch(self, name: str | None) -> Found:
        """The run called ``name``; with None the latest running one, or the latest of all."""
        if name is not None:
            return self.run(name)
        found = self.runs()
        return next((one for one in found if one.run.status == "running"), None) or self.run(LAST)

    def to_resume(self, name: str | None, failed_only: bool = False) -> Found:
        """The run to continue; see :func:`~batchmill.journal.journal.chosen_to_resume`."""
        return self._chosen(name, lambda runs: chosen_to_resume(runs, name, failed_only))

    def _chosen(self, name: str | None, choose: Callable[[Sequence[RunRecord]], RunRecord]) -> Found:
        try:
            found = self.runs()
            wanted = choose([one.run for one in found])
        except (UnknownRun, StorageError) as fault:
            elsewhere = self._elsewhere(name)
            if elsewhere is None:
                raise fault
            return elsewhere
        return next(one for one in found if one.run is wanted)

    def _elsewhere(self, name: str | None) -> Found | None:
        """The run with this very id in the journals of ``map`` of other folders, or the latest that its
        caller gave this name."""
        if self._path is not None or name is None or name == LAST:
            return None
        called: list[Found] = []
        for path in all_map_journals():
            reader = self._reader(path)
            for runs_ago, run in enumerate(reader.runs()):
                if run.name == name:
                    return Found(reader, run, runs_ago)
                if run.label == name:
                    called.append(Found(reader, run, runs_ago))
        return max(called, key=lambda one: one.run.started_at, default=None)


def working_folder() -> str:
    """The working folder of this process; the system's root if it was removed."""
    try:
        return os.getcwd()
    except OSError:
        return os.sep


def is_found(journal: str, folder: str) -> bool:
    """Whether ``resume`` finds a run of this journal by its name, called in ``folder`` without further
    options."""
    named = os.environ.get(VARIABLE)
    if named:
        return os.path.abspath(os.path.join(folder, named)) == journal
    return journal == str(default_journals(folder)[0]) or os.path.dirname(journal) == str(maps_folder())
