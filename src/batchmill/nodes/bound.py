"""The params of a node as its code gets them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

BoundParams = Mapping[str, Any]
"""By name: exactly those that the node type declares, with defaults filled in, each of the type that its
:class:`~batchmill.nodes.contract.Param` asks for. Binding has checked that, which a type checker cannot see:
so this is the one place where a node reads values without narrowing them."""
