"""What nodes record while they run: LLM calls, their sums, and the recorder that keeps them."""

from batchmill.record.call import LLMCall, Usage
from batchmill.record.recorder import Recorder

__all__ = ["LLMCall", "Recorder", "Usage"]
