"""The results of the nodes before a part of a document, from the journal, matched by content.

The nodes are walked as in a rehearsal, without running or writing anything. An outcome may come from any run.
"""

from __future__ import annotations

from dataclasses import replace

from batchmill.graph.compile.plan import Plan
from batchmill.graph.frame import NodeFrame
from batchmill.graph.part import before
from batchmill.graph.visits.record_codec import CODEC
from batchmill.journal.journal import Journal
from batchmill.journal.runlog import SqliteRunLog
from batchmill.runs.ledger import addresses
from batchmill.step.namespace import NodeOutputs
from batchmill.values.masking import Masker


def recall(plan: Plan, around: NodeFrame, log: SqliteRunLog | None, masker: Masker) -> None:
    """Enter what is known of the nodes before a part into the namespace."""
    names = before(plan)
    if log is None or plan.whole is None or not names:
        return
    # most runs are of whole documents
    from batchmill.graph.rehearsal import Rehearsal
    from batchmill.journal.rehearsing import recalled

    known = recalled(Journal(log.path), log.run, CODEC, masker, addresses(plan))
    try:
        rehearsal = Rehearsal()
        services = replace(around.services, rehearsal=rehearsal, items=None)
        inside = replace(around, log=known, services=services)
        for name in names:
            planned = plan.whole.nodes.get(name)
            if planned is None:  # a gate
                continue
            visit = rehearsal.visit(planned, inside)
            if not visit.failed:
                around.namespace.set(name, NodeOutputs(visit.outputs))
    finally:
        known.close()
