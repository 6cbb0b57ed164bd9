"""The contract of a node type: its name, the params it reads, the outputs it writes and one ``run``.

A node object holds no state of an item: it gets resolved params and returns a plain dictionary of outputs. So
one object can serve many items, and copies of it are cheap.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple, TypeAlias

from batchmill.attempt import Attempt
from batchmill.file_table import FileTable
from batchmill.nodes.bound import BoundParams
from batchmill.policy import NO_RETRIES, RetryPolicy
from batchmill.values.told_secrets import told_secret

if TYPE_CHECKING:  # imports pydantic, and ssl
    from batchmill.ir.services import Tables
    from batchmill.nodes.access.secrets import BoundSecret

_EVENT_LOOP = "batchmill.concurrency.event_loop"  # it imports asyncio, which takes 40 ms
CHARACTERS_PER_TOKEN = 4
DEFAULT_ACTION = "default"
ERROR_ACTION = "error"


@dataclass(frozen=True, slots=True)
class Param:
    """One parameter that a node reads.

    - ``type``: JSON Schema type names joined with ``|`` (``"string|array"``), or ``any``.
    - ``templates``: how ``${...}`` in it is handled. ``value`` resolves it; ``shell`` rewrites it into
      references that a shell reads (see :mod:`batchmill.template.shell`); ``none`` leaves the text alone;
      ``url`` keeps each value within its part of a URL (see :mod:`batchmill.template.url`); ``branches``
      resolves it and gives null for outputs of nodes that have not run, or failed.
    - ``choices``: the allowed values, if there are few. ``minimum``: inclusive.
    - ``content``: False if it cannot change the outputs (a timeout, a key, an address, a limit): saved
      outcomes stay valid when you edit it.
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
    """One output that a node writes. ``diagnostic`` outputs describe a failure and stay readable after one;
    ``??`` skips the other outputs of a failed node."""

    name: str
    type: str
    description: str
    diagnostic: bool = False


@dataclass(slots=True)
class NodeResult:
    """The result of a node's run: outputs, and the action that picks the next edge.

    A node that fails raises instead: :class:`batchmill.errors.NodeError` with its diagnostic outputs for an
    error result, any other exception otherwise.
    """

    outputs: dict[str, Any] = field(default_factory=dict)
    action: str = DEFAULT_ACTION


class ExpectedCall(NamedTuple):
    """The estimated use of one call of a language model: tokens ``sent`` and ``answered`` and their price in
    ``usd``, 0 if unknown. ``bounded`` says that the length of the answer is limited; ``part`` is the fraction
    of the ordinary price that is paid."""

    sent: float
    answered: float
    usd: float
    bounded: bool
    part: float


NodeClass: TypeAlias = "type[Node]"  # inside Node, ``type`` is the name of the type


class Node(ABC):
    """Base of all node types. Subclasses need a constructor without arguments."""

    type: ClassVar[str]
    summary: ClassVar[str]
    params: ClassVar[tuple[Param, ...]] = ()
    outputs: ClassVar[tuple[Output, ...]] = ()
    open_params: ClassVar[bool] = False  # True: params that are not listed are accepted
    open_outputs: ClassVar[bool] = False  # True: outputs that are not listed may be referred to
    passes_params: ClassVar[bool] = False  # True: params that are not listed are outputs of the same name

    requests: ClassVar[bool | None] = None
    """Whether an attempt is a request to a service, which budgets count. None: as many requests as the
    attempt records calls of language models."""

    only_default: ClassVar[bool] = False
    """Whether every run that succeeds ends with the action ``default``."""

    @classmethod
    def actions(cls, params: BoundParams) -> frozenset[str] | None:
        """The actions that a run with these params, as written, may end with, without ``error``; None if
        unknown. Runs and imports nothing."""
        return frozenset({DEFAULT_ACTION}) if cls.only_default else None

    @classmethod
    def changes(cls, params: BoundParams) -> bool:
        """Whether a run with these params, as written, is known to change something outside of it, which an
        outcome reused from an earlier run would not do."""
        return False

    @classmethod
    def usual_retry(cls, params: BoundParams) -> RetryPolicy:
        """The default retry policy of attempts with these params, as written. The document's own keys
        override it one by one."""
        return NO_RETRIES

    calls_models: ClassVar[bool] = False
    """Whether attempts call language models: unreported use then counts as an estimate."""

    def expected_tokens(self, params: BoundParams) -> float:
        """Estimate the tokens of language models that an attempt with these (resolved, unchecked) params
        uses.

        Limits reserve them before the attempt, and correct the estimate by what is recorded. Here: four
        characters of text per token, plus ``max_tokens`` if given.
        """
        most = params.get("max_tokens")
        answer = most if isinstance(most, (int, float)) and not isinstance(most, bool) else 0
        return characters_in(params) / CHARACTERS_PER_TOKEN + answer

    @classmethod
    def content(cls, params: BoundParams) -> dict[str, Any]:
        """The params, as written or resolved, that can change the outputs, without those that equal their
        default."""
        declared = {param.name: param for param in cls.params}
        return {name: value for name, value in params.items() if _counts(declared.get(name), value)}

    reads: ClassVar[tuple[str, ...]] = ()
    """The params that name files whose content goes into the outputs."""

    @classmethod
    def files_read(cls, params: BoundParams) -> Iterable[str]:
        """The paths of those files; ``params`` has the params in :attr:`reads`, resolved and unchecked."""
        return ()

    def expected_usd(self, params: BoundParams) -> float:
        """Estimate the price in US dollars of an attempt with these (resolved, unchecked) params; 0 if
        unknown."""
        return 0.0

    def is_free(self, params: BoundParams) -> bool:
        """Whether an attempt with these (resolved, unchecked) params surely calls no paid service."""
        return False

    def expected_call(self, params: BoundParams) -> ExpectedCall | None:
        """Estimate the use of one call of a language model with these (resolved, unchecked) params; None if
        it makes no call, or the use is unknown."""
        return None

    def is_booked(self, params: BoundParams) -> bool:
        """Whether an attempt with these (resolved, unchecked) params only fetches the answer to a request
        that was made and paid before: no budget stops it."""
        return False

    @classmethod
    def unpriced(cls, params: BoundParams) -> str | None:
        """The model without a price that an attempt with these params may have to pay for; None if there is
        none. Params that still hold templates are unknown and are skipped."""
        return None

    def withhold(self, variables: frozenset[str]) -> None:
        """Start no program with these environment variables, which hold credentials, unless the params pass
        them on. Called once, before the first run; nodes that start no programs can ignore it."""
        return

    secrets: tuple[BoundSecret, ...] = ()
    """The secrets that the document binds to hosts, set before the first run. A node that sends requests
    passes them to :func:`~batchmill.nodes.access.policy.access_of`."""

    def look_in(self, files: FileTable, by: str) -> None:
        """Write no file that the run uses elsewhere: ask ``files``, where ``by`` is the name of this node.
        Called once, before the first run; nodes that write no files can ignore it."""
        return

    def work_in(self, folder: str) -> None:
        """Run commands in ``folder``, that of an enclosing item, unless the attempt has its own. Called once,
        before the first run; nodes that start no programs can ignore it."""
        return

    only_files: ClassVar[bool] = False
    """Whether it only works on files: it runs here if workers do not have the folder of the run."""

    @classmethod
    def needs_folder(cls, params: BoundParams) -> str:
        """Why a run with these params, as written, needs the folder of the run, in words that follow "and";
        "" if its params hold all that it works on."""
        if cls.only_files:
            return "it works on files"
        named = [name for name in (*cls.reads, *cls.names_files) if params.get(name)]
        return f"its `{named[0]}` names files" if named else ""

    credentials: ClassVar[tuple[str, ...]] = ()
    """The params that hold secrets."""

    @classmethod
    def credential(cls, params: BoundParams) -> str:
        """The credential in these params, as written, in words such as "its `api_key`"; "" for none."""
        named = next((name for name in cls.credentials if params.get(name)), None) or told_secret(params)
        return f"its `{named}`" if named else ""

    names_files: ClassVar[tuple[str, ...]] = ()
    """The params, besides :attr:`reads`, that name files."""

    @classmethod
    def stays(cls, params: BoundParams) -> bool:
        """Whether runs with these params, as written, must run in the process of the run itself, with any
        executor."""
        return False

    @classmethod
    def load(cls, params: BoundParams) -> None:
        """Import what every attempt needs, before limits let the first one start and its timeout begins:
        attempts that started during the import would reach the service all at once, and be late. ``params``
        are those without templates. Raises nothing."""
        return

    def hand_in_at(self, desk: Any) -> None:
        """Submit requests that a service answers later at ``desk``, if the run has one. Called once, before
        the first run; nodes without such requests can ignore it."""
        return

    removes: ClassVar[bool] = False
    """Whether it deletes files that other nodes may have written."""

    makes: ClassVar[tuple[str, ...]] = ()
    """The outputs that name a file which the node has written as part of its result: if the file is missing,
    the node runs again."""

    @classmethod
    def files_made(cls, params: BoundParams, outputs: Mapping[str, Any]) -> Iterable[str]:
        """The paths of those files, for a run with these outputs; ``params`` are as written."""
        named = (outputs.get(name) for name in cls.makes)
        return [path for path in named if isinstance(path, str)]

    def check(self, params: BoundParams) -> list[tuple[str, str]]:
        """Check params as written, before anything runs: ``(param name, what is wrong)`` for each fault.

        Skip values that hold templates: they are not known yet. Run and import nothing. Presence, names,
        types, choices and minimums are already checked against the declared ``params``.
        """
        return []

    @classmethod
    def of_document(cls, tables: Tables) -> NodeClass:
        """The type as the nodes of one document see it; by default the type itself.

        Raises :class:`~batchmill.errors.BrokenNodeType` for something that the document does not have.
        """
        return cls

    @abstractmethod
    def run(self, params: BoundParams, attempt: Attempt) -> NodeResult:
        """Run with resolved params (defaults filled in, types checked); blocking.

        Respect ``attempt.deadline`` and ``attempt.cancel`` in long waits if you can. Raise
        :class:`~batchmill.errors.NodeError` for an error result.
        """


def _counts(param: Param | None, value: Any) -> bool:
    if param is None:
        return True
    is_default = not param.required and type(value) is type(param.default) and value == param.default
    return param.content and not is_default


def characters_in(value: Any) -> int:
    """The total length of the text in ``value``, in characters."""
    if isinstance(value, str):
        return len(value)
    if isinstance(value, Mapping):
        return sum(map(characters_in, value.values()))
    return sum(map(characters_in, value)) if isinstance(value, (list, tuple)) else 0


class AsyncRunNode(Node):
    """Base of node types that wait in coroutines.

    With the executor ``thread`` the items of a batch run on one event loop, ``max_concurrent`` at once. They
    share the node object: keep the state of an attempt in local variables. Everywhere else ``run`` awaits
    each attempt on the one event loop of its process. A node type with ``run_async`` but without this base is
    treated the same.
    """

    @abstractmethod
    async def run_async(self, params: BoundParams, attempt: Attempt) -> NodeResult:
        """:meth:`Node.run` as a coroutine. It is cancelled at a timeout, and when the run ends by force."""

    def run(self, params: BoundParams, attempt: Attempt) -> NodeResult:
        loop = import_module(_EVENT_LOOP)
        result: NodeResult = loop.run_coroutine(
            lambda: self.run_async(params, attempt), attempt.cancel, attempt.remaining()
        )
        return result


class ServiceNode(AsyncRunNode):
    """Base of node types that call a service through an async library, and set a timeout for each wait
    themselves.

    Their clients and sessions live on the event loop of the process: code that blocks it delays every running
    call.
    """

    def run(self, params: BoundParams, attempt: Attempt) -> NodeResult:
        # not `run_coroutine`: outside a run, what it opens must stay open for the next call
        loop = import_module(_EVENT_LOOP)
        result: NodeResult = loop.background().call(
            lambda: self.run_async(params, attempt), attempt.cancel, None, f"the node {self.type}"
        )
        return result
