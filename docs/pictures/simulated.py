"""Runs that never were, item by item, as a report sees them: for pictures of reports, and for their tests.

Slots take items one after another, as batches do: durations are log-normal, some attempts fail and are made again,
a limit lets only so many start in a second. What comes out is a function of the seed alone.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from batchmill.report.aggregate import Aggregate
from batchmill.report.measured import Budget
from batchmill.report.model import Report, Values
from batchmill.report.parts import Edge, Node, Pass, Provenance, Run, Visit
from batchmill.report.rows import Attempt, Call, Death, Failure, LimitStep, Refusal, Row, Sample, State

BEGAN = 1_795_893_483.0  # a Saturday evening


@dataclass(frozen=True)
class Trouble:
    """What ``share`` of attempts fail with; ``lasting`` of those fail at every attempt."""

    share: float
    error: str
    message: str
    kind: str = "exception"
    state: State = "failed"
    lasting: float = 1.0
    status: int | None = None
    retry_after: float | None = None
    wall: float | None = None
    exit_code: int | None = None
    stderr: str = ""
    traceback: str = ""


@dataclass(frozen=True)
class Batch:
    """A batch node: ``items`` on ``slots`` from ``at`` on, each some ``seconds``, spread by ``sigma``.

    At most ``rate`` attempts start in a second. Items up to ``first`` are left out, and from ``upto`` on none is
    begun: what another pass did, and what an interrupted one did not come to.
    """

    node: Node
    items: int
    seconds: float
    sigma: float = 0.5
    at: float = 0.0
    slots: int = 8
    rate: float | None = None
    attempts: int = 3
    pause: float = 0.5
    troubles: tuple[Trouble, ...] = ()
    cpu: float = 0.1  # of the wall
    rss: int = 60 << 20
    cost: float = 0.0
    model: str = ""
    first: int = 0
    upto: int | None = None
    seed: int = 1
    feed: float = 0.0  # seconds between two items that come from the node before
    value: str = '{{"id": {0}, "url": "https://example.org/pages/{0}.html"}}'
    command: str = ""

    def rows(self) -> Iterator[Row]:
        """Its items, in the order in which they begin."""
        draw = random.Random(self.seed)  # noqa: S311  # nothing secret
        free = [(self.at + 0.004 * slot, slot) for slot in range(self.slots)]
        heapq.heapify(free)
        open_at = self.at
        end = self.items if self.upto is None else self.upto
        for index in range(self.first, end):
            at, slot = heapq.heappop(free)
            came = self.at + self.feed * (index - self.first)
            begin = max(at, came)
            waited = 0.0
            if self.rate is not None:
                open_at = max(open_at + 1 / self.rate, begin)
                waited = open_at - begin
                begin = open_at
            row = self._item(index, begin, slot, waited, draw)
            heapq.heappush(free, ((row.start or 0.0) + row.wall + 0.0004, slot))
            yield row

    def _item(self, index: int, begin: float, slot: int, waited: float, draw: random.Random) -> Row:
        tried: list[Attempt] = []
        lasting: Trouble | None = None
        at, paused = begin, 0.0
        for number in range(1, self.attempts + 1):
            wall = self.seconds * draw.lognormvariate(0.0, self.sigma)
            trouble = lasting or self._trouble(draw)
            if trouble is None:
                tried.append(Attempt(at, wall, waited=waited, paused=paused, slot=slot))
                break
            if draw.random() < trouble.lasting:
                lasting = trouble
            wall = trouble.wall if trouble.wall is not None else wall
            message = trouble.message.format(index=index, line=draw.randrange(1000), port=draw.randrange(9000))
            tried.append(
                Attempt(
                    at, wall, trouble.error, message, trouble.kind, trouble.status, waited, paused,
                    trouble.retry_after, slot,
                )
            )  # fmt: skip
            waited = 0.0
            paused = (trouble.retry_after or self.pause * 2 ** (number - 1)) * draw.uniform(0.5, 1.0)
            at += wall + paused
        return self._row(index, slot, tried, lasting or trouble)

    def _trouble(self, draw: random.Random) -> Trouble | None:
        luck = draw.random()
        for trouble in self.troubles:
            if luck < trouble.share:
                return trouble
            luck -= trouble.share
        return None

    def _row(self, index: int, slot: int, tried: list[Attempt], trouble: Trouble | None) -> Row:
        last = tried[-1]
        wall = last.at + last.wall - tried[0].at
        work = sum(one.wall for one in tried)
        row = Row(
            self.node.id, index, "ok", tried[0].at, wall, slot, len(tried), tried[0].waited,
            cpu=work * self.cpu, rss=self.rss + (index * 7919) % 9_000_000, bytes_out=900 + index % 400,
            cost=self.cost * wall / self.seconds or None, command=self.command.format(index) or None,
            exit_code=0 if self.command else None,
        )  # fmt: skip
        if last.error:
            trouble = trouble or Trouble(0.0, last.error, last.message)
            failure = Failure(
                self.value.format(index),
                f'{{"url": "https://example.org/pages/{index}.html", "timeout": 10}}',
                stderr=trouble.stderr.format(index=index),
                traceback=trouble.traceback.format(index=index),
                exit_code=trouble.exit_code,
                pid=40_000 + slot,
            )
            return replace(
                row, state=trouble.state, tried=tuple(tried), error=last.error, message=last.message,
                kind=last.kind, failure=failure, exit_code=trouble.exit_code,
            )  # fmt: skip
        return replace(row, state="retried", tried=tuple(tried)) if len(tried) > 1 else row

    def end(self) -> float:
        """When its last item is done."""
        return max((row.start or 0.0) + row.wall for row in self.rows())


@dataclass
class Simulated:
    """A run of batches and of plain nodes. ``rows`` are the latter's."""

    batches: list[Batch]
    rows: list[Row] = field(default_factory=list)
    nodes: list[Node] = field(default_factory=list)
    edges: list[Edge] = field(default_factory=list)
    passes: list[Pass] = field(default_factory=list)
    limits: list[LimitStep] = field(default_factory=list)
    budgets: list[Budget] = field(default_factory=list)
    deaths: list[Death] = field(default_factory=list)
    adaptive: dict[str, str] = field(default_factory=dict)
    provenance: Provenance = field(default_factory=Provenance)
    run: Run = field(default_factory=lambda: Run("7f3a", "sizes.yaml", "degraded", BEGAN, 1.0, 3))

    def every_row(self) -> Iterator[Row]:
        """The rows of all nodes."""
        yield from self.rows
        for batch in self.batches:
            yield from batch.rows()

    def report(self, values: Values = "failed") -> Report:
        """The report of the run."""
        gathered = Aggregate(
            self.run, self.nodes, passes=self.passes, edges=self.edges, provenance=self.provenance,
            budgets=self.budgets, adaptive=self.adaptive, values=values,
        )  # fmt: skip
        for step in self.limits:
            gathered.add_limit(step)
        for death in self.deaths:
            gathered.add_death(death)
        rows = 0
        models = {batch.node.id: batch for batch in self.batches if batch.model}
        for row in self.every_row():
            gathered.add(row)
            for one in row.tried:
                if one.status == 429:
                    gathered.add_refusal(Refusal(one.at + one.wall, row.node, 429, one.retry_after))
            if row.node in models and row.start is not None:
                gathered.add_call(_call(models[row.node], row))
            rows += 1
        for second in range(int(self.run.wall)):
            busy = 0.6 + 0.3 * (second * 7 % 11) / 11
            gathered.add_sample(Sample(second + 0.5, busy * 2, (180 << 20) + second * 9_000 % (90 << 20)))
        values_of = {batch.node.id: batch.value for batch in self.batches}
        return gathered.finish(lambda node, index: values_of.get(node, "{0}").format(index))


def _call(batch: Batch, row: Row) -> Call:
    sent, answered = 400 + row.index % 300, 60 + row.index % 90
    return Call(row.start or 0.0, row.node, row.index, batch.model, sent, answered, sent // 3, row.cost, row.wall)


def one_batch(
    items: int, *, troubles: tuple[Trouble, ...] = (), seconds: float = 0.05, slots: int = 16, sigma: float = 0.6,
    rate: float | None = None, executor: str = "thread", began: float = BEGAN,
) -> Simulated:  # fmt: skip
    """A run of one batch node."""
    node = Node("size", "shell", batch=True, executor=executor, slots=slots, total=items, status="degraded")
    batch = Batch(node, items, seconds, sigma, slots=slots, rate=rate, troubles=troubles)
    wall = batch.end() + 0.01
    node = replace(node, visits=[Visit(0.0, wall, slots)], wall=wall)
    made = Simulated([replace(batch, node=node)], nodes=[node], passes=[Pass(began, 0.0, wall, "finished")])
    made.run = replace(made.run, wall=wall)
    return made
