"""Where the groups of a batch can be read again, so that the journal need not store them."""

from __future__ import annotations

import os

from batchmill.graph.frame import NodeFrame
from batchmill.ir.models.batch import BatchSpec
from batchmill.items.again import AGAIN, CHOICE
from batchmill.items.sources import ChunkedIterable
from batchmill.journal.encoding import encode


def source_again(spec: BatchSpec, items: object, around: NodeFrame) -> str | None:
    """The arguments of :class:`~batchmill.items.again.Again` for groups of rows, as JSON; None if they cannot
    be read again: those of a pipe, or chosen by a condition, which may refer to anything."""
    kind = spec.items_kind
    if kind not in AGAIN or spec.batch_size is None or spec.where is not None:
        return None
    if not isinstance(items, ChunkedIterable) or items.live:
        return None
    files = [os.path.abspath(one) for one in items.files if isinstance(one, str)]
    choice = {name: getattr(spec, name) for name in CHOICE}
    return encode(
        {
            "source": {kind: files, **spec.items_options},
            "keep_bad": spec.bad_rows == "error",
            "choice": {**choice, "first": around.services.limit},
        }
    )
