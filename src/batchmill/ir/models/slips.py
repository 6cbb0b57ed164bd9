"""Usual slips: what is written in other tools, or in short, and the lines to write here instead."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import PurePosixPath
from typing import Any, get_args

from batchmill.ir.faults import DocumentPath
from batchmill.ir.models.batch import SOURCES, BatchSpec
from batchmill.ir.models.workflow import TypeName

_LONGEST = 60  # characters of a value that is written out in a hint
_ARROW = re.compile(r"\s*([\w-]+)\s*(?:->|=>|>>|,|\s)\s*([\w-]+)\s*")
_NO_NAME = re.compile(r"[^\w-]+")  # what the name of an output has not
_STEPS = 'write the steps as a list: `"nodes": [{"id": "a", "type": "shell", "params": {"command": "..."}}]`'
_INPUTS = 'values that a run is given are inputs: `"inputs": {"name": {"type": "string"}}`'
_EDGES = '`edges` beside the nodes say what runs after what: `"edges": [{"from": "a", "to": "b"}]`'
_BATCH_KEYS = tuple(info.alias or name for name, info in BatchSpec.model_fields.items())


def as_written(value: object) -> str:
    """A value as JSON that may be copied; ``...`` where it is long, or no JSON."""
    try:
        text = json.dumps(value, ensure_ascii=False)
        text = text if text.isprintable() else json.dumps(value)
    except (TypeError, ValueError, RecursionError):
        return "..."
    return text if len(text) <= _LONGEST else "..."


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


def _same(words: str, hint: str) -> dict[str, str]:
    return dict.fromkeys(words.split(), hint)


_OF_DOCUMENT = {
    **_same("steps jobs tasks stages actions operations", _STEPS),
    **_same("workflow flow dag", "its keys stand at the top of the document"),
    **_same("params parameters args arguments variables vars with", _INPUTS),
    **_same("depends_on needs connections links transitions", _EDGES),
    **_same("name description title purpose", "leave it out: a document has no name of its own"),
    **_same(
        "on triggers trigger schedule cron",
        "leave it out: `batchmill run` starts a run, from cron or by hand",
    ),
    "env": 'variables are given to a `shell` node: `"params": {"command": "...", "env": {"NAME": "..."}}`',
    "batch": "it stands in a node, and maps that node over many items",
}
_OF_NODE = {
    **_same(
        "depends_on dependsOn needs after requires dependencies upstream downstream runAfter",
        _EDGES + "; without `edges` nodes run in the order of the list",
    ),
    "on_success": _EDGES,
    **_same(
        "on_failure onError catch",
        'a failed node takes the edge `{"from": "a", "to": "b", "action": "error"}`',
    ),
    "next": 'an edge says where an action leads: `{"from": "a", "to": "b", "action": "..."}`',
    **_same(
        "env", 'variables are given to a `shell` node in its params: `"params": {"env": {"NAME": "..."}}`'
    ),
    "outputs": "leave it out: a node has the outputs of its type, `batchmill nodes TYPE` lists them",
    "description": "say it in `purpose`",
}
_OF_BATCH = {
    **_same("in from list source values data input", "the items stand in `items`"),
    "retry": "`max_retries` says how many attempts, `retry_wait` how many seconds between them",
    "max": "`max_retries` says how many attempts",
    **{key: f"write it as `retry_{key}`" for key in ("wait", "backoff", "max_wait", "jitter")},
}
_OF_RETRY = {
    **_same("max_retries retries attempts max_attempts tries count limit", "max"),
    **_same("retry_wait delay interval sleep seconds", "wait"),
    **_same("retry_backoff backoff_factor factor multiplier", "backoff"),
    **_same("retry_max_wait max_delay", "max_wait"),
    "retry_jitter": "jitter",
}
"""Keys of ``retry`` as a batch and other tools name them."""
_AT_ONCE_WORDS = _words(
    "jobs workers max_workers n_jobs processes threads concurrency max_concurrent parallelism"
)
_DEFAULT_WORDS = _words("timeout retry rate_limit cache when")
_NODE_KEYS = _words("budget cache files keep params purpose type when workdir")  # a batch has no such keys
_TYPE_WORDS = _words("uses kind task tool operator action node node_type")
_PARAM_WORDS = _words("with args arguments parameters config kwargs options input inputs")
_COMMAND_WORDS = _words("run cmd script sh bash shell command")
_ITEM_WORDS = _words("foreach for_each forEach with_items withItems withParam map over each matrix items")
_RETRY_WORDS = _words("retries max_retries attempts")
_CONDITION_WORDS = _words("if condition only_if runIf run_if")
_RATE = re.compile(
    r"\s*([0-9]+(?:\.[0-9]+)?)\s*(?:/|per|a|\s)\s*(s|sec|second|m|min|minute|h|hour)s?\s*", re.IGNORECASE
)
_SECONDS = {"s": 1, "m": 60, "h": 3600}
_SPAN = re.compile(
    r"\s*([0-9]+(?:\.[0-9]+)?)\s*(ms|s|sec|secs|seconds?|m|min|mins|minutes?|h|hours?)\s*", re.IGNORECASE
)
_TABLES = {".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet"}
_TEMPLATE = re.compile(r"\$\{\{?\s*([^{}]*?)\s*\}?\}")


def key_hint(key: str, value: object, place: DocumentPath) -> str:
    """The correction for an unknown key of the object at ``place``, as the models know it: ``()`` the
    document, two steps a node, a third the blocks in it. Empty for a key that is no known slip."""
    if not place:
        return _document_hint(key, value)
    if place[-1] == "retry" and key in _OF_RETRY:
        return f"write `{as_written(_OF_RETRY[key])}: {as_written(value)}`"
    if place[0] == "defaults" and place[-1] == "batch":
        stands = "the items stand in the `batch` of each node"
        return stands if key == "items" or key in _ITEM_WORDS or key in SOURCES else _OF_BATCH.get(key, "")
    if len(place) == 2 and place[0] not in ("edges", "inputs", "outputs", "prices", "mcp_servers"):
        return _node_hint(key, value)
    if place[2:] == ("batch",):
        source = f'a source stands in `items`: `"items": {{{as_written(key)}: {as_written(value)}}}`'
        if key in SOURCES:
            return source
        beside = f"write `{as_written(key)}: {as_written(value)}` in the node, beside `batch`"
        return beside if key in _NODE_KEYS else _OF_BATCH.get(key, "")
    if place[:1] == ("outputs",) and key in ("value", "from", "default"):
        return f'write `"source": {as_written(value)}`'
    if place[:1] == ("inputs",) and key in ("env", "from_env", "environment") and isinstance(value, str):
        return f"leave the input out; write `${{env.{value}}}` where the value goes"
    return ""


def _document_hint(key: str, value: object) -> str:
    if key in _AT_ONCE_WORDS and not isinstance(value, (list, dict)):
        block = f'"batch": {{"items": ..., "max_concurrent": {as_written(value)}}}'
        return f"write it in the node: `{block}`; `batchmill run -j {as_written(value)}` limits the whole run"
    hint = _OF_DOCUMENT.get(key, "")
    if hint == _STEPS and isinstance(value, list):
        return "write `nodes` in its place"
    if hint:
        return hint
    if key in _DEFAULT_WORDS:
        return (
            f'write it in a node, or for all nodes: `"defaults": {{{as_written(key)}: {as_written(value)}}}`'
        )
    if key in _ITEM_WORDS:
        return f'write it in the node that is mapped over them: `"batch": {{"items": {as_written(value)}}}`'
    if key in _BATCH_KEYS:
        block = f'{{"batch": {{{as_written(key)}: {as_written(value)}}}}}'
        return f'write it in the `batch` of a node, or for all of them: `"defaults": {block}`'
    return ""


def _node_hint(key: str, value: object) -> str:
    if key in _CONDITION_WORDS:
        return f'write `"when": {_condition(value)}`; to choose between nodes, use edges with an `action`'
    if key in _COMMAND_WORDS:
        return f'a command is run by `"type": "shell", "params": {{"command": {as_written(value)}}}`'
    if key in _TYPE_WORDS:
        return "`type` says what a node does; `batchmill nodes` lists the types"
    if key in _PARAM_WORDS:
        return f'write `"params": {as_written(value)}`'
    if key in _ITEM_WORDS:
        return f'a node is mapped over items by `"batch": {{"items": {as_written(value)}}}`'
    if key in _RETRY_WORDS:
        return f'write `"retry": {{"max": {as_written(value)}}}`'
    if key in _OF_NODE:
        return _OF_NODE[key]
    if key in _BATCH_KEYS:
        line = f'"batch": {{"items": ..., {as_written(key)}: {as_written(value)}}}'
        return f"write it in the batch block: `{line}`"
    return ""


def missing_hint(key: str, found: Mapping[Any, object]) -> str:
    """The remedy for a missing key of an object that has the keys ``found``."""
    slips = [
        name
        for name, value in found.items()
        if _OF_DOCUMENT.get(name) == _STEPS and isinstance(value, (list, dict))
    ]
    if key == "nodes":
        return f"the steps stand there, not in `{slips[0]}`" if slips else _STEPS
    return "add it"


def value_hint(path: DocumentPath, value: object) -> str:
    """The lines to write in place of a value of the wrong kind at ``path``; empty if it is no known
    slip."""
    if path[:1] == ("inputs",) and len(path) <= 2:
        return _input_hint(path, value)
    if path[:1] == ("outputs",) and len(path) <= 2:
        return _output_hint(path, value)
    if path == ("nodes",) and isinstance(value, dict):
        name = as_written(next(iter(value), "a"))
        return f'write a list, and the name as `id`: `"nodes": [{{"id": {name}, ...}}]`'
    if path[:1] == ("edges",) and len(path) <= 2:
        return _edge_hint(path, value)
    if path[-2:-1] in (("nodes",), ("pipeline",)) and isinstance(value, str):
        return f'write `{{"id": {as_written(value)}, "type": ...}}`'
    wanted = _WANTED.get(path[-1]) if path and isinstance(path[-1], str) else None
    return wanted(value) if wanted is not None else ""


def _input_hint(path: DocumentPath, value: object) -> str:
    if len(path) == 1:
        names = [one for one in value if isinstance(one, str)] if isinstance(value, list) else []
        written = ", ".join(f"{as_written(name)}: {{}}" for name in names[:3])
        return f'write `"inputs": {{{written}}}`' if names else ""
    if isinstance(value, str) and value in get_args(TypeName):
        return f'write `{as_written(path[1])}: {{"type": {as_written(value)}}}`'
    written = f'{as_written(path[1])}: {{"default": {as_written(value)}}}'
    return f'write `{written}`, or its type: `{{"type": "string"}}`'


def _output_hint(path: DocumentPath, value: object) -> str:
    if len(path) == 2:
        source = value if isinstance(value, str) and "${" in value else f"${{{value}}}"
        return (
            f'write `{as_written(path[1])}: {{"source": {as_written(source)}}}`'
            if isinstance(value, str)
            else ""
        )
    if isinstance(value, str):
        return f'write `"outputs": {{"result": {{"source": {as_written(value)}}}}}`'
    names = [one for one in value if isinstance(one, str)] if isinstance(value, list) else []
    written = ", ".join(f"{as_written(_NO_NAME.sub('_', name))}: {_source(name)}" for name in names[:3])
    return f'write `"outputs": {{{written}}}`' if names else ""


def _source(path: str) -> str:
    return f'{{"source": {as_written(f"${{{path}}}")}}}'


def _edge_hint(path: DocumentPath, value: object) -> str:
    if len(path) == 1 and isinstance(value, dict):
        ends: Any = next(iter(value.items()), None)
        value = list(ends) if ends is not None and isinstance(ends[1], str) else None
    elif isinstance(value, str):
        found = _ARROW.fullmatch(value)
        value = list(found.groups()) if found else None
    if isinstance(value, list) and len(value) == 2 and all(isinstance(one, str) for one in value):
        edge = f'{{"from": {as_written(value[0])}, "to": {as_written(value[1])}}}'
        return f'write `"edges": [{edge}]`' if len(path) == 1 else f"write `{edge}`"
    return _EDGES if len(path) == 1 else 'write `{"from": "a", "to": "b"}`'


def _condition(value: Any) -> str:
    """A condition as it may be copied: one template."""
    if not isinstance(value, str):
        return '"${...}"'
    return as_written(f"${{{_TEMPLATE.sub(_inside, value.strip())}}}")


def _inside(template: re.Match[str]) -> str:
    return template[1]


def items_hint(value: Any) -> str:
    """The source to write for ``items`` that are one text or a number; empty if it is no known slip."""
    if isinstance(value, int) and not isinstance(value, bool):
        return f'write `"items": {{"range": [{value}]}}`'
    if not isinstance(value, str) or "${" in value or not value.strip():
        return ""
    suffix = PurePosixPath(value).suffix.lower()
    by_suffix = _TABLES.get(suffix, "lines" if suffix == ".txt" else None)
    kind = "glob" if any(one in value for one in "*?[") else by_suffix
    return f'write `"items": {{"{kind}": {as_written(value)}}}`' if kind else ""


def range_hint(path: DocumentPath, value: Any, message: str) -> str:
    """The correction for a value at ``path`` out of range, as ``message`` says; empty if it is no
    known slip."""
    if "number of seconds" in message:
        return _seconds_hint(value)
    if path[-2:] == ("batch", "items"):
        return items_hint(value)
    return _collect_hint(value) if path[-2:] == ("batch", "collect") else ""


def _collect_hint(value: Any) -> str:
    """The object to write for a ``collect`` that is the path of a file; empty if it is no known slip."""
    if not isinstance(value, str):
        return ""
    kind = _TABLES.get(PurePosixPath(value).suffix.lower())
    return f'write `"collect": {{"{kind}": {as_written(value)}}}`' if kind else ""


def _seconds_hint(value: Any) -> str:
    """The number to write for a span of time that is text, such as ``5s``; empty if it is none."""
    found = _SPAN.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        return ""
    unit = found[2].lower()
    seconds = float(found[1]) * (0.001 if unit == "ms" else _SECONDS[unit[0]])
    return f"write {seconds:g}"


def _rate_limit(value: Any) -> str:
    found = _RATE.fullmatch(value) if isinstance(value, str) else None
    if found is not None:
        per_second = float(found[1]) / _SECONDS[found[2][0].lower()]
        return f'write `"rate_limit": {{"per_second": {per_second:.6g}}}`'
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return f'write `"rate_limit": {{"per_second": {as_written(value)}}}`'
    return 'write `"rate_limit": {"per_second": 5}`'


def _range(value: Any) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return f'write `"range": [{value}]`'
    if isinstance(value, dict):
        parts = [value.get(name) for name in ("start", "stop", "step")]
        parts[0] = 0 if parts[0] is None else parts[0]
        kept = [one for one in parts if isinstance(one, int)]
        return f'write `"range": {as_written(kept)}`' if parts[1] in kept else ""
    return ""


def _block(key: str, inside: str) -> Callable[[Any], str]:
    """The hint for a block that was written as one value, namely the value of its key ``inside``."""

    def hint(value: object) -> str:
        if value is None or isinstance(value, bool):
            return ""
        return f'write `"{key}": {{"{inside}": {as_written(value)}}}`'

    return hint


_WANTED = {
    "batch": _block("batch", "items"),
    "retry": _block("retry", "max"),
    "rate_limit": _rate_limit,
    "range": _range,
    "tolerate": _block("tolerate", "count"),
    "budget": _block("budget", "usd"),
}
"""Blocks that are written as one value."""
