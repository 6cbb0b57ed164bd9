"""Lists that need not be in memory: they are read, compared and printed as lists are."""

from batchmill.lists.combined import FlatList, JoinedList, MappedList, flattened, joined, mapped
from batchmill.lists.lazy import ByReference, LazyList, holds_lazy, materialize
from batchmill.lists.rows import ABSENT, Rows, RowsList
from batchmill.lists.spill import SpillError

__all__ = [
    "ABSENT",
    "ByReference",
    "FlatList",
    "JoinedList",
    "LazyList",
    "MappedList",
    "Rows",
    "RowsList",
    "SpillError",
    "flattened",
    "holds_lazy",
    "joined",
    "mapped",
    "materialize",
]
