"""Node types: the steps that a document can have, with one contract and one registry."""

from typing import TYPE_CHECKING

from batchmill.lazy_names import lazily
from batchmill.nodes.contract import (
    DEFAULT_ACTION,
    ERROR_ACTION,
    AsyncRunNode,
    Node,
    NodeResult,
    Output,
    Param,
)
from batchmill.nodes.params import bind, bind_ahead, check_params
from batchmill.nodes.registry import Registry, default_registry

if TYPE_CHECKING:  # with asyncio: 40 ms
    from batchmill.concurrency.event_loop import run_coroutine

__all__ = [
    "DEFAULT_ACTION",
    "ERROR_ACTION",
    "AsyncRunNode",
    "Node",
    "NodeResult",
    "Output",
    "Param",
    "Registry",
    "bind",
    "bind_ahead",
    "check_params",
    "default_registry",
    "run_coroutine",
]

__getattr__ = lazily(__name__, {"batchmill.concurrency.event_loop": ("run_coroutine",)})
