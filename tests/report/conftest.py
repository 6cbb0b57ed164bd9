"""Runs that never were, item by item, as a report sees them.

Slots take items one after another, as batches do: durations are log-normal, some attempts fail and are made
again, a limit lets only so many start in a second. What comes out is a function of the seed alone.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import pytest

from batchmill.report.facts import Facts
from batchmill.report.parts import Pass, ReportEdge, ReportNode, Run, Visit
from batchmill.report.rows import AttemptRow, CallRow, FailureRow, RefusalRow, Row, Sample, State

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

    At most ``rate`` attempts start in a second. Items up to ``first`` are left out, and from ``upto`` on none
    is begun: what another pass did, and what an interrupted one did not come to.
    """

    node: ReportNode
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
        draw = random.Random(self.seed)
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
        tried: list[AttemptRow] = []
        lasting: Trouble | None = None
        at, paused = begin, 0.0
        for number in range(1, self.attempts + 1):
            wall = self.seconds * draw.lognormvariate(0.0, self.sigma)
            trouble = lasting or self._trouble(draw)
            if trouble is None:
                tried.append(AttemptRow(at, wall, waited=waited, paused=paused, slot=slot))
                break
            if draw.random() < trouble.lasting:
                lasting = trouble
            wall = trouble.wall if trouble.wall is not None else wall
            message = trouble.message.format(
                index=index, line=draw.randrange(1000), port=draw.randrange(9000)
            )
            tried.append(
                AttemptRow(
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

    def _row(self, index: int, slot: int, tried: list[AttemptRow], trouble: Trouble | None) -> Row:
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
            failure = FailureRow(
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
    """A run of batches and of plain nodes, whose rows are ``rows``."""

    batches: list[Batch]
    rows: list[Row] = field(default_factory=list)
    nodes: list[ReportNode] = field(default_factory=list)
    more: dict[str, Any] = field(default_factory=dict)  # further facts
    run: Run = field(default_factory=lambda: Run("7f3a", "sizes.yaml", "degraded", BEGAN, 1.0, 3))

    def every_row(self) -> Iterator[Row]:
        """The rows of all nodes."""
        yield from self.rows
        for batch in self.batches:
            yield from batch.rows()

    def calls(self) -> Iterator[CallRow]:
        """One for each item of a batch that has a model."""
        models = {batch.node.id: batch for batch in self.batches if batch.model}
        for row in self.every_row():
            if row.node in models:
                yield _call(models[row.node], row)

    def refusals(self) -> Iterator[RefusalRow]:
        """One for each attempt that was answered with 429."""
        for row in self.every_row():
            for one in row.tried:
                if one.status == 429:
                    yield RefusalRow(one.at + one.wall, row.node, 429, one.retry_after)

    def samples(self) -> Iterator[Sample]:
        """One a second."""
        for second in range(int(self.run.wall)):
            yield Sample(second + 0.5, 1.2 + second * 7 % 11 / 20, (180 << 20) + second * 9_000 % (90 << 20))

    def facts(self) -> Facts:
        """The run as the room takes it."""
        values = {batch.node.id: batch.value for batch in self.batches}
        edges = self.more.get("edges") or [ReportEdge(a.id, b.id) for a, b in pairwise(self.nodes)]
        return Facts(
            self.run, self.nodes, self.every_row, self.calls, refusals=self.refusals, samples=self.samples,
            describe=lambda node, index: values.get(node, "{0}").format(index),
            **{**self.more, "edges": edges},
        )  # fmt: skip


def _call(batch: Batch, row: Row) -> CallRow:
    sent, answered = 400 + row.index % 300, 60 + row.index % 90
    return CallRow(row.start, row.node, row.index, batch.model, sent, answered, sent // 3, row.cost, row.wall)


def simulated(items: int, *, began: float = BEGAN, **settings: Any) -> Simulated:
    """A run of one batch node, with the settings of :class:`Batch`."""
    settings = {"seconds": 0.05, "slots": 16, "sigma": 0.6, **settings}
    slots = settings["slots"]
    node = ReportNode(
        "size", "shell", batch=True, executor="thread", slots=slots, total=items, status="degraded"
    )
    batch = Batch(node, items, **settings)
    wall = batch.end() + 0.01
    node = replace(node, visits=[Visit(0.0, wall, slots)], wall=wall)
    made = Simulated([replace(batch, node=node)], nodes=[node])
    made.more["passes"] = [Pass(began, 0.0, wall, "finished")]
    made.run = replace(made.run, wall=wall)
    return made


REFUSED = Trouble(
    0.05, "HTTPError", "the server answered 429 to page {index}", "exception", lasting=0.1, status=429,
    retry_after=0.4, wall=0.01,
)  # fmt: skip
BROKEN = Trouble(
    0.02, "CommandFailed", "the command failed with exit code 2: line {line}", "error_result", exit_code=2,
    stderr="no such page: {index}",
)  # fmt: skip


@pytest.fixture(name="simulated")
def simulated_fixture():
    """``simulated(items, **settings of Batch)``: a :class:`Simulated` run of one batch."""
    return simulated


@pytest.fixture
def troubled():
    """A run of 2,000 items with refusals, failures and retries."""
    return simulated(2000, troubles=(REFUSED, BROKEN), command="curl -s https://example.org/{0}", cost=0.001)


@pytest.fixture
def hostile():
    """A run whose every text tries to be something else."""
    return _hostile()


HOSTILE = (
    "</script><script>alert(1)</script>", "<img src=x onerror=alert(1)>", "`|a|`", "a\tb\nc\rd", "=1+1",
    "\x1b[31mred\x1b[0m", "\u202egnp", "\udcff", "-->", "]]>", "{{ 7 * 7 }}", "&lt;", "\x00", "${item}",
    "```",
)  # fmt: skip


def _hostile() -> Simulated:
    nodes = [
        ReportNode(text, text, batch=True, total=1, visits=[Visit(0.0, 1.0)], wall=1.0) for text in HOSTILE
    ]
    rows = [
        Row(
            text, 0, "failed", 0.0, 1.0, 0, tried=(AttemptRow(0.0, 1.0, text, text, slot=0),), error=text,
            message=text, command=text,
            failure=FailureRow(input=text, params=text, stdout=text, stderr=text, traceback=text),
        )
        for text in HOSTILE
    ]  # fmt: skip
    made = Simulated([], rows, nodes)
    made.run = Run("7f3a", HOSTILE[0], "failed", BEGAN, 1.0, 1, why=HOSTILE[1])
    made.more["missing"] = {"calls": HOSTILE[0]}
    return made
