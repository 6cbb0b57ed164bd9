"""The differences between executors, as plain data, for code that must not import one."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Traits:
    """The traits of one executor.

    ``side_by_side``: several items run at once. ``own_processes``: items run in worker processes, here or on
    other machines, which share nothing with this one, can be killed and have a memory limit. ``starts_here``:
    it may start worker processes on this machine, of which the nodes of a run share a number. ``chooses``: it
    uses the first items to find a suitable executor. ``within_worker``: its replacement in a worker process,
    "" for none. There the batch around it already keeps the cores busy, so computing gains nothing from more
    workers, and waiting uses threads.
    """

    side_by_side: bool = True
    own_processes: bool = False
    starts_here: bool = False
    chooses: bool = False
    within_worker: str = ""

    @property
    def in_process(self) -> bool:
        """Whether all items run in this process."""
        return not (self.own_processes or self.starts_here)

    @property
    def elsewhere(self) -> bool:
        """Whether its workers are those of a cluster."""
        return self.own_processes and not self.starts_here


TRAITS = {
    "sequential": Traits(side_by_side=False),
    "thread": Traits(),
    "process": Traits(own_processes=True, starts_here=True, within_worker="sequential"),
    "auto": Traits(starts_here=True, chooses=True, within_worker="thread"),
    "dask": Traits(own_processes=True, within_worker="sequential"),
}
"""Of every executor there is, by its name, the simplest first."""
