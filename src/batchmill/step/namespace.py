"""The run's shared store: the inputs at its root and each node's outputs under the node's id.

Parallel branches see the outputs of earlier nodes and their own. So the store consists of layers: a branch
begins with its own layer over the existing ones. Where branches join, a new layer over their common ones
holds everything that they wrote.

The reserved keys of the store are defined here, except the recorder's, which is with the recorder.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from batchmill.lists import LazyList, mapped, materialize
from batchmill.lists import joined as joined_lists
from batchmill.record import LLM_CALLS_KEY, LLMCall
from batchmill.step.environment import ENVIRONMENT
from batchmill.step.snapshots import hold_lists, reached_part
from batchmill.template import Path, Scope

INDEX_KEY = "__index__"  # the 0-based position of the item that a batch node is working on
ITEM_KEY = "__item__"  # what is known of that item besides
SOURCE_KEY = "__source__"  # the file and line that the item was read from
RUN_KEY = "__run__"  # what is known of the run itself
ENV_KEY = "env"  # variables of the environment, unless an input or a node is called so
RESERVED_KEYS = frozenset({INDEX_KEY, ITEM_KEY, LLM_CALLS_KEY, RUN_KEY, SOURCE_KEY})

MOST_LAYERS = 24  # under each other; a name is looked up in one after another

_HELD = frozenset({str, int, float, bool, type(None), dict, list})  # types of nearly all outputs

Calls = dict[tuple[int, int], Sequence[Any]]  # recorded calls by (place of the node, visit), in that order


@dataclass(frozen=True, slots=True)
class NodeOutputs:
    """The outputs of a node at its visit number ``visit``. ``present`` is None after a success; for a failed
    node it names the outputs that templates may rely on. ``outputs`` None says that the node has none here,
    even if a lower layer has some; ``skipped``, that its own condition is the reason."""

    outputs: dict[str, Any] | None
    present: frozenset[str] | None = None
    visit: int = 0
    skipped: bool = False

    def dropped(self) -> NodeOutputs:
        """The entry once its branch has failed: only the error of a failed node stays."""
        return NodeOutputs(None, visit=self.visit) if self.present is None else self


class Namespace:
    """The names that templates of a run may refer to: one layer, over others.

    ``permissive`` leaves references that cannot be resolved as written. ``nodes`` are the ids of all nodes,
    so one without outputs is not reported as unknown; ``left_out`` are those that are not run. ``foreign``
    are the inputs that hold data of an enclosing workflow.

    Concurrency: one branch writes a layer, in one thread at a time, until another layer is put on it. After
    that any thread may read it. Steps work on snapshots.
    """

    def __init__(
        self,
        inputs: Mapping[str, object],
        *,
        permissive: bool = False,
        nodes: Collection[str] = (),
        left_out: Collection[str] = (),
        foreign: frozenset[str] = frozenset(),
    ) -> None:
        self._foreign = foreign
        self.permissive = permissive
        self.nodes = nodes
        self.left_out = left_out
        self._inputs: Mapping[str, Any] = inputs
        self._below: Namespace | None = None
        self._entries: dict[str, NodeOutputs] = {}
        self._calls: Calls = {}
        self._depth = 0
        self._flat: Namespace | None = None
        self.lazy = False
        """Whether any node's outputs have lists that are not held."""

    def layer(self) -> Namespace:
        """A new layer on this one, which must not be written to from now on."""
        below = self if self._depth < MOST_LAYERS else self._flattened()
        return below._on_top({}, {})

    def told_of_run(self, **known: object) -> Namespace:
        """A new layer on this one with more values of the run itself."""
        made = self.layer()
        made._inputs = {**self._inputs, RUN_KEY: {**self._inputs.get(RUN_KEY, {}), **known}}
        return made

    def _on_top(self, entries: dict[str, NodeOutputs], calls: Calls) -> Namespace:
        made = self._empty()
        made._below, made._depth = self, self._depth + 1
        made._entries, made._calls = entries, calls
        made.lazy = self.lazy
        return made

    def _flattened(self) -> Namespace:
        """One layer with all there is in this one and those below it."""
        if self._flat is None:
            flat = self._empty()
            flat.lazy = self.lazy
            for layer in self._layers()[::-1]:
                flat._entries.update(layer._entries)
                flat._calls.update(layer._calls)
            self._flat = flat
        return self._flat

    def _empty(self) -> Namespace:
        kept: dict[str, Any] = {"nodes": self.nodes, "left_out": self.left_out, "foreign": self._foreign}
        return Namespace(self._inputs, permissive=self.permissive, **kept)

    def is_foreign(self, path: Path) -> bool:
        """Whether the value of ``path`` is data: given neither by the document nor by the inputs of
        the run."""
        return path.root in self._foreign or self.entry(path.root) is not None

    def _layers(self) -> list[Namespace]:
        """This layer and all below it, from the top."""
        found: list[Namespace] = []
        layer: Namespace | None = self
        while layer is not None:
            found.append(layer)
            layer = layer._below
        return found

    def put(self, node: str, outputs: dict[str, object]) -> None:
        """Set the outputs of a node that succeeded, in place of those of an earlier visit."""
        self.set(node, NodeOutputs(outputs))

    def set(self, node: str, entry: NodeOutputs) -> None:
        """Set what a node has put under its id."""
        self._entries[node] = entry
        if not self.lazy and entry.outputs is not None:
            self.lazy = any(
                isinstance(one, LazyList) for one in entry.outputs.values() if type(one) not in _HELD
            )

    def collect(self, entries: Mapping[str, NodeOutputs], *, lazy: bool) -> None:
        """Set the entries of many nodes under their ids; ``lazy`` says that some of them are not in
        memory."""
        self._entries.update(entries)
        self.lazy = self.lazy or lazy

    def record(self, calls: Sequence[object], place: int, visit: int = 0) -> None:
        """Add the calls that a visit recorded; ``place`` is the node's in the document."""
        if calls:
            self._calls[place, visit] = calls

    def drop(self, nodes: Iterable[str]) -> None:
        """Let nodes that succeeded have no outputs: their branch failed all the same."""
        for node in nodes:
            entry = self.entry(node)
            if entry is not None:
                self._entries[node] = entry.dropped()

    def entry(self, node: str) -> NodeOutputs | None:
        """The entry of a node, None if it has not run."""
        layer: Namespace | None = self
        while layer is not None:
            entry = layer._entries.get(node)
            if entry is not None:
                return entry
            layer = layer._below
        return None

    def calls(self) -> Sequence[Any]:
        """The recorded calls in document order, those of a node in the order of its visits and items; a lazy
        list if a node has many."""
        every: Calls = {}
        for layer in self._layers():
            every.update(layer._calls)
        return joined_lists(every[key] for key in sorted(every))

    @property
    def values(self) -> Mapping[str, Any]:
        """Every name that can be referred to, and its value."""
        return _Values(self)

    @property
    def failed(self) -> Mapping[str, frozenset[str]]:
        """The id of each node that failed to the outputs that count as present all the same: its diagnostic
        ones; a batch node that failed keeps all it has."""
        return _Failed(self)

    def why_absent(self, name: str) -> str:
        """Why the node of that name has no outputs here; empty if it has some, and for other names."""
        if name not in self.nodes:
            return ""
        entry = self.entry(name)
        if entry is None and name in self.left_out:
            return f"the node {name!r} is left out, and the journal has no valid result of it"
        if entry is None:
            return f"the node {name!r} has not run, as no branch that was taken led to it"
        if entry.skipped:
            return f"the node {name!r} was skipped, as its `when` is false"
        return f"the branch of the node {name!r} failed" if entry.outputs is None else ""

    def scope(self, *, lazy: bool = False) -> Scope:
        """Everything there is, for resolving in the thread of the branch; see :class:`Scope` for ``lazy``."""
        return Scope(
            self.values, failed=self.failed, permissive=self.permissive, lazy=lazy, absent=_Absent(self)
        )

    def snapshot(self, references: Iterable[Path], whole: Iterable[Path] = ()) -> Scope:
        """Only the values that ``references`` can reach, for a step that is copied or sent to another
        process.

        For an upstream batch node these are its small outputs and the item lists that are referred to: a
        reference to a count must not carry a million results to every worker. Values of ``whole`` are passed
        to a node unchanged, so lists there are real ones.
        """
        references = list(references)
        wanted: dict[str, set[Any]] = {}
        for path in references:
            wanted.setdefault(path.root, set()).add(path.segments[0] if path.segments else None)
        values: dict[str, Any] = {}
        failed: dict[str, frozenset[str]] = {}
        absent = {root: why for root in wanted if (why := self.why_absent(root))}
        for root, keys in wanted.items():
            entry = self.entry(root)
            if entry is None:
                if root == LLM_CALLS_KEY:
                    values[root] = materialize(self.values[root])
                elif root in self.values:
                    values[root] = self.values[root]
            elif entry.outputs is not None:
                values[root] = reached_part(entry.outputs, keys)
                if entry.present is not None:
                    failed[root] = entry.present
        if self.lazy:
            hold_lists(values, whole)
        foreign = frozenset(path.root for path in references if self.is_foreign(path))
        return Scope(values, failed=failed, permissive=self.permissive, absent=absent, foreign=foreign)


class _Values(Mapping[str, Any]):
    """A namespace as names and values."""

    def __init__(self, namespace: Namespace) -> None:
        self._namespace = namespace

    def __getitem__(self, name: str) -> object:
        entry = self._namespace.entry(name)
        if entry is not None and entry.outputs is not None:
            return entry.outputs
        if entry is None:
            if name == LLM_CALLS_KEY:
                return mapped(self._namespace.calls(), _as_json)
            if name == ENV_KEY and name not in self._namespace._inputs and name not in self._namespace.nodes:
                return ENVIRONMENT  # not among the names that are listed
            return self._namespace._inputs[name]
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        names = {name: None for layer in self._namespace._layers() for name in layer._entries}
        entries = ((name, self._namespace.entry(name)) for name in names)
        there = [name for name, entry in entries if entry is not None and entry.outputs is not None]
        return iter([*self._namespace._inputs, LLM_CALLS_KEY, *there])

    def __len__(self) -> int:
        return sum(1 for _ in self)


class _Failed(Mapping[str, frozenset[str]]):
    """The failed nodes of a namespace."""

    def __init__(self, namespace: Namespace) -> None:
        self._namespace = namespace

    def __getitem__(self, name: str) -> frozenset[str]:
        entry = self._namespace.entry(name)
        if entry is None or entry.present is None:
            raise KeyError(name)
        return entry.present

    def __iter__(self) -> Iterator[str]:
        names = {name: None for layer in self._namespace._layers() for name in layer._entries}
        return (name for name in names if name in self)

    def __len__(self) -> int:
        return sum(1 for _ in self)


class _Absent(Mapping[str, str]):
    """The nodes of a namespace without outputs, and why that is."""

    def __init__(self, namespace: Namespace) -> None:
        self._namespace = namespace

    def __getitem__(self, name: str) -> str:
        if why := self._namespace.why_absent(name):
            return why
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return (name for name in self._namespace.nodes if name in self)

    def __len__(self) -> int:
        return sum(1 for _ in self)


def joined(branches: Sequence[Namespace]) -> Namespace:
    """A layer that sees everything that ``branches``, at least one, have written; do not write to them
    afterwards. If a node ran several times, its latest visit counts."""
    ways = [branch._layers()[::-1] for branch in branches]
    common = ways[0][0]
    shared = 0
    for layers in zip(*ways, strict=False):
        if any(layer is not layers[0] for layer in layers):
            break
        common, shared = layers[0], shared + 1
    entries: dict[str, NodeOutputs] = {}
    calls: Calls = {}
    for way in ways:
        for layer in way[shared:]:
            calls.update(layer._calls)
            for name, entry in layer._entries.items():
                before = entries.get(name)
                if before is None or before.visit <= entry.visit:
                    entries[name] = entry
    made = common._on_top(entries, calls)
    made.lazy = any(branch.lazy for branch in branches)
    return made if made._depth < MOST_LAYERS else made._flattened()._on_top({}, {})


def _as_json(call: object) -> object:
    return call.as_json() if isinstance(call, LLMCall) else call
