"""The params of a node as its code gets them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

BoundParams = Mapping[str, Any]
"""By name: exactly the params that the node type declares, with defaults filled in, each of the type of its
:class:`~batchmill.nodes.contract.Param`. Binding has checked that, but a type checker cannot see it. So this
is the one place where a node reads values without narrowing them."""
