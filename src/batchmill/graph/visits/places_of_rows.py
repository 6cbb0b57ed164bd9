"""Whether a batch needs the places of its rows: only then do items carry them."""

from __future__ import annotations

from batchmill.ir.models import NodeSpec
from batchmill.ir.references import texts_in
from batchmill.step import SOURCE_KEY
from batchmill.template.presence import is_large, may_hold_templates


def asks_for_source(spec: NodeSpec) -> bool:
    """Whether any template of a batch node refers to the place that an item was read from."""
    if spec.batch is None:
        return False
    to = spec.batch.collect_file
    of_node = (dict(spec.params), spec.when, list(spec.files), spec.keep)
    of_batch = (spec.batch.where, to and dict(to.select or {}))
    return any(_mentions(value) for value in (*of_node, *of_batch))


def _mentions(value: object) -> bool:
    if is_large(value) and not may_hold_templates(value):
        return False
    return any(SOURCE_KEY in text for _, text, _ in texts_in(value, ()))
