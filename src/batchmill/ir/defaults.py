"""The defaults of a document inserted into its nodes, so all later code sees ordinary nodes.

A key of the node overrides the default of its type, which overrides the default of all nodes. `params`,
`batch` and `retry` are merged key by key, every other key is taken as a whole. `executor` and `parallel` are
one setting: where a node has one of them, the other is not taken from defaults that contradict it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from batchmill.ir.faults import DocumentPath, Fault
from batchmill.ir.models.batch import RETRY_KEYS
from batchmill.ir.models.defaults import Defaults
from batchmill.ir.models.reading import faults_of

_KEY_BY_KEY = ("params", "retry")


@dataclass(frozen=True, slots=True)
class CompletedDocument:
    """A raw document with its defaults in its nodes. ``origins`` has for the place of each key that a node
    has from there the place where it is written."""

    raw: Any
    origins: dict[DocumentPath, DocumentPath] = field(default_factory=dict)

    def origin(self, path: DocumentPath) -> DocumentPath:
        """Where the value at ``path`` is written."""
        for length in range(len(path), 0, -1) if self.origins else ():
            written = self.origins.get(path[:length])
            if written is not None:
                return (*written, *path[length:])
        return path

    def placed(self, fault: Fault) -> Fault:
        """A fault, placed where its value is written."""
        written = self.origin(fault.path)
        return fault if written is fault.path else replace(fault, path=written)


def completed(raw: dict[Any, Any]) -> CompletedDocument:
    """``raw`` with its defaults inserted into its nodes; unchanged if the defaults are invalid, which is a
    fault anyway."""
    defaults = raw.get("defaults")
    if not isinstance(defaults, dict) or faults_of(Defaults, defaults, ("defaults",))[1]:
        return CompletedDocument(raw)
    filling = _Filling(defaults)
    rows = {
        key: [filling.step(one, (key, place)) for place, one in enumerate(raw[key])]
        for key in ("nodes", "pipeline", "finally")
        if isinstance(raw.get(key), list)
    }
    return CompletedDocument({**raw, **rows}, filling.origins)


class _Filling:
    """One filling up of all nodes of a document."""

    def __init__(self, defaults: dict[str, Any]) -> None:
        self.origins: dict[DocumentPath, DocumentPath] = {}
        self._defaults = defaults

    def step(self, raw: Any, path: DocumentPath) -> object:
        """A node, or all nodes in a step of a pipeline."""
        if isinstance(raw, list):
            return [self.step(one, (*path, place)) for place, one in enumerate(raw)]
        if not isinstance(raw, dict):
            return raw
        if "parallel" in raw:
            return {**raw, "parallel": self.step(raw["parallel"], (*path, "parallel"))}
        node, kind = dict(raw), raw.get("type")
        if isinstance(kind, str) and kind not in _KEYS and isinstance(self._defaults.get(kind), dict):
            self._fill(node, self._defaults[kind], path, ("defaults", kind))
        of_all = {key: value for key, value in self._defaults.items() if key in _KEYS}
        self._fill(node, of_all, path, ("defaults",))
        return node

    def _fill(
        self, node: dict[str, Any], defaults: Mapping[str, Any], path: DocumentPath, at: DocumentPath
    ) -> None:
        said = _said_by(node)
        batch = node.get("batch")
        if isinstance(batch, dict) and isinstance(defaults.get("batch"), dict):
            of_all = _without_contrary(defaults["batch"], batch)
            more = {key: value for key, value in of_all.items() if _meaning(key) not in said}
            node["batch"] = self._joined(batch, more, (*path, "batch"), (*at, "batch"))
            said |= _said_by(node)
        for key, value in defaults.items():
            if key == "batch":
                continue
            if key in _KEY_BY_KEY and isinstance(node.get(key), dict) and isinstance(value, dict):
                node[key] = self._joined(node[key], value, (*path, key), (*at, key))
            elif key not in node and key not in said:
                node[key] = value
                self.origins[(*path, key)] = (*at, key)

    def _joined(
        self, own: dict[str, Any], more: Mapping[str, object], path: DocumentPath, at: DocumentPath
    ) -> dict[str, object]:
        new = {key: value for key, value in more.items() if key not in own}
        self.origins.update({(*path, key): (*at, key) for key in new})
        return {**own, **new}


_KEYS = frozenset(info.alias or name for name, info in Defaults.model_fields.items())
_IN_BOTH = frozenset({"timeout", "rate_limit", "retry"})
"""Keys that mean the same in a node and in its batch."""


def _meaning(key: str) -> str:
    """The name in a node of a key of a batch."""
    return "retry" if key in RETRY_KEYS else key


def _without_contrary(defaults: Mapping[str, Any], batch: Mapping[str, Any]) -> Mapping[str, Any]:
    """The defaults of a batch without what its own ``executor`` or ``parallel`` contradicts."""
    if "executor" in batch:
        contrary = "parallel"
    elif batch.get("parallel") is (defaults.get("executor") == "sequential"):
        contrary = "executor"
    else:
        return defaults
    return {key: value for key, value in defaults.items() if key != contrary}


def _said_by(node: Mapping[str, Any]) -> set[str]:
    """The keys among them that a node has, itself or in its batch."""
    batch = node.get("batch")
    inside = {_meaning(key) for key in batch} if isinstance(batch, dict) else set()
    return {key for key in _IN_BOTH if key in inside or key in node}
