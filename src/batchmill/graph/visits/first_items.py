"""The warning that ``--limit`` ran only the first items of a batch."""

from __future__ import annotations

from batchmill.graph.frame import NodeFrame
from batchmill.ir.models.batch import BatchSpec
from batchmill.warned import Warned

CODE = "limited"
HINT = "`batchmill resume RUN --limit all` runs the others too"


def first_items(spec: BatchSpec, around: NodeFrame, count: int) -> Warned | None:
    """The notice for a batch that ended with ``count`` items, or groups of them; None if the limit of the run
    left nothing out. It does not check whether there are more items, because they may not exist yet."""
    limit = around.services.limit
    if limit is None or (spec.limit is not None and spec.limit <= limit):
        return None
    if count < -(-limit // (spec.batch_size or 1)):
        return None
    items = "item was" if limit == 1 else f"{limit:,} items were"
    return Warned(CODE, f"no more than the first {items} run, as `--limit {limit}` asks for", HINT)
