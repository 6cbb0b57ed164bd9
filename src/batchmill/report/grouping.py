"""Failures in groups of those alike, with examples, in memory that does not grow with their number."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from batchmill.report import text
from batchmill.report.commands import commands_of
from batchmill.report.measured import Example, ExampleAttempt, FailureGroup, Failures
from batchmill.report.parts import Run
from batchmill.report.rows import FailureRow, Row

MOST_GROUPS, MOST_SHOWN = 200, 50
MOST_EXAMPLES = 5
MOST_MORE = 500
MOST_TRIED = 20
MOST_CHARACTERS = 200_000  # of all examples together
LONGEST_MORE = 120

# Parts of a message that may differ between failures of one group. A number right after a word carries
# meaning and stays.
_TELLING = r"(?<![\w.])(?:HTTP(?:/[\d.]+)?|status|code|errno|signal|error|exit)\b[ :=#]*\[?(?:code )?\d+"
_VARYING = re.compile(
    rf"""(?P<kept>{_TELLING})
    | '[^'\n]{{0,400}}' | "[^"\n]{{0,400}}" | `[^`\n]{{0,400}}`
    | \b[a-z][a-z0-9+.-]*://[^\s'"<>]+
    | (?<![\w/])~?(?:/[^\s/:;,'"()<>]+){{2,}}/?
    | \b[0-9a-f]{{8}}(?:-[0-9a-f]{{4}}){{3}}-[0-9a-f]{{12}}\b
    | \b0x[0-9a-f]+\b | \b(?=[a-f]*\d)[0-9a-f]{{8,}}\b
    | (?<![\w.])[-+]?\d[\d_,.]*(?:e[-+]?\d+)?(?![a-z\d])
    | \d{{2,}}""",
    re.IGNORECASE | re.VERBOSE,
)


def pattern_of(message: str) -> str:
    """A message with ``…`` in place of numbers, quoted texts, paths and the like; one line of 200
    characters."""
    first = text.line(message[:2000])
    return text.beginning(_VARYING.sub(lambda found: found["kept"] or "…", first), 200)


def _shown(message: str) -> str:
    return text.beginning(text.line(message[:2000]), 200)


@dataclass(slots=True)
class _Group:
    """``message`` is that of all failures of the group, None if they have several."""

    node: str
    type: str
    kind: str
    pattern: str
    message: str | None
    count: int = 0
    first: float | None = None
    last: float | None = None
    examples: list[Example] = field(default_factory=list)

    def finished(self, examples: list[Example]) -> FailureGroup:
        pattern = self.pattern if self.message is None else self.message
        return FailureGroup(
            self.node, self.type, self.kind, pattern, self.count, self.first, self.last, examples
        )


class Grouping:
    """Groups the failures of a run. ``with_values`` says whether inputs, params and outputs may be shown."""

    def __init__(self, run: Run, *, with_values: bool) -> None:
        self._run, self._with_values = run, with_values
        self._groups: dict[tuple[object, ...], _Group] = {}
        self._more: list[tuple[str, int, str]] = []
        self.total = self.ungrouped = self.left_out = 0

    def add(self, row: Row) -> None:
        """Count a failed item."""
        self.total += 1
        failure = row.failure or FailureRow()
        pattern = pattern_of(row.message)
        status = row.tried[-1].status if row.tried else None
        key = (row.node, row.error, row.kind, status, row.exit_code, row.signal, pattern)
        group = self._groups.get(key)
        if group is None:
            if len(self._groups) >= MOST_GROUPS:
                self.ungrouped += 1
                self._add_more(row)
                return
            group = self._groups[key] = _Group(row.node, row.error, row.kind, pattern, _shown(row.message))
        if group.message != _shown(row.message):
            group.message = None
        group.count += 1
        if row.start is not None:
            ended = row.start + row.wall
            group.first = ended if group.first is None else min(group.first, ended)
            group.last = ended if group.last is None else max(group.last, ended)
        if len(group.examples) < MOST_EXAMPLES:
            group.examples.append(self._example(row, failure))
        else:
            self._add_more(row)

    def _add_more(self, row: Row) -> None:
        if len(self._more) < MOST_MORE:
            self._more.append((row.node, row.index, text.line(row.message, LONGEST_MORE)))

    def _example(self, row: Row, failure: FailureRow) -> Example:
        told = self._with_values
        begun = row.tried[0].at if row.tried else 0.0
        tried = [
            ExampleAttempt(
                one.at - begun, one.wall, one.error, text.beginning(one.message, 200), one.kind, one.status,
                one.waited, one.paused, one.retry_after,
            )
            for one in row.tried[:MOST_TRIED]
        ]  # fmt: skip
        exit_code = failure.exit_code if row.exit_code is None else row.exit_code
        signal = failure.signal if row.signal is None else row.signal
        return Example(
            row.index, row.place, row.state, text.beginning(row.message, 1000), row.start, row.wall, row.slot,
            row.attempts, tried, self._shown(failure.input), self._shown(failure.params),
            text.end(failure.stdout, 500) if told else "", text.end(failure.stderr, 1000) if told else "",
            text.end(failure.traceback, 1500), exit_code, signal, failure.pid, commands_of(self._run, row),
        )  # fmt: skip

    def _shown(self, value: str | None) -> str | None:
        return text.beginning(value, 1000) if value is not None and self._with_values else None

    def failures(self) -> Failures:
        """The groups, the largest first. Examples are given room in turn: the first of each, then the
        second."""
        ranked = sorted(self._groups.values(), key=lambda group: -group.count)
        shown, rest = ranked[:MOST_SHOWN], ranked[MOST_SHOWN:]
        chosen: list[list[Example]] = [[] for _ in shown]
        room = MOST_CHARACTERS
        for number in range(MOST_EXAMPLES):
            for place, group in enumerate(shown):
                if number >= len(group.examples):
                    continue
                size = _size(group.examples[number])
                if size > room:
                    self.left_out += 1
                    continue
                room -= size
                chosen[place].append(group.examples[number])
        return Failures(
            self.total,
            [group.finished(examples) for group, examples in zip(shown, chosen, strict=True)],
            self.ungrouped + sum(group.count for group in rest),
            self._more,
        )


def _size(example: Example) -> int:
    texts = (
        example.message, example.input, example.params, example.stdout, example.stderr, example.traceback,
        *(one.message for one in example.tried), *(one.text for one in example.commands),
    )  # fmt: skip
    return 500 + sum(len(one or "") for one in texts)
