"""Steps: nodes made runnable, and the namespace their templates read."""

from batchmill.step.namespace import INDEX_KEY, LLM_CALLS_KEY, RESERVED_KEYS, Namespace
from batchmill.step.params import StepParams
from batchmill.step.step import ItemStep, SingleStep, Step, Unresolved

__all__ = [
    "INDEX_KEY",
    "LLM_CALLS_KEY",
    "RESERVED_KEYS",
    "ItemStep",
    "Namespace",
    "SingleStep",
    "Step",
    "StepParams",
    "Unresolved",
]
