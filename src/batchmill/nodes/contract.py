"""What a node type is: its name, the params it reads, the outputs it writes and one ``run``.

A node object holds no state of an item: params come in resolved, outputs go out as a plain
dictionary. So one object can serve many items, and copies of it are cheap.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeAlias

from batchmill.attempt import Attempt
from batchmill.awaiting.coroutines import run_coroutine

if TYPE_CHECKING:  # it imports pydantic
    from batchmill.ir.services import Tables

CHARACTERS_PER_TOKEN = 4
DEFAULT_ACTION = "default"
ERROR_ACTION = "error"


@dataclass(frozen=True, slots=True)
class Param:
    """One parameter a node reads.

    ``type`` holds JSON Schema type names joined with ``|`` (``"string|array"``), or ``any``.
    ``templates`` says what becomes of ``${...}`` in it: ``value`` resolves them, ``shell`` rewrites
    them into references that a shell reads (see :mod:`batchmill.template.shell`), ``none`` leaves the
    text alone, ``url`` keeps each value within its place of a URL (see :mod:`batchmill.template.url`),
    ``branches`` resolves them and gives null for what nodes that have not run, or failed, did not leave.
    ``choices`` lists the allowed values where there are few; ``minimum`` is inclusive.
    """

    name: str
    type: str
    description: str
    required: bool = False
    default: Any = None
    templates: Literal["value", "shell", "url", "none", "branches"] = "value"
    choices: tuple[Any, ...] = ()
    minimum: float | None = None


@dataclass(frozen=True, slots=True)
class Output:
    """One output a node writes. ``diagnostic`` outputs speak of a failure and count as present after
    one; the others of a failed node are passed over by ``??``."""

    name: str
    type: str
    description: str
    diagnostic: bool = False


@dataclass(slots=True)
class NodeResult:
    """What a node's run gave: outputs, and the action that picks the next edge.

    A node that failed raises instead: :class:`batchmill.errors.NodeError` with its diagnostic
    outputs for an error result, anything else for an exception.
    """

    outputs: dict[str, Any] = field(default_factory=dict)
    action: str = DEFAULT_ACTION


NodeClass: TypeAlias = "type[Node]"  # within Node ``type`` is the name of the type


class Node(ABC):
    """Base of all node types. Subclasses are created without arguments."""

    type: ClassVar[str]
    summary: ClassVar[str]
    params: ClassVar[tuple[Param, ...]] = ()
    outputs: ClassVar[tuple[Output, ...]] = ()
    open_params: ClassVar[bool] = False  # True: params that are not listed are accepted
    open_outputs: ClassVar[bool] = False  # True: outputs that are not listed may be referred to

    requests: ClassVar[bool | None] = None
    """Whether an attempt is a request to a service, which budgets count. None: it makes as many as it
    records calls of language models."""

    def expected_tokens(self, params: Mapping[str, Any]) -> float:
        """About how many tokens of language models an attempt with these (resolved, unchecked) params uses.

        What limits set aside before the attempt; they learn from what is recorded how far off it is. Here:
        four characters of text to a token, and ``max_tokens`` where that is given.
        """
        most = params.get("max_tokens")
        answer = most if isinstance(most, (int, float)) and not isinstance(most, bool) else 0
        return _characters(params) / CHARACTERS_PER_TOKEN + answer

    def withhold(self, variables: frozenset[str]) -> None:
        """Start nothing with these variables of the environment, which hold credentials, unless the params
        pass them on. Called once, before the first run; nodes that start no programs need not care."""
        return

    def check(self, params: Mapping[str, Any]) -> list[tuple[str, str]]:
        """Look at params as written, before anything runs: ``(param name, what is wrong)`` for each fault.

        Values that hold templates are not known yet and must be passed over. Nothing is run or
        imported. Presence, names, types, choices and minimums were checked before from ``params``.
        """
        return []

    @classmethod
    def of_document(cls, tables: Tables) -> NodeClass:
        """The type as the nodes of one document have it; a type that reads nothing of it is itself.

        Raises :class:`~batchmill.errors.BrokenNodeType` for what the document does not have.
        """
        return cls

    @abstractmethod
    def run(self, params: Mapping[str, Any], attempt: Attempt) -> NodeResult:
        """Run with resolved params (defaults filled in, types checked); blocking.

        Long waits must honour ``attempt.deadline`` and ``attempt.cancel`` where they can. Raises
        :class:`~batchmill.errors.NodeError` for an error result.
        """


def _characters(value: Any) -> int:
    """The length of all text in ``value``."""
    if isinstance(value, str):
        return len(value)
    if isinstance(value, Mapping):
        return sum(map(_characters, value.values()))
    return sum(map(_characters, value)) if isinstance(value, (list, tuple)) else 0


class AsyncRunNode(Node):
    """Base of node types that wait as coroutines.

    On threads the items of a batch then run on one event loop, ``max_concurrent`` of them at once. They
    share the node object: what an attempt keeps, it keeps in its own locals. Everywhere else ``run``
    has each attempt awaited on the one event loop of its process. A node type that has ``run_async`` without
    this base is treated the same.
    """

    @abstractmethod
    async def run_async(self, params: Mapping[str, Any], attempt: Attempt) -> NodeResult:
        """What :meth:`Node.run` is, to be awaited. At a timeout, and when the run is ended by force, it is
        cancelled."""

    def run(self, params: Mapping[str, Any], attempt: Attempt) -> NodeResult:
        return run_coroutine(lambda: self.run_async(params, attempt), attempt.cancel, attempt.remaining())
