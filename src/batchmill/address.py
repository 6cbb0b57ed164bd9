"""Where something happens in a run: ``crawl``, ``crawl[3]``, ``site[3].crawl[7]``.

A node of the run's own document is named by its id; an item of a batch node by its position behind that, in
brackets; a node of a sub-workflow by its own address behind that of the visit that runs it, and a dot.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Address:
    """A place in a run. ``steps`` are ids of nodes, each with the position of the item or None; the address
    of the run itself has none."""

    steps: tuple[tuple[str, int | None], ...] = ()

    def node(self, name: str) -> Address:
        """The node called ``name`` in the workflow that runs here."""
        return Address((*self.steps, (name, None)))

    def item(self, index: int | None) -> Address:
        """Item ``index`` (from 0) of the batch node here; the node itself for None."""
        name, _ = self.steps[-1]
        return Address((*self.steps[:-1], (name, index)))

    def __str__(self) -> str:
        return ".".join(name if index is None else f"{name}[{index}]" for name, index in self.steps)


RUN = Address()
"""The run itself: its nodes are addressed by their ids."""
