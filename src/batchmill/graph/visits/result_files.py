"""The results of a batch node in files: where they go, and that nobody else uses these files meanwhile."""

from __future__ import annotations

import os
from functools import partial

from batchmill.batch.results.compression import packed_suffix
from batchmill.batch.results.jsonl import JsonlResults
from batchmill.batch.results.sinks import Errors
from batchmill.batch.results.staged import partial_of
from batchmill.batch.results.table_files import result_file
from batchmill.block import Block
from batchmill.errors import NodeError
from batchmill.file_table import Entry, place_of
from batchmill.graph.frame import NodeFrame
from batchmill.ir.models.batch import BatchSpec
from batchmill.ir.models.collect import CollectFile
from batchmill.template import compile_value
from batchmill.values import is_exact, shown, to_json
from batchmill.values.masking import Masker

ABANDONED_SECONDS = 5.0  # for which an attempt that was given up may go on writing a file


def results_in_files(to: CollectFile, around: NodeFrame, place: str) -> FileResults:
    """The results of the node at ``place``, in the files that ``to`` names. Raises what
    :func:`~batchmill.graph.visits.collecting.results_of` raises."""
    path = _path(to.form, to.path, around)
    if to.form == "parquet" and (suffix := packed_suffix(path)) is not None:
        message = f"batch.collect.parquet must not end in {suffix}: Parquet is compressed by itself"
        raise NodeError(message, retryable=False, type_name="InvalidResultsPath")
    errors_path = None if to.errors is None else _path("errors", to.errors, around)
    return FileResults(to, path, errors_path, around, f"`{place}`")


def files_gone(spec: BatchSpec, around: NodeFrame) -> list[str]:
    """The files of results that a finished batch has written and that are gone. Of one that failed a partial
    file is left. Raises what :func:`results_in_files` raises for a path that is none."""
    to = spec.collect_file
    if to is None:
        return []
    written = [_path(to.form, to.path, around)]
    written += [] if to.errors is None else [_path("errors", to.errors, around)]
    return [path for path in written if not (os.path.exists(path) or os.path.exists(partial_of(path)))]


def _path(key: str, written: str, around: NodeFrame) -> str:
    path = around.resolved(compile_value(written))
    if not isinstance(path, str) or not path:
        message = f"batch.collect.{key} must be a path, but {written} is {path!r}"
        raise NodeError(message, retryable=False, type_name="InvalidResultsPath")
    return os.path.expanduser(path)


class FileResults:
    """Results in files that no other part of the run reads or writes at the same time."""

    def __init__(
        self, to: CollectFile, path: str, errors_path: str | None, around: NodeFrame, by: str
    ) -> None:
        self._files = around.services.files
        self._entered: list[Entry | None] = []
        patience = ABANDONED_SECONDS if around.again else 0.0
        try:
            for file in (path, errors_path):
                if file is not None and place_of(file) is not None:
                    for one in (file, partial_of(file)):
                        self._entered.append(self._files.writing(one, by, again=around.again))
            columns = None if to.select is None else list(to.select)
            results = result_file(path, to.form, columns, patience=patience)
            text = partial(_text, around.masker)
            self._inner = JsonlResults(results, errors_path, text, patience=patience)
        except BaseException:
            self._leave(kept=False)
            raise

    def add(self, block: Block, errors: Errors) -> None:
        self._inner.add(block, errors)

    def close(self, *, complete: bool) -> None:
        kept = False
        try:
            self._inner.close(complete=complete)
            kept = complete
        finally:
            self._leave(kept=kept)

    def _leave(self, *, kept: bool) -> None:
        entered, self._entered = self._entered, []
        for entry in entered:
            self._files.done(entry, kept=kept)

    def outputs(self, count: int, *, complete: bool) -> dict[str, object]:
        return self._inner.outputs(count, complete=complete)


def _text(masker: Masker, entry: object) -> str:
    """An entry as JSON text. Items and outputs have a form there, or the item would have failed; the item of
    an error need not."""
    return to_json(masker.value(shown(entry)) if masker.knows_any or not is_exact(entry) else entry)
