"""The names of nodes in warnings of flows."""

from __future__ import annotations


def class_of(node: object) -> str:
    """The name of a node in a warning: its class."""
    return type(node).__name__
