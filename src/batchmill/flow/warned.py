"""What warnings of flows say of nodes."""

from __future__ import annotations


def class_of(node: object) -> str:
    """What a warning calls a node: its class."""
    return type(node).__name__
