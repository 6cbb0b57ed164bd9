"""A node of the document, with the settings around its run: retry, timeout, loop and batch."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from batchmill.ir.models.base import Spec
from batchmill.ir.models.batch import BatchSpec
from batchmill.ir.models.fields import (
    Attempts,
    Factor,
    Name,
    NonEmpty,
    Seconds,
    TemplateOrTruth,
    TemplateText,
    Timeout,
    Whole,
)
from batchmill.ir.models.limits import BudgetSpec, RateLimit
from batchmill.ir.models.workdirs import FilesKept, FolderPerItem
from batchmill.policy import NO_RETRIES, RetryPolicy

DEFAULT_ITERATIONS = 100
"""Where a loop that never meets its condition ends."""


class RetrySpec(Spec):
    """When a failed attempt is tried again."""

    max: Attempts = Field(3, description="Attempts in total.")
    wait: Seconds = Field(0.0, description="Seconds before the second attempt.")
    backoff: Factor = Field(1.0, description="Factor on the wait after each further attempt.")
    max_wait: Seconds = Field(60.0, description="Longest wait in seconds.")
    jitter: bool = Field(True, description="Draw each wait evenly from 0 to its length.")
    refused_for: Seconds = Field(
        0.0,
        description="Total seconds that the node waits after a service refused it (429, 503), without using "
        "up attempts; by default 600 for `llm`, 120 for `http`.",
    )
    LATER = frozenset({"refused_for"})

    def policy(self, otherwise: RetryPolicy = NO_RETRIES) -> RetryPolicy:
        """The decision that this block describes; ``otherwise`` supplies missing keys."""
        given = {key: getattr(self, key) for key in self.model_fields_set if key != "max"}
        return otherwise.told(max_attempts=self.max, **given)


class LoopSpec(Spec):
    """Run a node again and again; the condition is looked at after each time."""

    while_: TemplateText | None = Field(
        None, alias="while", description="Template; the loop goes on as long as its value is true."
    )
    until: TemplateText | None = Field(None, description="Template; the loop ends once its value is true.")
    carry: dict[str, Any] = Field(
        default_factory=dict,
        description="Params or inputs of the node, with their values from the second iteration on.",
    )
    max_iterations: Annotated[int, Whole(1, 1_000_000)] = Field(
        DEFAULT_ITERATIONS, description="Maximum number of iterations."
    )


class NodeSpec(Spec):
    """One step of the workflow."""

    id: Name = Field(description="Name of the node; its outputs are found under it in templates.")
    type: NonEmpty = Field(description="Node type; `batchmill nodes` lists them.")
    purpose: str | None = Field(None, description="What the node is for, in words.")
    params: dict[str, Any] = Field(default_factory=dict, description="Params of the node type.")
    LATER = frozenset({"when", "files", "workdir", "keep"})
    when: Annotated[str, TemplateOrTruth()] | None = Field(
        None,
        description="Template, or true or false; where it is false the node is skipped, or with `batch` the "
        "item.",
    )
    batch: BatchSpec | None = Field(None, description="Map the node over many items.")
    retry: RetrySpec | None = Field(None, description="Try the node again when it fails.")
    timeout: Timeout | None = Field(None, description="Seconds for one attempt.")
    rate_limit: RateLimit | None = Field(None, description="How often attempts may start.")
    budget: BudgetSpec | None = Field(None, description="What the node may spend in a run.")
    loop: LoopSpec | None = Field(None, description="Run the node repeatedly; not together with `batch`.")
    files: list[NonEmpty] = Field(
        default_factory=list,
        description="Paths of files and folders, templates inside, whose content belongs to the result.",
    )
    workdir: Annotated[Any, FolderPerItem()] = Field(
        None,
        description="`item`: each attempt at an item of a batch has a folder of its own, removed once the "
        "item has succeeded. An object says where (`in`) and when to remove it (`remove`).",
    )
    keep: Annotated[Any, FilesKept()] = Field(
        None,
        description="Patterns of files in that folder which are kept when the item succeeds; an object says "
        "where (`to`), and whether there need be any (`required`).",
    )
    cache: bool = Field(False, description="Keep the outputs for later runs with the same params.")
