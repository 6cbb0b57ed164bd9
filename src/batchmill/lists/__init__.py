"""Lists that need not be in memory: they are read, compared and printed as lists are."""

from batchmill.lists.lazy import JoinedList, LazyList, MappedList, Shared, held, holds_lazy
from batchmill.lists.rows import ABSENT, Rows, RowsList
from batchmill.lists.spill import SpillError

__all__ = [
    "ABSENT",
    "JoinedList",
    "LazyList",
    "MappedList",
    "Rows",
    "RowsList",
    "Shared",
    "SpillError",
    "held",
    "holds_lazy",
]
