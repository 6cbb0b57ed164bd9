"""The result of a run: status, outputs, node reports, errors and recorded calls, as plain data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from batchmill.journal.contract import RUN_SCHEMA as SCHEMA
from batchmill.lists import materialize

RunStatus = Literal["success", "degraded", "failed", "waiting"]
NOT_LOOKED_AT = "not-looked-at"
"""Code of a warning: it is unknown whether the files of a finished run have changed."""


@dataclass(frozen=True, slots=True)
class RunResult:
    """The result of one run. Everything in it is plain JSON data (see :mod:`batchmill.values`).

    - ``run``: the run's short name.
    - ``status``: ``success``; ``degraded`` (items failed under ``continue``, an ``error`` edge was taken, or
      a template stayed unresolved in permissive mode); ``failed``; or ``waiting`` (nothing is wrong: resume
      the run once a service has answered the batches in ``waiting``).
    - ``outputs``: the document's declared outputs; if it declares none, those of the node that ran last. A
      failed or waiting run has those that could be resolved.
    - ``nodes``: for each node that ran: ``type``, ``status``, ``wall`` (seconds, over all visits), ``visits``
      and, for a batch, its counts and how it ran. Nodes of sub-workflows have addresses such as
      ``flow.fetch``; those inside items are left out.
    - ``errors``: every error with ``node``, ``index``, ``item``, ``type``, ``message``, ``attempts`` and
      ``kind``, in the order the nodes ran and in index order within a batch, without items that never
      started. ``index`` is None if the error is not an item's, ``node`` if it is not a node's.
    - ``llm_calls``: the recorded calls in item order, of all passes.
    - ``warnings``: likely mistakes in the document or the run, as the fields of
      :class:`~batchmill.warned.Warned`.
    - ``timing``: ``started_at`` (seconds since the epoch) and ``wall`` (seconds).
    - ``interrupted``: True if the run was stopped from outside; ``status`` is then ``failed``, and
      ``stopped_by`` the reason that the caller gave.
    - ``resumed``: the counts of a resumed run: items and nodes ``kept``, ``redone``, ``new``, ``changed`` and
      ``gone``. ``changed_by``: by node, what had changed: params, ``its code``, ``its items``, and so on.
    - ``spent_before``: ``calls``, ``tokens`` and ``cost`` of the earlier passes, None if they made no calls;
      with ``estimated`` calls and their ``estimated_cost`` if there are any.
    - ``journal``: the file that holds the run, None if there is none.
    - ``untouched``: True if the run had finished before and there was nothing to do.
    - ``limit``: the budget that stopped the run, in words; None if none did.
    - ``waiting``: for each pending batch the service's id (``batch``), its ``status``, the numbers of
      ``requests`` and of those ``answered``, ``model``, ``server``, ``submitted_at`` and ``why``: what kept
      this run from the service's answers, empty if nothing did.
    - ``environment``: True if the run failed because of its environment (an unreadable source, a full disk,
      an executor that cannot start here), not because of its nodes.

    Lists of more than 10,000 entries, also in ``outputs``, may be :class:`~batchmill.lists.LazyList`, which
    reads and compares like a list.
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
        """Whether the run has ended and did not fail; a degraded run is ok."""
        return self.status not in ("failed", "waiting")

    def as_json(self) -> dict[str, Any]:
        """The object that ``--json`` prints, with all its lists in memory."""
        whole: dict[str, Any] = materialize(self.as_object())
        return whole

    def as_object(self) -> dict[str, Any]:
        """The same object, but large lists stay lazy, for writing it without holding it in memory."""
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
