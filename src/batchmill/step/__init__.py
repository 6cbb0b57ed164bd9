"""Steps: nodes made runnable, and the namespace their templates read."""

from batchmill.record import LLM_CALLS_KEY
from batchmill.step.folder_steps import folder_step
from batchmill.step.item_folders import FilesToKeep, ItemFolders
from batchmill.step.item_steps import ItemStep, item_step
from batchmill.step.namespace import INDEX_KEY, ITEM_KEY, RESERVED_KEYS, SOURCE_KEY, Namespace
from batchmill.step.params import StepParams
from batchmill.step.paying import FREE, Paying, Teller
from batchmill.step.step import SingleStep, Step, Unresolved, single_step

__all__ = [
    "FREE",
    "INDEX_KEY",
    "ITEM_KEY",
    "LLM_CALLS_KEY",
    "RESERVED_KEYS",
    "SOURCE_KEY",
    "FilesToKeep",
    "ItemFolders",
    "ItemStep",
    "Namespace",
    "Paying",
    "SingleStep",
    "Step",
    "StepParams",
    "Teller",
    "Unresolved",
    "folder_step",
    "item_step",
    "single_step",
]
