"""The interface between the journal and the engine: what is saved of a run, and what the engine asks for.

    run ──> visits of its nodes ──> outcomes of their items

A resumed run walks its document again from the start. Each visit of a node asks which outcomes are known for
its content and runs only the rest: so branches, loops, stages and sub-workflows need no code of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple, Protocol

from batchmill.block import Block
from batchmill.outcome import Outcome

OK, FAILED, NOT_KEPT, DEGRADED, NOT_RUN = 0, 1, 2, 3, 4
"""States of an outcome: a result; failed; a result that JSON does not hold exactly, computed again; a result
of an item inside of which something failed, which counts as failed when failures are run again; no result, as
the condition of the item was false."""

FLOW = "flow"
"""The key of a run's settings that names its flow."""

MAP = "map"
"""The key of a run's settings that holds the job of ``map``."""

RUN_SCHEMA = "batchmill.run/1"
"""The format of the result of a run."""

READER_LEFT = "reader left"
"""Status of a run that ended because the reader of its results left, as behind ``| head -1``."""

KeyMore = Callable[[Any, int], Any]
"""The dependencies of an item's result besides the item itself, by item and index."""


@dataclass(frozen=True, slots=True)
class RunRecord:
    """The record of a run without its outcomes. ``source`` is the document's file or a name for it,
    ``folder`` the working folder; ``inputs`` leave out secret ones. Times are seconds since the epoch,
    ``wall`` seconds. ``status`` is ``running``, ``interrupted``, :data:`READER_LEFT` or that of a result."""

    source: str
    folder: str
    document: Any
    inputs: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    name: str = ""
    status: str = "running"
    passes: int = 1
    started_at: float = 0.0
    finished_at: float | None = None
    wall: float | None = None
    id: int = 0

    @property
    def finished(self) -> bool:
        """Whether it ended without having failed."""
        return self.status in ("success", "degraded")

    @property
    def label(self) -> str:
        """The name that its caller gave it; empty without one."""
        return str(self.settings.get("name") or "")

    @property
    def limit(self) -> int | None:
        """How many of the items of each batch it runs at the most; None if it runs all."""
        limit = self.settings.get("limit")
        return limit if type(limit) is int else None

    @property
    def outputs(self) -> str:
        """The name of the folder with the output of its commands; empty without one."""
        return str(self.settings.get("outputs") or "")


class ContentKey(NamedTuple):
    """All that the outcomes of a visit depend on, except the items. ``parts`` has a digest by name for each
    input of ``digest``: they show what changed.

    ``more`` gives the further dependencies of an item, None if there are none. ``older`` gives the key as the
    first format of the journal made it, None if it had none; ``same_items`` says that the keys of items are
    made as they were then, otherwise ``older_more`` is what an item depended on. ``missing`` gives the first
    file that was written with a result and no longer exists, empty if all exist; None if nothing was written.
    ``named`` says in words what an item depends on besides itself.
    """

    digest: bytes
    parts: Mapping[str, str]
    older: Callable[[], bytes | None] = lambda: None
    more: KeyMore | None = None
    same_items: bool = True
    older_more: KeyMore | None = None
    missing: Callable[[Any], str] | None = None
    named: Callable[[Any, int], Sequence[str]] | None = None


class Reuse(NamedTuple):
    """Which outcomes of earlier passes a further one uses. ``failed_only`` leaves out items that never began,
    ``failures`` leaves items that failed as they are. Outcomes of the nodes ``again``, by their ids, and of
    what they run inside, are ignored."""

    failed_only: bool = False
    failures: bool = False
    again: frozenset[str] = frozenset()


REUSE_ALL = Reuse()


@dataclass(slots=True)
class Kept:
    """The counts of a resumed run: items and nodes whose results were ``kept``, those ``redone`` because they
    had failed or could not be saved, those ``changed`` since, and ``new`` ones; and ``gone``: outcomes whose
    item no longer exists."""

    kept: int = 0
    redone: int = 0
    new: int = 0
    changed: int = 0
    gone: int = 0

    def __add__(self, other: Kept) -> Kept:
        return Kept(
            self.kept + other.kept,
            self.redone + other.redone,
            self.new + other.new,
            self.changed + other.changed,
            self.gone + other.gone,
        )

    def __sub__(self, other: Kept) -> Kept:
        return Kept(
            self.kept - other.kept,
            self.redone - other.redone,
            self.new - other.new,
            self.changed - other.changed,
            self.gone - other.gone,
        )

    def as_json(self) -> dict[str, int]:
        """The counts by name."""
        return asdict(self)


def _never(records: Sequence[object]) -> bool:
    return False


def _no_calls(records: Sequence[object], node: str, index: int | None) -> list[tuple[str, dict[str, object]]]:
    return []


class Codec(NamedTuple):
    """Converts the records of attempts to JSON and back. ``write`` raises TypeError for a record that cannot
    be saved, ``read`` ValueError for an invalid one. ``degraded`` says whether records report a failure
    inside that did not fail the item.

    ``calls`` gives the calls among records of a node and item, for the ledger: each with its id, empty if it
    has none. ``as_kept`` marks records of an outcome that is taken from another run, for which no call was
    made.
    """

    write: Callable[[Sequence[Any]], list[Any]]
    read: Callable[[Sequence[Any]], tuple[Any, ...]]
    degraded: Callable[[Sequence[Any]], bool] = _never
    calls: Callable[[Sequence[Any], str, int | None], list[tuple[str, dict[str, Any]]]] = _no_calls
    as_kept: Callable[[Sequence[Any]], tuple[object, ...]] = tuple


class ItemLog(Protocol):
    """The outcomes of one visit of a batch node.

    Concurrency: ``record`` is called from any thread, ``match`` by one at a time.
    """

    @property
    def knows(self) -> bool:
        """Whether anything may be known of the items: without, none need be matched."""

    @property
    def left_out(self) -> int:
        """The number of items that were left out, as requested, because they had never begun."""

    def match(self, start: int, items: Sequence[object]) -> Mapping[int, Outcome]:
        """The outcomes that are known of ``items``, which begin at index ``start``, by their offset. Each
        known outcome is given once."""

    def run_again(self, count: int) -> None:
        """So many of the outcomes that :meth:`match` gave are not used: their items run again."""

    def record(self, block: Block) -> None:
        """Keep the outcomes of a block. Those of items that took long are on disk when it returns."""

    def enter(self, index: int, records: Sequence[object]) -> None:
        """Save the records of an item's attempts so far, in case it never ends."""

    def flush(self) -> None:
        """Return once all that was recorded is on disk. Raises :class:`~batchmill.errors.StorageError`."""

    def close(self, total: int | None, *, read: bool = True) -> None:
        """The visit has ended; ``total`` is the number of its items, None if unknown. ``read`` says that all
        of them were read: saved outcomes that matched none are then gone."""


class SingleLog(Protocol):
    """The outcome of one visit of a node that is not a batch."""

    @property
    def known(self) -> tuple[Outcome, str] | None:
        """The outcome and the action that are known of it."""

    def record(self, outcome: Outcome, action: str) -> None:
        """Save its outcome."""


class RunLog(Protocol):
    """A run that is being written. Any thread may call any method."""

    name: str

    def single(self, address: str, key: ContentKey, *, cached: bool) -> SingleLog:
        """One visit of the node at ``address``, whose outcome depends on the digested values of ``key``.
        ``cached`` also searches other runs."""

    def batch(
        self, address: str, key: ContentKey, total: int | None, *, cached: bool, source: str | None = None
    ) -> ItemLog:
        """One visit of a batch node of ``total`` items, None if unknown. ``source`` says, as JSON, where the
        items can be read again: then long ones need not be stored."""

    def single_not_kept(self, address: str) -> SingleLog:
        """One visit whose outcome cannot be matched later: only its records are saved."""

    def batch_not_kept(self, address: str) -> ItemLog:
        """The same for a batch node."""
