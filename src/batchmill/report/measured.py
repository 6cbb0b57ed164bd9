"""The parts of the model that were measured over time or item by item. Units as in :mod:`.parts`."""

from __future__ import annotations

from dataclasses import dataclass, field

from pydantic import Base64Bytes

from batchmill.report.rows import State


@dataclass(frozen=True, slots=True)
class NodeSeries:
    """One node over time. Each bin has the items that ended ``ok``, ``failed`` and ``retried`` (done after
    more than one attempt), and the mean number of attempts ``in_flight``."""

    node: str
    ok: list[int]
    failed: list[int]
    retried: list[int]
    in_flight: list[float]


@dataclass(frozen=True, slots=True)
class LimitSeries:
    """A limit over time. ``key`` names it; each step is ``[at, limit, rate, reason]``: so many at once and so
    many a second from then on, None for none."""

    key: str
    steps: list[tuple[float, int | None, float | None, str]]


@dataclass(frozen=True, slots=True)
class RefusalSeries:
    """Refusals of ``key`` in each bin of time, ``total`` of them. ``spans`` are the times in which the
    service asked for no calls at all: ``[at, seconds, status]``, at most 300, of ``span_total``."""

    key: str
    total: int
    counts: list[int]
    spans: list[tuple[float, float, int | None]] = field(default_factory=list)
    span_total: int = 0


@dataclass(frozen=True, slots=True)
class Series:
    """The run over time: ``bins`` bins of ``seconds`` each, from the begin of the run. ``nodes`` are those
    with the most slot-seconds, and if there are more, one named in ``others`` for all the rest together.
    ``tokens`` are those of calls that began in a bin; ``cost`` is the dollars spent up to the end of each."""

    seconds: float
    bins: int
    nodes: list[NodeSeries] = field(default_factory=list)
    others: str = ""
    limits: list[LimitSeries] = field(default_factory=list)
    refusals: list[RefusalSeries] = field(default_factory=list)
    tokens: list[int] = field(default_factory=list)
    cost: list[float] = field(default_factory=list)
    cores: list[float | None] = field(default_factory=list)
    rss: list[int | None] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Lanes:
    """The activity of the slots of a node. Lane ``i`` stands for ``group`` slots, from slot ``i * group`` on;
    slots after the last lane were not used. ``names`` are the names of the slots of a cluster, such as
    ``host-a/0``; empty if items ran on this machine.

    ``data`` is zlib-compressed bytes: for each of the ``lanes`` lanes, then for each of ``bins`` bins of
    time, how busy it was, 0 to 200 (half per cents, at least 1 if at all); then in the same order the number
    of the worst state an item ended in there (:data:`batchmill.report.rows.STATES`), 255 for none."""

    node: str
    slots: int
    group: int
    lanes: int
    bins: int
    data: Base64Bytes
    names: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class ItemColumns:
    """Every item of a node in columns. A cell is ``group`` neighbouring items: mostly one, more where a run
    has too many for one page; it has the worst state, the longest wall and the first start of them.

    ``cells`` is their number, ``items`` that of the items. ``data`` is zlib-compressed bytes, ``cells`` long
    each: state (its number), wall (0: unknown, else 8 steps an octave from 1 µs: ``1e-6 * 2**((n - 1) / 8)``
    seconds), slot (0: unknown, else slot + 1, 255 for all above), and the low and then the high byte of the
    difference modulo 65,536 between a start and that of the cell before, in units of ``tick`` seconds from
    the begin of the run; the start 65,535 is unknown. ``in_order`` is False if cells are in the order in
    which items came, as inside of items of another batch, where a position is not unique."""

    node: str
    items: int
    cells: int
    group: int
    tick: float
    data: Base64Bytes
    in_order: bool = True


@dataclass(frozen=True, slots=True)
class ExampleAttempt:
    """An attempt of an example: see :class:`batchmill.report.rows.AttemptRow`. ``at`` counts from the begin
    of the first one."""

    at: float
    wall: float
    error: str = ""
    message: str = ""
    kind: str = ""
    status: int | None = None
    waited: float = 0.0
    paused: float = 0.0
    retry_after: float | None = None


@dataclass(frozen=True, slots=True)
class Command:
    """A command to copy: what it does, and its text for a shell."""

    does: str
    text: str


@dataclass(frozen=True, slots=True)
class Example:
    """One failed item in full; texts are cut to 4 KB. ``input`` and ``params`` are JSON, None if the report
    has no values."""

    index: int
    place: str
    state: State
    message: str
    at: float | None = None
    wall: float = 0.0
    slot: int | None = None
    attempts: int = 1
    tried: list[ExampleAttempt] = field(default_factory=list)
    input: str | None = None
    params: str | None = None
    stdout: str = ""
    stderr: str = ""
    traceback: str = ""
    exit_code: int | None = None
    signal: int | None = None
    pid: int | None = None
    commands: list[Command] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class FailureGroup:
    """Failures of one node with the same type and the same message except for numbers, quoted texts and
    paths. ``pattern`` is the message, with ``…`` in their place if it was not always the same. ``first`` and
    ``last`` are the times at which the first and the last of them ended."""

    node: str
    type: str
    kind: str
    pattern: str
    count: int
    first: float | None = None
    last: float | None = None
    examples: list[Example] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Failures:
    """``total`` failed items in groups, the largest first; ``ungrouped`` of them are in none, as there are
    too many groups. ``more`` lists further ones as ``[node, index, message]``, at most 500."""

    total: int = 0
    groups: list[FailureGroup] = field(default_factory=list)
    ungrouped: int = 0
    more: list[tuple[str, int, str]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class RetryCause:
    """Why attempts failed after which another one was made: ``attempts`` of them took ``lost`` seconds, and
    ``waited`` seconds went by before the next; of their items ``saved`` were done in the end."""

    cause: str
    attempts: int
    lost: float
    waited: float
    saved: int


@dataclass(frozen=True, slots=True)
class Retries:
    """``by_attempts`` is ``[attempts, items, of them failed]`` for items that ran; ``saved`` are done after
    more than one attempt. ``lost`` is seconds in attempts that failed, ``waited`` between attempts."""

    by_attempts: list[tuple[int, int, int]] = field(default_factory=list)
    saved: int = 0
    lost: float = 0.0
    waited: float = 0.0
    causes: list[RetryCause] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class CallSum:
    """Calls of a language model by one node. ``cost`` is the sum of the calls with a price, ``unpriced`` the
    number of the others. ``failed`` calls were answered but gave no usable result."""

    node: str
    model: str
    calls: int
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    cost: float
    unpriced: int
    failed: int = 0
    wall: float = 0.0


@dataclass(frozen=True, slots=True)
class BudgetSpent:
    """A spending limit: ``amount`` of ``unit`` (``usd``, ``tokens``, ``requests``), and how much is
    ``spent``. ``node`` is empty for the limit of the run."""

    unit: str
    amount: float
    spent: float
    node: str = ""


@dataclass(frozen=True, slots=True)
class Notable:
    """An item worth a look: one of the slowest or dearest. ``input`` is as in :class:`Example`."""

    node: str
    index: int
    place: str
    state: State
    wall: float
    at: float | None = None
    slot: int | None = None
    attempts: int = 1
    cost: float | None = None
    input: str | None = None
    command: str = ""
