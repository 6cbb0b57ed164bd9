"""What an entry of a batch flow comes back with."""

from __future__ import annotations

from dataclasses import dataclass

from batchmill.flow.changes import Change


@dataclass(slots=True)
class FlowEnd:
    """Of an entry that ran in another process: the last action, or what the last node came to, as ``value``;
    and what it changed in the store."""

    value: object
    changes: Change | None
