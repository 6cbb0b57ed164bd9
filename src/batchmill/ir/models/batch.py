"""The ``batch`` block: where items come from and how a node is mapped over them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from batchmill.ir.models.base import Spec
from batchmill.ir.models.collect import CollectFile, ItemKept, ResultsTo
from batchmill.ir.models.fields import (
    Attempts,
    Bytes,
    CountOrShare,
    Factor,
    Name,
    Number,
    Seconds,
    TemplateText,
    Timeout,
    Whole,
    WholeOrAuto,
    WholeOrSpan,
)
from batchmill.ir.models.limits import RateLimit
from batchmill.ir.models.sources import (
    ITEMS_ERROR,
    ITEMS_TAG,
    RESOLVED,
    SIDES,
    ProductSource,
    PythonSource,
    SideForms,
    StdinSource,
    ZipSource,
    as_written,
    tag_of,
)
from batchmill.policy import NO_RETRIES, FailurePolicy, RetryPolicy
from batchmill.policy.adaptive.concurrency_range import ConcurrencyRange
from batchmill.traits import TRAITS, Traits

ExecutorName = Literal["sequential", "thread", "process", "auto", "dask"]

RETRY_KEYS = {
    "max_retries": "max_attempts",
    "retry_wait": "wait",
    "retry_backoff": "backoff",
    "retry_max_wait": "max_wait",
    "retry_jitter": "jitter",
    "refused_for": "refused_for",
}
"""The keys of retries, each with its name in the policy."""

MOST_ITEMS = 10**12
MIN_WORKER_BYTES = 16 * 2**20
"""Less memory than this does not even start a Python worker."""


SOURCES: dict[str, type[Spec]] = {
    **SIDES,
    "stdin": StdinSource,
    "product": ProductSource,
    "zip": ZipSource,
}
OF_FILES = ("lines", "jsonl", "csv", "parquet")
"""Sources that read rows of files; their items have a place."""


def _items_tag(value: object) -> str | None:
    return tag_of(value, SOURCES)


Items = Annotated[
    SideForms
    | Annotated[StdinSource, Tag(f"{ITEMS_TAG}stdin")]
    | Annotated[ProductSource, Tag(f"{ITEMS_TAG}product")]
    | Annotated[ZipSource, Tag(f"{ITEMS_TAG}zip")],
    Discriminator(_items_tag, custom_error_type=ITEMS_ERROR, custom_error_message="not items"),
]


class Tolerate(Spec):
    """How many items may fail under ``continue``."""

    count: Annotated[int, Whole(0, 10**9)] | None = Field(None, description="More failures fail the node.")
    percent: Annotated[float, Number(0, 100)] | None = Field(
        None, description="A larger share of failed items, in percent, fails the node."
    )


class BatchSpec(Spec):
    """How a node is mapped over many items."""

    items: Items = Field(
        description="`${ref}`, a list (templates inside), or one source: glob, lines, jsonl, csv, parquet, "
        "sqlite, range, stdin, product, zip or python."
    )
    LATER = frozenset({
        "where", "skip", "sample", "seed", "limit", "min_items", "batch_size", "bad_rows", "item",
        "refused_for",
    })  # fmt: skip
    where: TemplateText | None = Field(
        None, description="Template on the item; only items for which it is true are taken."
    )
    skip: Annotated[int, Whole(0, MOST_ITEMS)] = Field(
        0, description="Number of items to skip at the beginning."
    )
    sample: Annotated[int | float, CountOrShare(MOST_ITEMS)] | None = Field(
        None, description="Number of items to draw at random, or (below 1) about that share of them."
    )
    seed: Annotated[int, Whole(0, 2**63 - 1)] = Field(
        0, description="Seed of the sample; the same seed draws the same items."
    )
    limit: Annotated[int, Whole(0, MOST_ITEMS)] | None = Field(
        None, description="Run at most this many items."
    )
    min_items: Annotated[int, Whole(0, MOST_ITEMS)] = Field(
        0, description="Fail the node if there are fewer items, before any of them runs."
    )
    batch_size: Annotated[int, Whole(1, 10**6)] | None = Field(
        None,
        description="Run items in groups of this size: the item is then a list; the last one may be shorter.",
    )
    bad_rows: Literal["fail", "error"] = Field(
        "fail",
        description="A row of the source that cannot be read fails the node, or (`error`) is a failed item.",
    )
    as_: Name = Field("item", alias="as", description="Name of the item in templates.")
    parallel: bool = Field(False, description="false: one after another, in this process.")
    executor: ExecutorName | None = Field(
        None, description="Where items run; `thread` where `parallel` is true. Naming one implies `parallel`."
    )
    max_concurrent: Annotated[int | str, WholeOrSpan()] | None = Field(
        None,
        description="Items in flight; 10 for threads, the usable cores for processes. `auto`, or at least, "
        "first and most such as `4-20-100`: as many as the service takes.",
    )
    chunk_size: Annotated[int | Literal["auto"], WholeOrAuto(1, 10**6)] = Field(
        "auto", description="Items shipped together to a worker process."
    )
    max_retries: Attempts = Field(1, description="Attempts in total.")
    retry_wait: Seconds = Field(0.0, description="Seconds before the second attempt.")
    retry_backoff: Factor = Field(1.0, description="Factor on the wait after each further attempt.")
    retry_max_wait: Seconds = Field(60.0, description="Longest wait in seconds.")
    retry_jitter: bool = Field(True, description="Draw each wait evenly from 0 to its length.")
    refused_for: Seconds = Field(
        0.0,
        description="Total seconds that an item waits after a service refused it (429, 503), without using "
        "up attempts; by default 600 for `llm`, 120 for `http`.",
    )
    timeout: Timeout | None = Field(None, description="Seconds for one attempt of one item.")
    error_handling: Literal["fail_fast", "continue", "fail_safe"] = Field(
        "fail_fast", description="Stop at the first failed item, or go on (`fail_safe` is the same)."
    )
    tolerate: Tolerate | None = Field(None, description="With `continue`: more failures fail the node.")
    rate_limit: RateLimit | None = Field(None, description="How often attempts may start.")
    stream: bool = Field(
        False, description="Take the items from the batch node before this one as it finishes them."
    )
    collect: Annotated[Any, ResultsTo()] = Field(
        "results",
        description="`results`: kept. `none`: dropped. An object with `jsonl`, `csv` or `parquet`: written "
        "to that file, with the columns of `select`, and the entries of failed items to the file `errors`.",
    )
    item: Annotated[Any, ItemKept()] = Field(
        True, description="Whether each entry of `results` has the item, or which keys of it."
    )
    memory_limit: Annotated[int, Bytes(MIN_WORKER_BYTES, 2**50)] | None = Field(
        None,
        description="Bytes one worker process may use, or text such as `512MB`; executor `process` only.",
    )

    @property
    def keeps_results(self) -> bool:
        """Whether the node has ``results``."""
        return bool(self.collect == "results")

    @property
    def collect_file(self) -> CollectFile | None:
        """The file that results are written to; None if they go to none."""
        return CollectFile.of(self.collect)

    @property
    def results_path(self) -> str | None:
        """Its path, as written in the document."""
        return self.collect_file.path if self.collect_file is not None else None

    @property
    def errors_path(self) -> str | None:
        """The same for the entries of failed items."""
        return self.collect_file.errors if self.collect_file is not None else None

    @property
    def executor_name(self) -> ExecutorName:
        """The executor once the defaults are applied."""
        if self.executor is not None:
            return self.executor
        return "thread" if self.parallel else "sequential"

    @property
    def fixed_chunk_size(self) -> int | None:
        """Items in a chunk, None if it is found by measuring."""
        return None if self.chunk_size == "auto" else self.chunk_size

    @property
    def traits(self) -> Traits:
        """The traits of the executor."""
        return TRAITS[self.executor_name]

    @property
    def span(self) -> ConcurrencyRange | None:
        """The bounds of adaptive concurrency, None if it is not adaptive."""
        return ConcurrencyRange.parse(self.max_concurrent) if isinstance(self.max_concurrent, str) else None

    @property
    def fixed_concurrent(self) -> int | None:
        """Items in flight where that is fixed, at the most where it adapts; None for the executor's own."""
        if isinstance(self.max_concurrent, str):
            return None if self.max_concurrent == "auto" and self.traits.own_processes else self._most
        return self.max_concurrent

    @property
    def _most(self) -> int | None:
        return self.span.most if self.span is not None else None

    @property
    def goes_on(self) -> bool:
        """Whether a failed item leaves the others running."""
        return self.error_handling != "fail_fast"

    @property
    def items_kind(self) -> str:
        """Which of the ways to write items was chosen: ``reference``, ``list``, or the key of a source."""
        if isinstance(self.items, str):
            return "reference"
        if isinstance(self.items, list):
            return "list"
        kind = type(self.items)
        return next(name for name, source in SOURCES.items() if source is kind)

    @property
    def items_value(self) -> Any:
        """The items as written: the template, the list, or the value of the source's key."""
        if isinstance(self.items, (str, list)):
            return self.items
        return as_written(getattr(self.items, self.items_kind))

    @property
    def items_options(self) -> dict[str, Any]:
        """The options next to the source's key."""
        if isinstance(self.items, (str, list)):
            return {}
        given = self.items.model_fields_set - {self.items_kind}
        return {name: getattr(self.items, name) for name in type(self.items).model_fields if name in given}

    @property
    def calls_code(self) -> bool:
        """Whether code of the user's has to be run to know the items."""
        if isinstance(self.items, (ProductSource, ZipSource)):
            sides = (self.items.product if isinstance(self.items, ProductSource) else self.items.zip).values()
            return any(isinstance(side, PythonSource) for side in sides)
        return isinstance(self.items, PythonSource)

    @property
    def items_templates(self) -> dict[str, object]:
        """The parts of `items` that may hold templates."""
        return {name: value for name, value in self.items_options.items() if name in RESOLVED}

    @property
    def retry_keys_given(self) -> tuple[str, ...]:
        """The keys that were given and belong to retries."""
        return tuple(key for key in RETRY_KEYS if key in self.model_fields_set)

    def retry_policy(self, otherwise: RetryPolicy = NO_RETRIES) -> RetryPolicy:
        """The retry policy of an item; ``otherwise`` supplies missing keys."""
        given = {RETRY_KEYS[key]: getattr(self, key) for key in self.retry_keys_given}
        return otherwise.told(**given)

    def failure_policy(self) -> FailurePolicy:
        """The effect of failed items on the batch."""
        if not self.goes_on:
            return FailurePolicy()
        if self.tolerate is None:
            return FailurePolicy(fail_fast=False)
        return FailurePolicy(False, self.tolerate.count, self.tolerate.percent)
