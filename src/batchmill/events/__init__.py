"""Events of a run for its observers, the bus, progress lines and the summary."""

from typing import TYPE_CHECKING

from batchmill.lazy_names import lazily

if TYPE_CHECKING:
    from batchmill.events.bus import Bus, Listener
    from batchmill.events.happened import (
        AnswerPart,
        BatchProgress,
        Event,
        Finishing,
        ItemsTimed,
        LimitChanged,
        NodeFinished,
        NodeRetried,
        NodeStarted,
        Noticed,
        Published,
        RunFinished,
        RunStarted,
        Status,
        WorkerDied,
        WorkerJoined,
    )
    from batchmill.events.pace import ProgressThrottle

__all__ = [
    "AnswerPart",
    "BatchProgress",
    "Bus",
    "Event",
    "Finishing",
    "ItemsTimed",
    "LimitChanged",
    "Listener",
    "NodeFinished",
    "NodeRetried",
    "NodeStarted",
    "Noticed",
    "ProgressThrottle",
    "Published",
    "RunFinished",
    "RunStarted",
    "Status",
    "WorkerDied",
    "WorkerJoined",
]

__getattr__ = lazily(
    __name__,
    {
        "bus": (
            "Bus",
            "Listener",
        ),
        "happened": (
            "AnswerPart",
            "BatchProgress",
            "Event",
            "Finishing",
            "ItemsTimed",
            "LimitChanged",
            "NodeFinished",
            "NodeRetried",
            "NodeStarted",
            "Noticed",
            "Published",
            "RunFinished",
            "RunStarted",
            "Status",
            "WorkerDied",
            "WorkerJoined",
        ),
        "pace": ("ProgressThrottle",),
    },
)
