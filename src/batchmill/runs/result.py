"""What a run gives back: status, outputs, what each node did, errors and recorded calls, as plain data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from batchmill.journal.contract import RUN_SCHEMA as SCHEMA
from batchmill.lists import materialize

RunStatus = Literal["success", "degraded", "failed", "waiting"]


@dataclass(frozen=True, slots=True)
class RunResult:
    """One finished run. Everything in it is plain JSON data (:mod:`batchmill.values` has the rule).

    ``run`` is the run's short name. ``status`` is ``success``, ``degraded`` (items failed under
    ``continue``, an ``error`` edge was taken, or a template stayed unresolved in permissive mode),
    ``failed``, or ``waiting`` (nothing is wrong, and the run is to be resumed once a service has answered the
    batches in ``waiting``). ``outputs`` holds the document's declared outputs; where it declares none, the
    outputs of the node that ran last. A failed run, and one that waits, has those of them that could be
    resolved.

    ``nodes`` says per node that ran ``type``, ``status``, ``wall`` (seconds, over all visits), ``visits``
    and, for a batch, its counts and how it was run; nodes of sub-workflows are there by their addresses,
    such as ``flow.fetch``, those within items excepted. ``errors`` lists every error with ``node``,
    ``index``, ``item``, ``type``, ``message``, ``attempts`` and ``kind``, in the order the nodes ran and in
    index order within a batch; items that never started are not among them. ``index`` is None where the
    error is not that of an item, ``node`` where it is not that of a node. ``llm_calls`` are the recorded
    calls in item order. ``warnings`` are what the document says, or the run did, and hardly means, as the
    fields of :class:`~batchmill.warned.Warned`. Lists of more than 10,000 entries, in ``outputs`` too, may be
    :class:`~batchmill.lists.LazyList`, which reads and compares like a list. ``timing`` has ``started_at``
    (seconds since the epoch) and ``wall``.

    ``interrupted`` says that the run was stopped from outside; its status is ``failed`` then, and
    ``stopped_by`` has what the one who stopped it gave as the reason.
    ``resumed`` has the counts of a resumed run: items and nodes ``kept``, ``redone``, ``new``, ``changed``
    and ``gone``. ``changed_by`` names, by node, what had changed in it: params, ``its code``, ``its items``,
    and so on; ``spent_before`` has the ``calls``, ``tokens`` and ``cost`` of the earlier passes, None where
    they made no calls, and ``llm_calls`` has those of all passes. ``journal`` is the file the run is kept in,
    None where it is in none. ``untouched`` says that the run had finished before and nothing was to be done.
    ``limit`` says in words which budget stopped the run, None where none did.
    ``waiting`` has of each batch that is waited for the service's id for it (``batch``), its ``status``, how
    many ``requests`` it has and how many are ``answered``, ``model``, ``server`` and ``submitted_at``.
    ``environment`` says that the run failed by its surroundings (an unreadable source, a full disk, an
    executor that cannot start here), not by what its nodes did.
    """

    run: str
    status: RunStatus
    outputs: dict[str, Any] = field(default_factory=dict)
    nodes: dict[str, dict[str, Any]] = field(default_factory=dict)
    errors: Sequence[dict[str, Any]] = field(default_factory=list)
    warnings: Sequence[dict[str, Any]] = field(default_factory=list)
    llm_calls: Sequence[Any] = field(default_factory=list)
    timing: Mapping[str, float] = field(default_factory=dict)
    interrupted: bool = False
    stopped_by: str = ""
    environment: bool = False
    limit: str | None = None
    resumed: Mapping[str, int] | None = None
    journal: str | None = None
    untouched: bool = False
    spent_before: Mapping[str, Any] | None = None
    changed_by: Mapping[str, Sequence[str]] = field(default_factory=dict)
    waiting: Sequence[Mapping[str, Any]] = ()

    @property
    def ok(self) -> bool:
        """Whether the run has come to its end and did not fail; a degraded run is ok."""
        return self.status not in ("failed", "waiting")

    def as_json(self) -> dict[str, Any]:
        """The run as the one object that ``--json`` prints, with all its lists in memory."""
        whole: dict[str, Any] = materialize(self.as_object())
        return whole

    def as_object(self) -> dict[str, Any]:
        """The same with large lists as they are, to be written without being held."""
        return {
            "schema": SCHEMA,
            "run": self.run,
            "status": self.status,
            "outputs": self.outputs,
            "nodes": self.nodes,
            "errors": self.errors,
            "warnings": self.warnings,
            "llm_calls": self.llm_calls,
            "timing": dict(self.timing),
            **({"waiting": list(self.waiting)} if self.waiting else {}),
            **({} if self.resumed is None else {"resumed": self._resumed()}),
        }

    def _resumed(self) -> dict[str, Any]:
        told: dict[str, Any] = dict(self.resumed or {})
        if self.changed_by:
            told["changed_by"] = {node: list(names) for node, names in self.changed_by.items()}
        if self.spent_before is not None:
            told["spent_before"] = dict(self.spent_before)
        return told
