"""The run's shared store: the inputs at its root and each node's outputs under the node's id.

The reserved keys of the store are named here, the recorder's beside the recorder.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from batchmill.lists import LazyList, held
from batchmill.record import LLM_CALLS_KEY, Recorder
from batchmill.template import Path, Scope

INDEX_KEY = "__index__"  # the 0-based position of the item that a batch node is working on
RESERVED_KEYS = frozenset({INDEX_KEY, LLM_CALLS_KEY})

_BULKY = ("results", "succeeded", "errors")  # what grows with the items in the outputs of a batch node


class Namespace:
    """What templates of a run may refer to.

    ``failed`` maps the id of each node that failed to the outputs that count as present all the same:
    its diagnostic ones; a batch node that failed keeps all it has.

    Concurrency: one thread, the scheduler's, uses it. Steps work on snapshots.
    """

    def __init__(
        self, inputs: Mapping[str, Any], recorder: Recorder | None = None, *, permissive: bool = False
    ) -> None:
        self.recorder = Recorder() if recorder is None else recorder
        self.values: dict[str, Any] = {**inputs, LLM_CALLS_KEY: self.recorder}
        self.failed: dict[str, frozenset[str]] = {}
        self.permissive = permissive
        self.lazy = False  # whether any node's outputs have lists that are not held

    def put(self, node: str, outputs: dict[str, Any]) -> None:
        """Set the outputs of a node that succeeded, in place of those of an earlier visit."""
        self._set(node, outputs)
        self.failed.pop(node, None)

    def put_failed(self, node: str, outputs: dict[str, Any], present: Iterable[str]) -> None:
        """Set what a failed node has to say; of that, ``present`` is what templates may rely on."""
        self._set(node, outputs)
        self.failed[node] = frozenset(present)

    def _set(self, node: str, outputs: dict[str, Any]) -> None:
        self.values[node] = outputs
        self.lazy = self.lazy or any(isinstance(one, LazyList) for one in outputs.values())

    def scope(self, *, lazy: bool = False) -> Scope:
        """Everything there is, for resolving in the scheduler's own thread; see :class:`Scope` for
        ``lazy``."""
        return Scope(self.values, failed=self.failed, permissive=self.permissive, lazy=lazy)

    def snapshot(self, references: Iterable[Path], whole: Iterable[Path] = ()) -> Scope:
        """Only what ``references`` can reach, for a step that is copied or sent to another process.

        Of an upstream batch node that is its small outputs and those of its item lists that are
        referred to: a count alone must not carry a million results to every worker. What ``whole``
        leads to is given to a node as it is, so lists there are real ones.
        """
        wanted: dict[str, set[Any]] = {}
        for path in references:
            wanted.setdefault(path.root, set()).add(path.segments[0] if path.segments else None)
        values = {root: _reached(self.values[root], wanted[root]) for root in wanted if root in self.values}
        if self.lazy:
            _hold(values, whole)
        failed = {root: self.failed[root] for root in wanted if root in self.failed}
        return Scope(values, failed=failed, permissive=self.permissive)


def _reached(value: Any, keys: set[Any]) -> Any:
    """``value`` without the item lists of a batch node that are not among ``keys``; a key that is not text
    (the node's outputs as a whole, a nested path) may be any of them."""
    if not isinstance(value, dict) or "batch_metadata" not in value:
        return value
    if not all(isinstance(key, str) for key in keys):
        return value
    return {key: member for key, member in value.items() if key not in _BULKY or key in keys}


def _hold(values: dict[str, Any], whole: Iterable[Path]) -> None:
    """Put real lists in place of lazy ones where ``whole`` leads to all of such a list, or of its node."""
    for path in whole:
        outputs = values.get(path.root)
        if not isinstance(outputs, dict) or len(path.segments) > 1:
            continue
        keys = path.segments or tuple(outputs)
        lists = {key: held(outputs[key]) for key in keys if isinstance(outputs.get(key), LazyList)}
        values[path.root] = {**outputs, **lists} if lists else outputs
