"""``defaults``: keys for nodes that do not have them themselves.

The models are derived from those of a node, so every key of a node can have a default at once.
"""

from __future__ import annotations

from copy import copy
from typing import Any

from pydantic import ConfigDict, Field, create_model

from batchmill.ir.models.base import Spec
from batchmill.ir.models.batch import BatchSpec
from batchmill.ir.models.node import NodeSpec

_OF_ONE_NODE = frozenset({"id", "type", "purpose", "loop"})


def _fields(model: type[Spec], left_out: frozenset[str]) -> dict[str, Any]:
    return {
        name: (info.annotation, copy(info))
        for name, info in model.model_fields.items()
        if name not in left_out
    }


BatchDefaults: type[Spec] = create_model(
    "BatchDefaults",
    __base__=Spec,
    __doc__="Default settings of every `batch` block.",
    **_fields(BatchSpec, frozenset({"items"})),
)

_batch: Any = (
    BatchDefaults | None,
    Field(None, description="Default settings of nodes that have a `batch`."),
)

NodeDefaults: type[Spec] = create_model(
    "NodeDefaults",
    __base__=Spec,
    __doc__="Default keys of every node of a type.",
    **{**_fields(NodeSpec, _OF_ONE_NODE), "batch": _batch},
)

_AllNodes: type[Spec] = create_model(
    "AllNodes",
    __base__=Spec,
    **{**_fields(NodeSpec, _OF_ONE_NODE | {"params"}), "batch": _batch},
)


class Defaults(_AllNodes):  # type: ignore[valid-type, misc]  # made above
    """Keys of every node that does not have them; under the name of a node type, keys of its nodes."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, NodeDefaults]  # type: ignore[valid-type]  # made above

    @property
    def types(self) -> tuple[str, ...]:
        """The node types that have defaults of their own."""
        return tuple(self.__pydantic_extra__)
