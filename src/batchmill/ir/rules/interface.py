"""Declared inputs and outputs: defaults of the type, sound schemas, outputs that can be something."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from batchmill.ir.faults import Fault, did_you_mean
from batchmill.ir.json_types import is_type, type_words
from batchmill.ir.models import InputSpec, OutputSpec
from batchmill.ir.outline import Outline
from batchmill.ir.value_schema import schema_fault, value_faults
from batchmill.values.words import kind_of


def interface_faults(outline: Outline) -> Iterator[Fault]:
    """Faults of the declared inputs and outputs."""
    from_stdin: list[str] = []
    for name, spec in outline.inputs.items():
        if spec is not None:
            yield from _input_faults(name, spec)
            from_stdin += [name] if spec.stdin else []
    for name in from_stdin[1:]:
        message = f"standard input already goes to `{from_stdin[0]}`"
        yield Fault(("inputs", name, "stdin"), message, "only one input can take it")
    yield from _second_readers(outline, from_stdin[:1])
    for name, output in outline.outputs.items():
        yield from _output_faults(name, output, outline)


def _second_readers(outline: Outline, takers: list[str]) -> Iterator[Fault]:
    """Batch nodes that read what somebody else has read to its end."""
    for node in outline.all_nodes:
        batch = node.spec.batch if node.spec is not None else None
        if batch is None or batch.items_kind != "stdin":
            continue
        if takers:
            message = f"standard input already goes to `{takers[0]}`"
            yield Fault((*node.path, "batch", "items"), message, "only one can take it")
        takers = takers or [node.id]


def _input_faults(name: str, spec: InputSpec) -> Iterator[Fault]:
    unsound = schema_fault(spec.schema_)
    if unsound:
        yield Fault(("inputs", name, "schema"), f"is no JSON Schema: {unsound}")
    if not spec.has_default or spec.default is None:
        return
    if not is_type(spec.default, spec.json_type):
        message = f"the default must be {type_words(spec.json_type)}, not {kind_of(spec.default)}"
        yield Fault(("inputs", name, "default"), message)
    elif not unsound:
        for fault in value_faults(spec.default, spec.schema_, spec.secret):
            yield Fault(("inputs", name, "default"), f"the default does not meet `schema`: {fault}")


def _output_faults(name: str, spec: OutputSpec, outline: Outline) -> Iterator[Fault]:
    if spec.source is None and name not in outline.by_id and name not in outline.inputs:
        known: list[Any] = [*outline.by_id, *outline.inputs]
        message = "an output without `source` must have the name of a node or an input"
        hint = did_you_mean(name, known) or "add `source`, such as `${node.result}`"
        yield Fault(("outputs", name), message, hint)
