"""The result of one visit of a node, and its report to the run."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Literal

from batchmill.errors import ExecutorUnavailable, MissingExtra, StorageError
from batchmill.lists import flattened, joined
from batchmill.nodes import DEFAULT_ACTION
from batchmill.outcome import ErrorInfo, Outcome
from batchmill.record import LLMCall
from batchmill.step import Unresolved
from batchmill.warned import Warned, Warnings


@dataclass(frozen=True, slots=True)
class SubReport:
    """The report of a sub-workflow to the run around it: the calls that were recorded inside, entries of
    errors that did not fail it, with the full address of their nodes, whether it ended degraded, whether its
    surroundings failed it, and its secrets. ``reports`` are those of the nodes inside, by address; none for
    an item of a batch. ``warnings`` are those of the nodes inside. ``known`` says that nothing was run
    inside: the journal had all outcomes."""

    calls: Sequence[Any] = ()
    errors: Sequence[dict[str, Any]] = ()
    degraded: bool = False
    environment: bool = False
    secrets: tuple[str, ...] = ()
    reports: Mapping[str, object] = field(default_factory=dict)
    warnings: tuple[Warned, ...] = ()
    known: bool = False


Recorded = tuple[int | None, Sequence[Any]]
"""The records of an item's attempts, with its index, None if it is no item of a batch."""

VisitStatus = Literal["success", "degraded", "failed", "cancelled", "skipped", "waiting"]

ENVIRONMENT = (StorageError, ExecutorUnavailable, MissingExtra, OSError)


@dataclass(slots=True)
class NodeRun:
    """One run of a node with all its attempts, items or iterations.

    ``failure`` says why the node failed, None if it did not. ``outputs`` go into the namespace in either
    case; after a failure templates may rely on those named in ``present``. ``errors`` are plain entries as a
    run lists them, without the node. ``batch`` is the summary of a batch node. ``stopped`` says that the
    visit was cut short from outside, ``environment`` that the machine failed it, not the document.
    ``ended_by`` is the node whose failure ended this one, which ran beside it and has not failed itself.
    ``void`` says that it counts as a node that never began, ``skipped`` that its condition is false,
    ``waiting`` that it has not failed, but waits for a service.

    ``inner_errors`` are entries of sub-workflows, each with its ``node``; they make the visit ``degraded``,
    and so does a sub-workflow that ended degraded. ``degraded_items`` counts such items. ``cause`` is the
    error that failed the visit, with the full address of its origin. ``secrets`` are texts from inside that
    must not be shown, ``inner_reports`` the reports of the nodes inside, by address. ``warnings`` are its own
    and those of nodes inside, each kind once.
    """

    outputs: dict[str, Any] = field(default_factory=dict)
    action: str = DEFAULT_ACTION
    failure: str | None = None
    present: frozenset[str] = frozenset()
    errors: Sequence[dict[str, Any]] = ()
    records: Sequence[Any] = ()
    unresolved: tuple[str, ...] = ()
    batch: dict[str, Any] | None = None
    retries: int = 0
    stopped: bool = False
    environment: bool = False
    ended_by: str | None = None
    void: bool = False
    skipped: bool = False
    waiting: bool = False
    degraded: bool = False
    degraded_items: int = 0
    inner_errors: Sequence[dict[str, Any]] = ()
    cause: ErrorInfo | None = None
    secrets: tuple[str, ...] = ()
    inner_reports: list[tuple[str, Any]] = field(default_factory=list)
    warnings: tuple[Warned, ...] = ()

    @property
    def failed(self) -> bool:
        return self.failure is not None

    @property
    def status(self) -> VisitStatus:
        if self.waiting:
            return "waiting"
        if self.failed:
            return "failed"
        if self.skipped:
            return "skipped"
        if self.ended_by is not None:
            return "cancelled"
        return "degraded" if self.errors or self.unresolved or self.degraded else "success"

    def blame(self, error: ErrorInfo, place: str) -> None:
        """Set the cause. For an error inside a sub-workflow, keep its address and its message."""
        known = bool(error.address)
        self.cause = error if known else replace(error, address=place, message=f"{place}: {error.message}")

    def add_records(self, recorded: Sequence[Recorded], node: str) -> None:
        """Sort the records of attempts into calls and unresolved references.

        ``recorded`` has the records of each item with its index, None in a node that is no batch. A call that
        does not name its node and item gets both. Records of many items are not held in memory.
        """
        unresolved = dict.fromkeys(self.unresolved)
        secrets = dict.fromkeys(self.secrets)
        warnings = Warnings()
        for index, records in recorded:
            for record in records:
                if isinstance(record, Unresolved):
                    unresolved.update(dict.fromkeys(record.references))
                elif isinstance(record, Warned):
                    warnings.add(replace(record, node=node if index is None else f"{node}[{index}]"))
                elif isinstance(record, SubReport):
                    self._add_report(record)
                    self.degraded_items += record.degraded and index is not None
                    secrets.update(dict.fromkeys(record.secrets))
                    for warned in record.warnings:
                        warnings.add(warned)
        self.unresolved, self.secrets = tuple(unresolved), tuple(secrets)
        self.warnings += warnings.listed()
        self.records = joined([self.records, flattened(recorded, partial(_calls, node))])
        self.inner_errors = joined([self.inner_errors, flattened(recorded, _inner_errors)])

    def warned(self) -> Iterator[Warned]:
        """Its warnings, with one for each reference that was left unresolved."""
        yield from self.warnings
        for reference in self.unresolved:
            yield left_as_written(reference)

    def leave_open(self, left: LeftOpen | None) -> None:
        """Add the references that were left unresolved outside of params."""
        if left is not None:
            self.unresolved = tuple(dict.fromkeys([*left.references(), *self.unresolved]))

    def without_outputs(self) -> NodeRun:
        """Its calls, errors and other reports, which are small, without its outputs."""
        return replace(self, outputs={}, errors=[])

    def tell_instead(self, visits: Iterable[NodeRun]) -> None:
        """Merge the reports of several visits, except outputs and errors, in their order."""
        told = list(visits)
        self.records = joined(visit.records for visit in told)
        self.unresolved = tuple(dict.fromkeys(one for visit in told for one in visit.unresolved))
        self.inner_errors = joined(visit.inner_errors for visit in told)
        self.degraded = any(visit.degraded for visit in told)
        self.secrets = tuple(one for visit in told for one in visit.secrets)
        self.inner_reports = [one for visit in told for one in visit.inner_reports]
        self.warnings = tuple(dict.fromkeys(one for visit in told for one in visit.warnings))

    def _add_report(self, report: SubReport) -> None:
        self.degraded |= report.degraded
        self.environment |= report.environment
        self.inner_reports += report.reports.items()


def left_as_written(reference: str, path: str = "") -> Warned:
    """The warning about a reference that was left unresolved."""
    return Warned("unresolved", f"{reference} could not be resolved and stays as written", path=path)


class LeftOpen:
    """References that one visit of a node left unresolved, each once, in the order in which they were found.

    Concurrency: any thread may add some, such as one that asks whether an item is chosen; ``_lock`` guards
    them.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._found: dict[str, None] = {}

    def add(self, references: Iterable[str]) -> None:
        with self._lock:
            self._found.update(dict.fromkeys(references))

    def references(self) -> list[str]:
        with self._lock:
            return list(self._found)


def _calls(node: str, recorded: Recorded) -> Sequence[object]:
    """The calls among the records of an item of ``node``, including those of sub-workflows."""
    index, records = recorded
    return joined(_calls_of(record, node, index) for record in records)


def _calls_of(record: object, node: str, index: int | None) -> Sequence[object]:
    if isinstance(record, SubReport):
        return record.calls
    return () if isinstance(record, (Unresolved, Warned)) else (signed(record, node, index),)


def _inner_errors(recorded: Recorded) -> Sequence[dict[str, Any]]:
    """The error entries that sub-workflows reported of an item."""
    return joined(record.errors for record in recorded[1] if isinstance(record, SubReport))


def signed(record: object, node: str, index: int | None) -> Any:
    """A record of a call with its node and item, if it does not name them already."""
    if isinstance(record, LLMCall):
        own = record.index if record.index is not None else index
        return replace(record, node=record.node or node, index=own)
    if isinstance(record, dict):
        return {"node": node, **({} if index is None else {"index": index}), **record}
    return record


def error_entry(error: ErrorInfo, attempts: int) -> dict[str, object]:
    """An error that belongs to no item, with the keys of an item's error."""
    outcome = Outcome(0, error=error, attempts=attempts)
    return {**outcome.as_error(None), "index": None}


def failed_visit(error: ErrorInfo, attempts: int = 0, diagnostics: Iterable[str] = ()) -> NodeRun:
    """The visit of a node that failed as a whole.

    Its outputs are those that the node reported and ``error``, the message; templates may rely on ``error``
    and on the outputs named in ``diagnostics``.
    """
    return NodeRun(
        outputs={"error": error.message, **error.outputs},
        failure=f"{error.type}: {error.message}",
        present=frozenset({"error", *diagnostics}),
        errors=[error_entry(error, attempts)],
        environment=error.type == MissingExtra.__name__,
    )


def error_of(fault: BaseException) -> ErrorInfo:
    """A fault outside any attempt as an error, by the name that it gives itself."""
    return ErrorInfo(getattr(fault, "type_name", type(fault).__name__), str(fault), retryable=False)


def faulty_visit(fault: BaseException, place: str) -> NodeRun:
    """The visit of the node at ``place`` that failed outside any attempt: unreadable items, an executor that
    cannot start, a loop whose condition does not resolve."""
    info = error_of(fault)
    visit = failed_visit(info)
    visit.environment = isinstance(fault, ENVIRONMENT)
    visit.blame(info, place)
    return visit


def cut_short(visit: NodeRun, name: str) -> NodeRun:
    """The visit of a node that the failure of another one cut short: neither failed nor complete."""
    errors = [entry for entry in visit.errors if entry["index"] is not None]
    outputs = {key: value for key, value in visit.outputs.items() if key != "error"}
    return replace(visit, ended_by=name, failure=None, stopped=False, errors=errors, outputs=outputs)
