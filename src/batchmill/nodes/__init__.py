"""Node types: the steps that a document can have, with one contract and one registry."""

from batchmill.concurrency.event_loop import run_coroutine
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
