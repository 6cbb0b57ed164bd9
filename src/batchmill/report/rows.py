"""The input of a report: a stream of rows, one for each item, and of other events.

Times are *run time*: seconds since the run began, without the pauses between the passes of a resumed run. So
a run that was interrupted for a night has one gapless timeline; :meth:`batchmill.report.facts.Facts.epoch`
gives the time of day."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple

State = Literal[
    "ok", "kept", "skipped", "retried", "degraded", "not run", "cancelled", "failed", "timeout", "died"
]

# From the best to the worst; a state's number in columns is its position here. Where neighbouring items share
# a cell the worst of them is shown.
STATES: tuple[State, ...] = (
    "ok", "kept", "skipped", "retried", "degraded", "not run", "cancelled", "failed", "timeout", "died",
)  # fmt: skip
CODES: dict[State, int] = {state: code for code, state in enumerate(STATES)}
FAILURES: frozenset[State] = frozenset({"failed", "timeout", "died"})
DONE: frozenset[State] = frozenset({"ok", "kept", "skipped", "retried", "degraded"})

MEANINGS: dict[State, str] = {
    "ok": "done at the first attempt",
    "kept": "taken from an earlier run",
    "skipped": "left out by a condition",
    "retried": "done after more than one attempt",
    "degraded": "done, and something inside failed",
    "not run": "never begun",
    "cancelled": "ended before it was done",
    "failed": "failed",
    "timeout": "took longer than its timeout",
    "died": "its worker died",
}


class AttemptRow(NamedTuple):
    """One attempt of an item.

    ``at`` is its begin (run time), ``wall`` its length in seconds. ``error`` is the type of the error, empty
    if it succeeded, and ``message`` its text; ``kind`` is that of :class:`batchmill.outcome.ErrorInfo`.
    ``status`` is the HTTP status of an answer. Before the attempt the item waited ``waited`` seconds for a
    limit, and ``paused`` seconds after the previous attempt; the service had asked for ``retry_after``
    seconds. ``slot`` is the lane it ran on. ``refused`` says that a service asked for fewer calls."""

    at: float
    wall: float
    error: str = ""
    message: str = ""
    kind: str = ""
    status: int | None = None
    waited: float = 0.0
    paused: float = 0.0
    retry_after: float | None = None
    slot: int | None = None
    refused: bool = False


class FailureRow(NamedTuple):
    """Details of a failed item that its row does not have. Texts may be cut; secrets are already masked.

    ``input`` is the item, ``params`` the node's params as resolved for it, both as JSON. ``stdout`` and
    ``stderr`` are the ends of a command's output, ``traceback`` is that of the user's code. ``exit_code``,
    ``signal`` and ``pid`` are those of a command or of a worker that died."""

    input: str | None = None
    params: str | None = None
    stdout: str = ""
    stderr: str = ""
    traceback: str = ""
    exit_code: int | None = None
    signal: int | None = None
    pid: int | None = None


@dataclass(slots=True)
class Row:
    """One item of a node, or one visit of a node that is no batch (index 0).

    ``node`` is the node's address; for a node inside items of a batch it is without their positions
    (``site[*].crawl``), and ``address`` is the whole one (``site[3].crawl[7]``). ``index`` is the position
    among the items, from 0. ``start`` (run time) and ``wall`` (seconds) are those of its only attempt, or
    from the begin of the first to the end of the last; ``start`` is None if it was not recorded, as in old
    journals. ``slot`` is the lane it ran on, from 0: items of one node on the same lane never overlap.
    ``waited`` is seconds for a limit before its first attempt, ``queued`` seconds for a permit of the run
    before all of them. ``tried`` lists the attempts of an item that had several, or whose only one failed;
    without it, only ``attempts``, their number, is known.

    ``cpu`` is seconds, ``rss`` bytes at the peak, ``bytes_out`` bytes written to stdout, ``cost`` US dollars;
    each is None if unknown. ``error``, ``message`` and ``kind`` say why it failed, ``failure`` has the
    details. ``command`` is the command it ran, as text for a shell, secrets masked; ``exit_code`` and
    ``signal`` are that command's. ``final`` is False for an outcome that a later pass replaced: its time
    counts, but the item is counted by its replacement."""

    node: str
    index: int
    state: State
    start: float | None = None
    wall: float = 0.0
    slot: int | None = None
    attempts: int = 1
    waited: float = 0.0
    queued: float = 0.0
    tried: tuple[AttemptRow, ...] = ()
    cpu: float | None = None
    rss: int | None = None
    bytes_out: int | None = None
    cost: float | None = None
    error: str = ""
    message: str = ""
    kind: str = ""
    failure: FailureRow | None = None
    command: str | None = None
    exit_code: int | None = None
    signal: int | None = None
    address: str = ""
    final: bool = True

    @property
    def failed(self) -> bool:
        """Whether it ended as an error."""
        return self.state in FAILURES

    @property
    def place(self) -> str:
        """Its address with its own position."""
        return self.address or f"{self.node}[{self.index}]"


@dataclass(slots=True)
class CallRow:
    """One call of a language model: its begin (run time, None if unknown), the node that made it and what it
    used.

    ``input_tokens`` include the ``cached_tokens``. ``cost`` is in US dollars, None without a price.
    """

    at: float | None
    node: str
    index: int | None
    model: str
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    cost: float | None = None
    wall: float = 0.0
    error: str = ""


class RefusalRow(NamedTuple):
    """A service asked for fewer calls: at ``at`` (run time), of the limit ``key``, with the HTTP ``status``.
    With ``retry_after``, it asked for none at all for so many seconds."""

    at: float
    key: str
    status: int | None = None
    retry_after: float | None = None


def refusals_of(row: Row) -> Iterator[RefusalRow]:
    """The attempts of an item that a service refused, each at the time of its answer; the limit has the name
    of the node."""
    for one in row.tried:
        if one.refused:
            yield RefusalRow(one.at + one.wall, row.node, one.status, one.retry_after)


class LimitStep(NamedTuple):
    """From ``at`` (run time) on ``limit`` at once and ``rate`` a second, for ``reason``; None is without
    one."""

    at: float
    key: str
    limit: int | None
    rate: float | None = None
    reason: str = ""


class Sample(NamedTuple):
    """The use of the machine at ``at`` (run time): ``cores`` is CPU seconds a second of all processes of the
    run, ``rss`` their memory in bytes."""

    at: float
    cores: float
    rss: int


@dataclass(frozen=True, slots=True)
class DeathRow:
    """A worker process that died at ``at`` (run time). ``slot`` is its number, ``reason`` why batchmill
    killed it, empty if it did not. It cost ``items`` items an attempt, from ``index`` on, None if none.
    ``host`` is that of a cluster, empty for this machine. If the cluster lost a whole worker, ``host`` is the
    worker's name, and its slot and process are unknown."""

    at: float
    node: str
    index: int | None
    pid: int | None = None
    exit_code: int | None = None
    signal: int | None = None
    slot: int | None = None
    items: int = 0
    reason: str = ""
    host: str = ""
