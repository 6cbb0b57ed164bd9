"""A pipeline: the other way to write a graph, as steps in a row and blocks of branches side by side."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from batchmill.ir.models.base import Spec
from batchmill.ir.models.fields import NonEmpty, Targets
from batchmill.ir.models.node import NodeSpec

STEP_TAG = "step:"
"""The prefix of the tags below; pydantic puts them into the place of an error, from which they are
removed."""

OnError = Literal["fail_fast", "continue"]


class PipelineNode(NodeSpec):
    """A node as a step of a pipeline."""

    next: dict[NonEmpty, Annotated[Any, Targets()]] = Field(
        default_factory=dict,
        description=(
            "Action to the id of the step it leads to, or a list of several, null to end there. Actions that "
            "are not named here: `default` leads to the step behind this one, all others end there."
        ),
    )


class Parallel(Spec):
    """Branches that run at the same time; what follows waits for all of them."""

    parallel: list[Branch] = Field(min_length=1, description="The branches: a step each, or a list of steps.")
    on_error: OnError = Field(
        "fail_fast",
        description="What a failed branch does: end its block, or leave its outputs absent (`continue`).",
    )


def _step_tag(value: object) -> str:
    is_block = "parallel" in value if isinstance(value, dict) else isinstance(value, Parallel)
    return f"{STEP_TAG}block" if is_block else f"{STEP_TAG}node"


def _branch_tag(value: object) -> str:
    return f"{STEP_TAG}list" if isinstance(value, list) else _step_tag(value)


Step = Annotated[
    Annotated[PipelineNode, Tag(f"{STEP_TAG}node")] | Annotated[Parallel, Tag(f"{STEP_TAG}block")],
    Discriminator(_step_tag),
]
Steps = Annotated[list[Step], Field(min_length=1)]
Branch = Annotated[
    Annotated[PipelineNode, Tag(f"{STEP_TAG}node")]
    | Annotated[Parallel, Tag(f"{STEP_TAG}block")]
    | Annotated[Steps, Tag(f"{STEP_TAG}list")],
    Discriminator(_branch_tag),
]

Parallel.model_rebuild()
