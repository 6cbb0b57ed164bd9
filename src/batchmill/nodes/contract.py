"""What a node type is: its name, the params it reads, the outputs it writes and one ``run``.

A node object holds no state of an item: params come in resolved, outputs go out as a plain
dictionary. So one object can serve many items, and copies of it are cheap.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple, TypeAlias

from batchmill.attempt import Attempt
from batchmill.concurrency.event_loop import background, run_coroutine
from batchmill.file_table import FileTable
from batchmill.policy import NO_RETRIES, RetryPolicy

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
    ``choices`` lists the allowed values where there are few; ``minimum`` is inclusive. ``content`` false says
    that it cannot change what comes out (a timeout, a key, an address, a limit): an outcome that is kept
    stays good when it is edited.
    """

    name: str
    type: str
    description: str
    required: bool = False
    default: Any = None
    templates: Literal["value", "shell", "url", "none", "branches"] = "value"
    choices: tuple[Any, ...] = ()
    minimum: float | None = None
    content: bool = True


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


class ExpectedCall(NamedTuple):
    """What a call of a language model uses: tokens that are ``sent`` and ``answered`` and what they cost in
    ``usd``, 0 where nobody knows. ``bounded`` says that the answer can be no longer, ``part`` is the part of
    the ordinary price that is paid."""

    sent: float
    answered: float
    usd: float
    bounded: bool
    part: float


NodeClass: TypeAlias = "type[Node]"  # within Node ``type`` is the name of the type


class Node(ABC):
    """Base of all node types. Subclasses are created without arguments."""

    type: ClassVar[str]
    summary: ClassVar[str]
    params: ClassVar[tuple[Param, ...]] = ()
    outputs: ClassVar[tuple[Output, ...]] = ()
    open_params: ClassVar[bool] = False  # True: params that are not listed are accepted
    open_outputs: ClassVar[bool] = False  # True: outputs that are not listed may be referred to
    passes_params: ClassVar[bool] = False  # True: params that are not listed are outputs of the same name

    requests: ClassVar[bool | None] = None
    """Whether an attempt is a request to a service, which budgets count. None: it makes as many as it
    records calls of language models."""

    only_default: ClassVar[bool] = False
    """Whether every run that does not fail ends with the action ``default``."""

    @classmethod
    def actions(cls, params: Mapping[str, Any]) -> frozenset[str] | None:
        """The actions that a run with these params, as written, may end with, but for ``error``; None where
        that cannot be told. Nothing is run or imported."""
        return frozenset({DEFAULT_ACTION}) if cls.only_default else None

    @classmethod
    def changes(cls, params: Mapping[str, Any]) -> bool:
        """Whether a run with these params, as written, is known to change something outside of it: what an
        outcome taken from an earlier run would not do."""
        return False

    @classmethod
    def usual_retry(cls, params: Mapping[str, Any]) -> RetryPolicy:
        """When a failed attempt with these params, as written, is tried again where the document says nothing
        of it. What it does say holds key by key."""
        return NO_RETRIES

    calls_models: ClassVar[bool] = False
    """Whether attempts ask language models: what they use counts although nobody tells, as an estimate."""

    def expected_tokens(self, params: Mapping[str, Any]) -> float:
        """About how many tokens of language models an attempt with these (resolved, unchecked) params uses.

        What limits set aside before the attempt; they learn from what is recorded how far off it is. Here:
        four characters of text to a token, and ``max_tokens`` where that is given.
        """
        most = params.get("max_tokens")
        answer = most if isinstance(most, (int, float)) and not isinstance(most, bool) else 0
        return characters_in(params) / CHARACTERS_PER_TOKEN + answer

    @classmethod
    def content(cls, params: Mapping[str, Any]) -> dict[str, Any]:
        """Of params, as written or resolved, those that can change what comes out; one that says what holds
        without it is not among them."""
        declared = {param.name: param for param in cls.params}
        return {name: value for name, value in params.items() if _counts(declared.get(name), value)}

    reads: ClassVar[tuple[str, ...]] = ()
    """The params that name files whose content goes into what comes out."""

    @classmethod
    def files_read(cls, params: Mapping[str, Any]) -> Iterable[str]:
        """The paths of those files; ``params`` has the resolved ones among :attr:`reads`, unchecked."""
        return ()

    def expected_usd(self, params: Mapping[str, Any]) -> float:
        """About how many US dollars an attempt with these (resolved, unchecked) params costs; 0 where nobody
        knows."""
        return 0.0

    def is_free(self, params: Mapping[str, Any]) -> bool:
        """Whether an attempt with these (resolved, unchecked) params certainly asks nobody who is paid."""
        return False

    def expected_call(self, params: Mapping[str, Any]) -> ExpectedCall | None:
        """What a call of a language model with these (resolved, unchecked) params uses; None where none is
        made, or nobody knows."""
        return None

    def is_booked(self, params: Mapping[str, Any]) -> bool:
        """Whether an attempt with these (resolved, unchecked) params makes no request but one that was made
        already, and is paid: no budget keeps it from its answer."""
        return False

    @classmethod
    def unpriced(cls, params: Mapping[str, Any]) -> str | None:
        """The model that an attempt with these params may have to pay for and that has no price; None where
        there is no such. Params may still hold templates: of those nothing is known."""
        return None

    def withhold(self, variables: frozenset[str]) -> None:
        """Start nothing with these variables of the environment, which hold credentials, unless the params
        pass them on. Called once, before the first run; nodes that start no programs need not care."""
        return

    def look_in(self, files: FileTable, by: str) -> None:
        """Write no file that is in use elsewhere in the run: ``files`` tells, and ``by`` is what this node is
        called there. Called once, before the first run; nodes that write no files need not care."""
        return

    def work_in(self, folder: str) -> None:
        """Run commands in ``folder``, which is that of an item around, unless the attempt has one of its own.
        Called once, before the first run; nodes that start no programs need not care."""
        return

    only_files: ClassVar[bool] = False
    """Whether all it does is with files: where workers do not have the folder of the run, it is run here."""

    @classmethod
    def needs_folder(cls, params: Mapping[str, Any]) -> str:
        """Why a run with these params, as written, needs the folder of the run, in words that follow "and";
        "" where what it works on comes in its params."""
        if cls.only_files:
            return "it works on files"
        named = [name for name in (*cls.reads, *cls.names_files) if params.get(name)]
        return f"its `{named[0]}` names files" if named else ""

    credentials: ClassVar[tuple[str, ...]] = ()
    """The params that hold what nobody else may read."""

    @classmethod
    def credential(cls, params: Mapping[str, Any]) -> str:
        """Which credential stands in these params, as written, in words such as "its `api_key`"; "" for
        none."""
        return next((f"its `{name}`" for name in cls.credentials if params.get(name)), "")

    names_files: ClassVar[tuple[str, ...]] = ()
    """The params, besides :attr:`reads`, that name files."""

    @classmethod
    def stays(cls, params: Mapping[str, Any]) -> bool:
        """Whether runs with these params, as written, must be made in the process of the run itself, whatever
        executor its items are to have."""
        return False

    def hand_in_at(self, desk: Any) -> None:
        """Have requests that a service answers later handed in at ``desk``, where the run has one. Called
        once, before the first run; only nodes that make such requests need care."""
        return

    removes: ClassVar[bool] = False
    """Whether it takes away files that other nodes may have written."""

    makes: ClassVar[tuple[str, ...]] = ()
    """The outputs that name a file which the node has written, and which belongs to what came of it: where it
    is gone, the node is run again."""

    @classmethod
    def files_made(cls, params: Mapping[str, Any], outputs: Mapping[str, Any]) -> Iterable[str]:
        """The paths of those files, of a run with these outputs; ``params`` are as written."""
        named = (outputs.get(name) for name in cls.makes)
        return [path for path in named if isinstance(path, str)]

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


def _counts(param: Param | None, value: Any) -> bool:
    if param is None:
        return True
    is_default = not param.required and type(value) is type(param.default) and value == param.default
    return param.content and not is_default


def characters_in(value: Any) -> int:
    """The length of all text in ``value``."""
    if isinstance(value, str):
        return len(value)
    if isinstance(value, Mapping):
        return sum(map(characters_in, value.values()))
    return sum(map(characters_in, value)) if isinstance(value, (list, tuple)) else 0


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


class ServiceNode(AsyncRunNode):
    """Base of node types that wait for a service by a library of coroutines, and bound each wait themselves.

    Their clients and sessions live on the event loop of the process: what blocks it holds up every call that
    is under way.
    """

    def run(self, params: Mapping[str, Any], attempt: Attempt) -> NodeResult:
        # not `run_coroutine`: what it opens stays open for the next call where no run holds it
        return background().call(
            lambda: self.run_async(params, attempt), attempt.cancel, None, f"the node {self.type}"
        )
