"""Records of nodes: LLM calls, their sums, and the recorder that keeps them."""

from typing import TYPE_CHECKING

from batchmill.lazy_names import lazily

if TYPE_CHECKING:
    from batchmill.record.call import LLMCall, Usage, new_id, used_by
    from batchmill.record.prices import Price, PriceTable
    from batchmill.record.recorder import LLM_CALLS_KEY, Recorder
    from batchmill.record.under_way import CallsUnderWay, calls_left

__all__ = [
    "LLM_CALLS_KEY",
    "CallsUnderWay",
    "LLMCall",
    "Price",
    "PriceTable",
    "Recorder",
    "Usage",
    "calls_left",
    "new_id",
    "used_by",
]

__getattr__ = lazily(
    __name__,
    {
        "call": (
            "LLMCall",
            "Usage",
            "new_id",
            "used_by",
        ),
        "prices": (
            "Price",
            "PriceTable",
        ),
        "recorder": (
            "LLM_CALLS_KEY",
            "Recorder",
        ),
        "under_way": (
            "CallsUnderWay",
            "calls_left",
        ),
    },
)
