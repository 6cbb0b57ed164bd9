"""A raw document through the models: the workflow, or every fault in plain words."""

from __future__ import annotations

import typing
from collections.abc import Iterator
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from batchmill.ir.faults import DocumentPath, Fault, all_of, any_of, did_you_mean, path_text, shown
from batchmill.ir.models.base import Spec
from batchmill.ir.models.batch import (
    SOURCES,
    BatchSpec,
    Tolerate,
)
from batchmill.ir.models.defaults import BatchDefaults, Defaults, NodeDefaults
from batchmill.ir.models.fields import RANGE
from batchmill.ir.models.limits import BudgetSpec, RateLimit
from batchmill.ir.models.node import LoopSpec, NodeSpec, RetrySpec
from batchmill.ir.models.pipeline import STEP_TAG, Parallel, PipelineNode
from batchmill.ir.models.services import FORM_TAG, McpServerSpec, PriceSpec
from batchmill.ir.models.settable import without_templates
from batchmill.ir.models.slips import items_hint, key_hint, missing_hint, range_hint, value_hint
from batchmill.ir.models.sources import ITEMS_ERROR, ITEMS_TAG, StdinSource
from batchmill.ir.models.workflow import (
    NODE_KEYS,
    OWN_KEYS,
    ClusterSpec,
    Edge,
    InputSpec,
    OutputSpec,
    Workflow,
)
from batchmill.values.words import kind_of

_TAGS = (ITEMS_TAG, FORM_TAG)
_WRONG_TYPE = {
    "string_type": "text",
    "bool_type": "true or false",
    "dict_type": "an object",
    "list_type": "a list",
    "model_type": "an object",
    "model_attributes_type": "an object",
}

_OTHER_NAMES = {
    "source": "from",
    "target": "to",
    "workers": "max_concurrent",
    "max_workers": "max_concurrent",
    "concurrency": "max_concurrent",
    "retries": "max_retries",
    "on_error": "error_handling",
    "name": "id",
}
"""Names that other tools use for our keys."""
PARAMS_FOR_ALL = (
    "`params` cannot be given to all nodes",
    'params belong to a type: `"defaults": {"shell": {"params": {...}}}`',
)
"""The message for ``params`` in the defaults of all nodes, with its remedy."""

_NOT_MEANT = {
    "batch_size": "it stands in `batch`, and makes groups of items",
    "limit": "it stands in `batch` and says how many items run; `rate_limit` says how often they start",
}
"""Keys with similar names that do something else."""


def read_workflow(raw: object) -> tuple[Workflow | None, list[Fault]]:
    """The workflow that ``raw`` (plain JSON) describes, or what hinders it: structure only. Settings that are
    templates count as not there."""
    raw = without_templates(without_own_keys(raw))
    faults = list(_form_faults(raw)) if isinstance(raw, dict) else []
    try:
        workflow = Workflow.model_validate(raw)
    except ValidationError as error:
        return None, [*faults, *_faults(error)]
    return (None if faults else workflow), faults


def without_own_keys(raw: object) -> object:
    """A raw document without the keys that are its writer's own."""
    if not isinstance(raw, dict):
        return raw
    return {
        key: value for key, value in raw.items() if not (isinstance(key, str) and key.startswith(OWN_KEYS))
    }


def _form_faults(raw: dict[object, object]) -> Iterator[Fault]:
    """Steps are written in one of two forms, and one of them must be there."""
    if "pipeline" not in raw:
        if "nodes" not in raw:
            yield Fault((), "`nodes` is missing", missing_hint("nodes", raw))
        return
    for key in NODE_KEYS:
        if key in raw:
            hint = "write the steps as `pipeline`, or as `nodes` and `edges`"
            yield Fault((key,), f"`{key}` stands beside `pipeline`", hint, on_key=True)


def faults_of(model: type[Spec], raw: object, at: DocumentPath) -> tuple[Any, list[Fault]]:
    """``raw`` as ``model`` for the place ``at`` of a document, or what hinders it."""
    try:
        return model.model_validate(raw), []
    except ValidationError as error:
        return None, list(_faults(error, at))


_A_BATCH: DocumentPath = ("nodes", 0, "batch")


def faults_of_batch(raw: dict[str, object]) -> tuple[BatchSpec | None, list[str]]:
    """The faults of a batch block outside a document, in words that name only its keys."""
    block, faults = faults_of(BatchSpec, raw, _A_BATCH)
    return block, [_without_place(fault) for fault in faults]


def _without_place(fault: Fault) -> str:
    path = fault.path[len(_A_BATCH) : -1 if fault.on_key else None]
    where = f"`{path_text(path).removeprefix('$.')}`" + (":" if fault.on_key else "")
    return f"{where} {fault.message}" + (f"; {fault.hint}" if fault.hint else "")


def _faults(error: ValidationError, at: DocumentPath = ()) -> Iterator[Fault]:
    for detail in error.errors(include_url=False, include_context=False):
        tagged = (*at, *(step for step in detail["loc"] if not str(step).startswith(_TAGS)))
        path = tuple(step for step in tagged if not str(step).startswith(STEP_TAG))
        inside = str(detail["loc"][-2]) if len(detail["loc"]) > 1 else ""
        if detail["type"] == "extra_forbidden" and inside.startswith(ITEMS_TAG):
            yield _beside_source(path, inside.removeprefix(ITEMS_TAG))
            continue
        yield _fault(path, _home(tagged), detail)


def _fault(path: DocumentPath, home: DocumentPath, detail: ErrorDetails) -> Fault:
    kind, value = detail["type"], detail["input"]
    if path[:2] == ("defaults", "params"):
        return Fault(path[:2], *PARAMS_FOR_ALL, on_key=True)
    if kind == RANGE:
        return Fault(path, detail["msg"], range_hint(path, value, detail["msg"]))
    if kind == "missing":
        return Fault(path[:-1], *_missing(str(path[-1])))
    if kind == "extra_forbidden":
        return _unknown_key(path, home, value)
    if kind == "literal_error":
        return _wrong_word(path, home, value)
    if kind == ITEMS_ERROR:
        sources = ", ".join(f'{{"{name}"}}' for name in SOURCES)
        message = f"must be a template such as `${{node.results}}`, a list, or one source, not {shown(value)}"
        return Fault(path, message, items_hint(value) or f"sources are {sources}")
    if (
        kind in _WRONG_TYPE
        and path[:1] == ("defaults",)
        and len(path) == 2
        and path[1] not in _keys(path[:1])
    ):
        return _unknown_default(path)
    if kind in _WRONG_TYPE:
        return Fault(path, f"must be {_WRONG_TYPE[kind]}, not {_seen(value)}", value_hint(path, value))
    if kind in ("too_short", "too_long"):
        return Fault(path, _wrong_length(path))
    return Fault(path, detail["msg"])


def _missing(key: str) -> tuple[str, str]:
    return f"`{key}` is missing", "add it"


def _seen(value: object) -> str:
    return kind_of(value) if isinstance(value, (str, list, dict, type(None))) else shown(value)


def _wrong_length(path: DocumentPath) -> str:
    if path in (("nodes",), ("pipeline",)):
        return "a workflow needs at least one node"
    if path[:1] == ("pipeline",) and path[-1] != "range":
        return "a block needs at least one branch" if path[-1] == "parallel" else "a branch needs a step"
    return "must have 1 to 3 entries"


def _unknown_key(path: DocumentPath, home: DocumentPath, value: object) -> Fault:
    key = str(path[-1])
    known = _keys(home[:-1])
    other = _OTHER_NAMES.get(key)
    hint = _NOT_MEANT.get(key) or (f"did you mean `{other}`?" if other in known else "")
    hint = hint or key_hint(key, value, home[:-1]) or did_you_mean(key, known)
    return Fault(path, f"unknown key {shown(key)}", hint or f"known keys are {all_of(known)}", on_key=True)


def _unknown_default(path: DocumentPath) -> Fault:
    known = _keys(path[:1])
    hint = did_you_mean(str(path[1]), known) or f"known keys are {all_of(known)}"
    message = f"unknown key {shown(path[1])}; write the keys of a node type as an object"
    return Fault(path, message, hint, on_key=True)


def _beside_source(path: DocumentPath, source: str) -> Fault:
    """A key beside that of a source that is not among its options."""
    key = str(path[-1])
    options = _options_of(source)
    others = [f"`{name}`" for name in SOURCES if key in _options_of(name)]
    if key in SOURCES:
        hint = "an object names one source"
    elif others:
        hint = f"`{key}` is an option of {' and '.join(others)}"
    else:
        known = f"`{source}` takes {all_of(options)}" if options else f"`{source}` takes no options"
        hint = did_you_mean(key, options) or known
    return Fault(path, f"`{key}` stands beside `{source}`", hint, on_key=True)


def _options_of(source: str) -> list[str]:
    return [name for name in SOURCES[source].model_fields if name != source]


def _wrong_word(path: DocumentPath, home: DocumentPath, value: object) -> Fault:
    choices = _choices(home)
    hint = did_you_mean(value, choices) if isinstance(value, str) else ""
    return Fault(path, f"must be {any_of(choices)}, not {shown(value)}", hint)


def _keys(path: DocumentPath) -> list[str]:
    model = _model_at(path)
    return [info.alias or name for name, info in model.model_fields.items()] if model else []


def _choices(path: DocumentPath) -> list[str]:
    """The words allowed at ``path``, from the annotation of its field."""
    model = _model_at(path[:-1])
    fields = model.model_fields if model else {}
    found = [info for name, info in fields.items() if path[-1] == (info.alias or name)]
    return list(_words(found[0].annotation)) if found else []


def _words(annotation: object) -> Iterator[str]:
    for part in typing.get_args(annotation):
        if isinstance(part, str):
            yield part
        else:
            yield from _words(part)


_WITHIN_NODE: dict[DocumentPath, type[Spec]] = {
    ("batch",): BatchSpec,
    ("batch", "tolerate"): Tolerate,
    ("batch", "rate_limit"): RateLimit,
    ("retry",): RetrySpec,
    ("rate_limit",): RateLimit,
    ("budget",): BudgetSpec,
    ("loop",): LoopSpec,
    ("batch", "items"): StdinSource,  # the only source with a choice of words
}


_STEPS: dict[str | int, type[Spec]] = {
    "nodes": NodeSpec,
    "finally": NodeSpec,
    f"{STEP_TAG}node": PipelineNode,
    f"{STEP_TAG}block": Parallel,
}


def _home(loc: tuple[str | int, ...]) -> DocumentPath:
    """The place of an error as the models know it: for a place in a step of a pipeline, relative to that
    step."""
    tags = [place for place, step in enumerate(loc) if step in _STEPS and step not in ("nodes", "finally")]
    return (loc[tags[-1]], 0, *loc[tags[-1] + 1 :]) if tags else loc


def _model_at(path: DocumentPath) -> type[Spec] | None:
    """The model of the object at ``path``."""
    if not path:
        return Workflow
    if path[0] == "defaults":
        return _model_of_default(path[1:])
    rest = path[2:]
    if path[0] in _STEPS:
        return _WITHIN_NODE.get(rest) if rest else _STEPS[path[0]]
    models: dict[str | int, type[Spec]] = {
        "edges": Edge,
        "inputs": InputSpec,
        "outputs": OutputSpec,
        "prices": PriceSpec,
        "mcp_servers": McpServerSpec,
        "budget": BudgetSpec,
        "cluster": ClusterSpec,
    }
    return models.get(path[0]) if not rest else None


def _model_of_default(path: DocumentPath) -> type[Spec] | None:
    """The same for a place in ``defaults``: keys of nodes stand there, and under a node type."""
    if not path:
        return Defaults
    inside = path if path[0] in _keys(("defaults",)) else path[1:]
    if inside == ("batch",):
        return BatchDefaults
    return _WITHIN_NODE.get(inside) if inside else NodeDefaults
