"""Rules for a node's batch and loop blocks: no contradictions, no features of a later version."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from batchmill.errors import TemplateSyntaxError
from batchmill.ir.faults import DocumentPath, Fault, misspelt_function
from batchmill.ir.models import BatchSpec, LoopSpec, NodeSpec, RangeSource
from batchmill.ir.models.sources import CsvSource, ProductSource, PythonSource, ZipSource
from batchmill.ir.parts import NodePart
from batchmill.template import Expression, parse
from batchmill.values.encodings import is_encoding


def node_faults(node: NodePart) -> Iterator[Fault]:
    """Faults of keys of one node that do not fit together."""
    if node.has_batch and node.has_loop:
        yield Fault((*node.path, "loop"), "a node has either `batch` or `loop`, not both", "use two nodes")
    if node.spec is None:
        return
    if node.spec.files and node.type == "workflow" and node.spec.batch is None:
        message = "`files` has no effect here: a sub-workflow keeps the outcome of each node inside it"
        yield Fault(
            (*node.path, "files"), message, "write it in the inner nodes that read the files", on_key=True
        )
    yield from _folder_faults(node, node.spec)
    if node.is_final and node.spec.batch is not None and node.spec.batch.stream:
        message = "a node in `finally` begins when all others have ended, so nothing streams into it"
        yield Fault((*node.path, "batch", "stream"), message, "remove `stream`")
    if node.spec.batch is not None:
        path = (*node.path, "batch")
        yield from _contradictions(node.spec.batch, path)
        yield from _items_faults(node.spec.batch, (*path, "items"))
        yield from _condition_faults(node.spec.batch.where, (*path, "where"))
    if node.spec.when is not None:
        yield from _condition_faults(node.spec.when, (*node.path, "when"))
    if node.spec.loop is not None:
        yield from _loop_faults(node.spec.loop, (*node.path, "loop"))


def _folder_faults(node: NodePart, spec: NodeSpec) -> Iterator[Fault]:
    if spec.workdir is not None and spec.batch is None and not node.has_batch:
        message = "`workdir` gives each item of a batch a folder, and this node has no `batch`"
        yield Fault((*node.path, "workdir"), message, "add `batch`, or name a folder in `cwd`", on_key=True)
    if spec.keep is not None and spec.workdir is None:
        message = "`keep` takes files out of the folder of an item, and the items have none"
        yield Fault((*node.path, "keep"), message, 'add `"workdir": "item"`', on_key=True)


def _contradictions(batch: BatchSpec, path: DocumentPath) -> Iterator[Fault]:
    if batch.executor is not None and not batch.traits.side_by_side and batch.parallel:
        message = "`sequential` contradicts `parallel: true`"
        yield Fault((*path, "executor"), message, "remove one of them, or name `thread` or `process`")
    if batch.tolerate is not None:
        if batch.tolerate.count is None and batch.tolerate.percent is None:
            yield Fault((*path, "tolerate"), "needs `count` or `percent`")
        if not batch.goes_on:
            message = "`tolerate` has no effect while the first failure ends the batch"
            yield Fault((*path, "tolerate"), message, "set `error_handling` to `continue`")
    if batch.memory_limit is not None and not batch.traits.own_processes:
        message = f"`memory_limit` is for worker processes, and the executor is `{batch.executor_name}`"
        yield Fault((*path, "memory_limit"), message, "set `executor` to `process`, or remove the limit")


def _items_faults(batch: BatchSpec, path: DocumentPath) -> Iterator[Fault]:
    if isinstance(batch.items, str) and not _is_one_template(batch.items):
        yield Fault(path, "must be one template and nothing else, so that its value is a list")
    if isinstance(batch.items, RangeSource) and batch.items.range[2:] == [0]:
        yield Fault((*path, "range", 2), "the step must not be 0")
    yield from _source_faults(batch.items, path)


def _source_faults(source: object, path: DocumentPath) -> Iterator[Fault]:
    """What can be told of a source, or of one inside it, before anything is read."""
    if isinstance(source, CsvSource) and not is_encoding(source.encoding):
        message = f"`encoding` must be a text encoding such as latin-1, not {source.encoding!r}"
        yield Fault((*path, "encoding"), message)
    if isinstance(source, PythonSource) and "${" not in source.python:
        fault = misspelt_function(source.python)
        if fault is not None:
            yield Fault((*path, "python"), fault)
    if isinstance(source, ProductSource):
        yield from _sides_faults("product", source.product, path)
        for number, one in enumerate(source.exclude):
            for name in one:
                if name not in source.product and "${" not in name:
                    message = f"`exclude` names {name!r}, and the sides are {', '.join(source.product)}"
                    yield Fault((*path, "exclude", number, name), message, on_key=True)
    if isinstance(source, ZipSource):
        yield from _sides_faults("zip", source.zip, path)
        lengths = {name: len(side) for name, side in source.zip.items() if isinstance(side, list)}
        if len(set(lengths.values())) > 1:
            told = ", ".join(f"{name!r} has {length}" for name, length in lengths.items())
            yield Fault((*path, "zip"), f"the sides of `zip` are not equally long: {told}")


def _sides_faults(key: str, sides: Mapping[str, object], path: DocumentPath) -> Iterator[Fault]:
    for name, side in sides.items():
        yield from _source_faults(side, (*path, key, name))


def _loop_faults(loop: LoopSpec, path: DocumentPath) -> Iterator[Fault]:
    conditions = {"while": loop.while_, "until": loop.until}
    given = {key: text for key, text in conditions.items() if text is not None}
    if len(given) != 1:
        yield Fault(path, "needs exactly one of `while` and `until`")
    for key, text in given.items():
        yield from _condition_faults(text, (*path, key))


def _condition_faults(text: object, path: DocumentPath) -> Iterator[Fault]:
    if isinstance(text, str) and text and not _is_one_template(text):
        hint = "write the comparison within the braces, such as `${item.size > 100}`"
        yield Fault(path, "must be one template and nothing else: other text is always true", hint)


def _is_one_template(text: str) -> bool:
    try:
        parts = parse(text).parts
    except TemplateSyntaxError:
        return True  # reported where all templates are read
    return len(parts) == 1 and isinstance(parts[0], Expression)
