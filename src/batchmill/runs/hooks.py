"""What the caller of a run hears of it, replaces in it, and can stop."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from batchmill.batch import OnBlock
from batchmill.concurrency.cancel import CancelToken
from batchmill.events import Listener
from batchmill.graph.attached import Attachment
from batchmill.values.masking import Masker


@dataclass(frozen=True, slots=True)
class RunHooks:
    """The arguments of :func:`batchmill.run` of the same names, for all passes of a run. A token that is None
    is never cancelled."""

    listeners: Iterable[Listener] = ()
    cancel: CancelToken | None = None
    stop: CancelToken | None = None
    taps: Mapping[str, OnBlock] | None = None
    masker: Masker | None = None
    attached: Mapping[str, Attachment] | None = None
    last: CancelToken | None = None
