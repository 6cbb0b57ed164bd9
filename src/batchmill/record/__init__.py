"""What nodes record while they run: LLM calls, their sums, and the recorder that keeps them."""

from batchmill.record.call import LLMCall, Usage
from batchmill.record.prices import Price, PriceTable
from batchmill.record.recorder import LLM_CALLS_KEY, Recorder

__all__ = ["LLM_CALLS_KEY", "LLMCall", "Price", "PriceTable", "Recorder", "Usage"]
