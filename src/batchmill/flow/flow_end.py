"""The result of an entry of a batch flow."""

from __future__ import annotations

from dataclasses import dataclass

from batchmill.flow.changes import Change


@dataclass(slots=True)
class FlowEnd:
    """The result of an entry that ran in another process: the last action, or the result of the last node, as
    ``value``, and its changes to the store."""

    value: object
    changes: Change | None
