"""Choose the executor for a batch from known or measured figures: pure arithmetic, with a reason.

The remaining time under each executor is estimated from one mean item: its wall and CPU seconds, how long it
holds the GIL, and its cost of travelling to another process. The simplest executor whose estimate is within
:data:`TIE` of the best is chosen: sequential before thread before process.
"""

from __future__ import annotations

from dataclasses import dataclass

from batchmill.executors.contract import Choice

TIE = 1.1  # estimates are no better than this; below it the simpler executor wins
ITEM_SECONDS = 2e-6  # what taking and delivering an item costs a worker of this process
THREADS_START_SECONDS = 0.0005
SHORT_SECONDS = 0.0001  # below this it is the lock changing hands between items that is seen, not the items
CROWDED_FACTOR = 4.0  # 0.2 s on two idle cores, 1 s and more where five other processes compute on them
UNKNOWN_LEFT_SECONDS = (
    2.0  # work assumed to be left, one after another, where nobody knows the number of items
)


@dataclass(frozen=True, slots=True)
class Capacity:
    """Where a batch runs: usable ``cores``, and whether Python code runs in one thread at a time (``gil``).

    ``n_threads`` and ``n_processes`` are the items each executor would have in flight."""

    cores: int
    gil: bool
    n_threads: int
    n_processes: int


@dataclass(frozen=True, slots=True)
class Measured:
    """The mean of the items that ran, in seconds: ``wall``, ``cpu``, and ``held``, the part during which no
    other thread could run Python code. ``left`` is how many items remain, None if unknown; ``items`` how many
    were measured. ``running`` says that one still runs; its remaining time is assumed to equal its elapsed
    time. ``crowded`` is the share of the time, 0 to 1, in which a process on this machine waited for a core.
    """

    items: int
    wall: float
    cpu: float
    held: float
    left: int | None
    running: bool = False
    crowded: float = 0.0

    @property
    def busy(self) -> float:
        """The share of its time that an item computes, 0 to 1."""
        return min(1.0, self.cpu / self.wall) if self.wall else 1.0

    @property
    def items_left(self) -> float:
        """How many items to reckon with."""
        if self.left is not None:
            return float(self.left)
        return UNKNOWN_LEFT_SECONDS / (self.wall + ITEM_SECONDS)


@dataclass(frozen=True, slots=True)
class ProcessCost:
    """The cost of worker processes: seconds to start them, seconds of this process per item (pickling it,
    reading its result), and, if they cannot be used at all, why (``refusal``)."""

    start: float
    per_item: float
    refusal: str = ""


def known_beforehand(
    awaits: bool, total: int | None, max_concurrent: int | None, n_threads: int
) -> Choice | None:
    """The choice where it needs no measuring, None if it does; ``awaits``: the task has coroutines."""
    if awaits:
        return Choice("thread", "its items await, on one event loop", n_threads)
    if max_concurrent == 1:
        return Choice("sequential", "max_concurrent is 1", 1)
    if total is not None and total < 2:
        return Choice("sequential", "there is one item" if total else "there are no items", 1)
    return None


def choose(measured: Measured, machine: Capacity, shipping: ProcessCost) -> Choice:
    """The executor for the items that are left."""
    left, under_way = measured.items_left, measured.wall if measured.running else 0.0
    estimates = {"sequential": under_way + left * (measured.wall + ITEM_SECONDS)}
    threads = THREADS_START_SECONDS + left * _thread_seconds(measured, machine)
    start = shipping.start * (1 + CROWDED_FACTOR * measured.crowded)
    processes = start + left * _process_seconds(measured, machine, shipping)
    estimates["thread"] = max(under_way, threads)
    if not shipping.refusal:
        estimates["process"] = max(under_way, processes)
    best = min(estimates.values())
    name = next(name for name, seconds in estimates.items() if seconds <= TIE * best)
    reason = _REASONS[name](measured, machine, shipping, estimates)
    return Choice(name, reason, _workers(name, machine), final=name != "sequential")


def _workers(name: str, machine: Capacity) -> int:
    return {"sequential": 1, "thread": machine.n_threads, "process": machine.n_processes}[name]


def _thread_seconds(measured: Measured, machine: Capacity) -> float:
    """Per item, all threads at work: bound by the threads, the cores, and the one lock."""
    at_once = max(1.0, min(machine.n_threads, measured.items_left))
    held = (measured.held if measured.wall > SHORT_SECONDS else measured.cpu) + ITEM_SECONDS
    held = held if machine.gil else 0.0
    return max((measured.wall + ITEM_SECONDS) / at_once, measured.cpu / machine.cores, held)


def _process_seconds(measured: Measured, machine: Capacity, shipping: ProcessCost) -> float:
    """Per item, all workers at work: bound by the workers, the cores, and this process, which feeds them."""
    at_once = max(1.0, min(machine.n_processes, measured.items_left))
    cores = max(1, min(machine.cores, machine.n_processes))
    return max(measured.wall / at_once, (measured.cpu + shipping.per_item) / cores, shipping.per_item)


Estimates = dict[str, float]


def _why_sequential(
    measured: Measured, machine: Capacity, shipping: ProcessCost, estimates: Estimates
) -> str:
    left = estimates["sequential"]
    if measured.left is not None and left < 2 * shipping.start:
        rest = (
            f"the {measured.left:,} left take {_time(left)}, too little" if measured.left else "none is left"
        )
        return f"{_item(measured)}; {rest} to share out"
    refusal = f"; in processes they cannot run: {shipping.refusal}" if shipping.refusal else ""
    return f"{_item(measured)}; handing them to others costs as much as it saves{refusal}"


def _why_thread(measured: Measured, machine: Capacity, shipping: ProcessCost, estimates: Estimates) -> str:
    if not machine.gil and measured.busy >= 0.5:
        why = "this interpreter has no GIL, so threads compute side by side"
    elif measured.busy < 0.5:
        why = "while one waits others run"
    elif measured.held < 0.5 * measured.cpu:
        why = "they compute without holding the GIL"
    elif shipping.refusal:
        return f"{_item(measured)}, and in processes they cannot run: {shipping.refusal}"
    else:
        processes, threads = _time(estimates["process"]), _time(estimates["thread"])
        why = f"worker processes would take {processes} in place of {threads}"
    return f"{_item(measured)}; {why}"


def _why_process(measured: Measured, machine: Capacity, shipping: ProcessCost, estimates: Estimates) -> str:
    why = "holding the GIL" if machine.gil else "more than threads get done"
    sent = f", {_time(shipping.per_item)} to send" if shipping.per_item > 0.01 * measured.wall else ""
    return f"{_item(measured)}, {why}{sent}; {machine.n_processes} processes use the cores"


_REASONS = {"sequential": _why_sequential, "thread": _why_thread, "process": _why_process}


def _item(measured: Measured) -> str:
    """Such as ``items take 12 ms and compute for 97 % of it``."""
    return f"items take {_time(measured.wall)} and compute for {round(100 * measured.busy)} % of it"


def _time(seconds: float) -> str:
    for unit, factor in (("s", 1.0), ("ms", 1e3)):
        if seconds * factor >= 1:
            return f"{seconds * factor:.3g} {unit}"
    return f"{seconds * 1e6:.2g} µs"
