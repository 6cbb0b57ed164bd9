"""The address of a node or item in a run, as text: ``crawl``, ``crawl[3]``, ``site[3].crawl[7]``.

A node of the run's own document has its id. An item of a batch node adds its position in brackets. A node of
a sub-workflow adds a dot and its id to the address of the node or item that runs it. Errors, events, recorded
calls and reports name nodes by address.
"""

from __future__ import annotations

import re

_INDEX = re.compile(r"\[[0-9]+\]$")


def address_of(node: str, *, within: str = "", index: int | None = None) -> str:
    """The address of a node, or of its item ``index`` (from 0), in the workflow that ``within`` runs; the
    run's own document is within nothing."""
    place = f"{within}.{node}" if within else node
    return place if index is None else f"{place}[{index}]"


def without_index(address: str) -> str:
    """The address of the node, if ``address`` is that of one of its items."""
    return _INDEX.sub("", address)
