"""The keys whose value may be a template of inputs (settings), and their form in the JSON Schema."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from batchmill.ir.faults import DocumentPath
from batchmill.ir.models.batch import BatchSpec

OF_NODE = frozenset({"timeout", "retry", "rate_limit", "budget", "cache"})
_STRUCTURE = frozenset({"items", "where", "as", "collect", "item", "stream"})
OF_BATCH = frozenset(info.alias or name for name, info in BatchSpec.model_fields.items()) - _STRUCTURE
OF_LOOP = frozenset({"max_iterations"})
OF_DOCUMENT = frozenset({"budget"})

_MODELS: dict[str, frozenset[str] | None] = {
    "NodeSpec": OF_NODE,
    "PipelineNode": OF_NODE,
    "NodeDefaults": OF_NODE,
    "Defaults": OF_NODE,
    "BatchSpec": OF_BATCH,
    "BatchDefaults": OF_BATCH,
    "LoopSpec": OF_LOOP,
    "RetrySpec": None,  # all keys
    "RateLimit": None,
    "BudgetSpec": None,
    "Tolerate": None,
}
LEFT_OUT = object()
"""In the place of a value: the setting is not there."""
ValueOf = Callable[[str, DocumentPath], Any]
_TEMPLATE = {"type": "string", "pattern": r"\$\{"}
_WORDS = ("title", "description", "default")


def is_template(value: object) -> bool:
    """Whether a setting is text with a template in it."""
    return isinstance(value, str) and "${" in value


def without_templates(raw: object) -> object:
    """A raw document without the settings that are templates."""
    return with_values(raw, lambda text, path: LEFT_OUT) if isinstance(raw, dict) else raw


def with_values(raw: dict[object, Any], value_of: ValueOf) -> dict[object, object]:
    """A raw document with each setting that is a template replaced by ``value_of(text, path)``;
    :data:`LEFT_OUT` removes the key."""
    values = _Values(value_of)
    out = values.object(raw, (), OF_DOCUMENT)
    for key in ("nodes", "pipeline", "finally"):
        if isinstance(raw.get(key), list):
            out = _with(out, key, values.step(raw[key], (key,)))
    if isinstance(raw.get("defaults"), dict):
        out = _with(out, "defaults", values.defaults(raw["defaults"]))
    return out


def _with(raw: dict[object, object], key: object, value: object) -> dict[object, object]:
    """``raw`` with another value, and the same object where that is no other."""
    return raw if raw[key] is value else {**raw, key: value}


class _Values:
    """One pass over a document. Parts without settings stay the same objects."""

    def __init__(self, value_of: ValueOf) -> None:
        self._value_of = value_of

    def step(self, raw: object, path: DocumentPath) -> object:
        """A node, or all nodes in a step of a pipeline."""
        if isinstance(raw, list):
            made = [self.step(one, (*path, place)) for place, one in enumerate(raw)]
            return raw if all(one is other for one, other in zip(raw, made, strict=True)) else made
        if not isinstance(raw, dict):
            return raw
        if "parallel" in raw:
            return _with(raw, "parallel", self.step(raw["parallel"], (*path, "parallel")))
        return self._node(raw, path)

    def defaults(self, raw: dict[Any, object]) -> dict[object, object]:
        """Keys of nodes, and under the names of types the same."""
        out = self._node(raw, ("defaults",))
        for key, value in raw.items():
            if isinstance(value, dict) and key not in (*OF_NODE, "batch", "params"):
                out = _with(out, key, self._node(value, ("defaults", key)))
        return out

    def _node(self, raw: dict[object, Any], path: DocumentPath) -> dict[object, object]:
        out = self.object(raw, path, OF_NODE)
        for key, settable in (("batch", OF_BATCH), ("loop", OF_LOOP)):
            if isinstance(raw.get(key), dict):
                out = _with(out, key, self.object(raw[key], (*path, key), settable))
        return out

    def object(
        self, raw: dict[Any, Any], path: DocumentPath, settable: frozenset[str] | None
    ) -> dict[Any, Any]:
        """An object with its settings; all of its keys are some where no ``settable`` ones are named."""
        out = raw
        for key, value in raw.items():
            if settable is not None and key not in settable:
                continue
            if isinstance(value, dict):
                out = _with(out, key, self.object(value, (*path, key), None))
            elif is_template(value):
                made = self._value_of(value, (*path, key))
                if made is LEFT_OUT:
                    out = {name: one for name, one in out.items() if name != key}
                else:
                    out = {**out, key: made}
        return out


def allow_templates(schema: dict[str, Any]) -> dict[str, object]:
    """The JSON Schema of a document in which each setting may be a template, too."""
    definitions = {
        name: _open(model, _MODELS[name]) if name in _MODELS else model
        for name, model in schema.get("$defs", {}).items()
    }
    return _open({**schema, "$defs": definitions}, OF_DOCUMENT)


def _open(model: dict[str, Any], settable: frozenset[str] | None) -> dict[str, object]:
    properties = {
        key: _or_template(value) if settable is None or key in settable else value
        for key, value in model["properties"].items()
    }
    return {**model, "properties": properties}


def _or_template(schema: dict[str, Any]) -> dict[str, object]:
    words = {key: value for key, value in schema.items() if key in _WORDS}
    core = {key: value for key, value in schema.items() if key not in _WORDS}
    ways = core["anyOf"] if set(core) == {"anyOf"} else [core]
    return {"anyOf": [*ways, _TEMPLATE], **words}
