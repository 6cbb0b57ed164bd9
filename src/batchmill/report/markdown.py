"""A report as Markdown, for pages of CI and for comments: at most 60 KB, as those are cut off or refused."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from batchmill.report import text
from batchmill.report.measured import Example, FailureGroup
from batchmill.report.model import Report
from batchmill.report.sections import Section, Table, sections

MOST_BYTES = 60_000
MOST_ROWS = 30
MOST_GROUPS, MOST_NODES = 20, 50
CUT = "\n*The rest was left out: the page has it all.*\n"
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~$&@]|:(?=//|\w))")


def lines(report: Report, first: Sequence[Section] = ()) -> Iterator[str]:
    """The report, piece by piece; ``first`` are sections before its own. If it is too long, sections are left
    out from the end, and a line says so."""
    room = MOST_BYTES - len(CUT.encode())
    for piece in _pieces(report, first):
        room -= len(piece.encode())
        if room < 0:
            yield CUT
            return
        yield piece


def _pieces(report: Report, first: Sequence[Section]) -> Iterator[str]:
    run = report.run
    yield f"## {escaped(run.source)}: {run.status}\n\n"
    yield f"{_joined(report.told.get('head', ()))}\n\n"
    for finding in report.advice:
        switch = f" Try {code(finding.switch)}." if finding.switch else ""
        yield f"- {prose(finding.sentence)}{switch}\n"
    if run.resume:
        yield f"\n{code(run.resume)}\n"
    yield _graph(report)
    for section in (*first, *sections(report)):
        yield from _section(report, section)
    if report.left_out:
        yield "\n### What was left out\n\n" + "".join(f"- {prose(line)}\n" for line in report.left_out)


def _joined(sentences: Sequence[str]) -> str:
    return " ".join(map(prose, sentences))


def prose(sentence: str) -> str:
    """A sentence of ours, with the parts between backticks as code."""
    pieces = text.spans(text.line(sentence))
    return "".join(code(piece) if is_code else _entities(piece) for is_code, piece in pieces)


def escaped(value: str) -> str:
    """Text that means nothing in Markdown or HTML."""
    return _entities(text.line(value))


def _entities(value: str) -> str:
    return _SPECIAL.sub(lambda found: f"&#{ord(found[1])};", value)


def code(value: str) -> str:
    """Text as code, whatever backticks are in it."""
    told = text.line(value)
    fence = "`" * (max(map(len, re.findall("`+", told)), default=0) + 1)
    space = " " if told.startswith("`") or told.endswith("`") or not told else ""
    return f"{fence}{space}{told}{space}{fence}"


def _section(report: Report, section: Section) -> Iterator[str]:
    yield f"\n### {section.title}\n\n"
    if section.sentences:
        yield f"{_joined(section.sentences)}\n\n"
    if section.missing:
        yield f"*{prose(section.missing)}*\n\n"
    for table in section.tables:
        yield _table(table)
    if section.key == "failures":
        for group in report.failures.groups[:MOST_GROUPS]:
            yield _group(group)


def _table(table: Table) -> str:
    table = table.cut(MOST_ROWS)
    ruler = ["---" if place < table.words else "---:" for place in range(len(table.head))]
    rows = [list(map(escaped, table.head)), ruler, *(list(map(escaped, row)) for row in table.rows)]
    caption = f"**{escaped(table.caption)}**\n\n" if table.caption else ""
    rest = f"\n{table.more:,} more rows were left out.\n" if table.more else ""
    return caption + "".join(f"| {' | '.join(row)} |\n" for row in rows) + f"{rest}\n"


def _group(group: FailureGroup) -> str:
    told = f"{group.count:,} × {escaped(group.type)} in {escaped(group.node)}"
    examples = "".join(map(_example, group.examples[:2]))
    return f"<details><summary>{told}</summary>\n\n{examples}</details>\n\n"


def _example(one: Example) -> str:
    parts = [f"- {code(one.place)}: {escaped(one.message)}\n"]
    for name, value in (("input", one.input), ("stderr", one.stderr), ("stdout", one.stdout)):
        if value:
            parts.append(f"  - {name} {code(text.beginning(value, 500))}\n")
    parts += [f"  - {escaped(command.does)}: {code(command.text)}\n" for command in one.commands]
    return "".join(parts) + "\n"


def _graph(report: Report) -> str:
    """The nodes as a diagram for Mermaid; nothing if there is one node, or where they are too many."""
    nodes = [node for node in report.nodes if not node.nested]
    if not 1 < len(nodes) <= MOST_NODES:
        return ""
    number = {node.id: f"n{place}" for place, node in enumerate(nodes)}
    told = [f'  {number[node.id]}["{_label(node.id)}"]\n' for node in nodes]
    for edge in report.edges:
        if edge.source in number and edge.target in number:
            told.append(f"  {number[edge.source]} {_arrow(edge.action)} {number[edge.target]}\n")
    return "\n```mermaid\nflowchart TD\n" + "".join(told) + "```\n"


def _arrow(action: str) -> str:
    return "-->" if action == "default" else f'-->|"{_label(action)}"|'


def _label(value: str) -> str:
    return re.sub(r"[^\w .,/-]", lambda found: f"#{ord(found[0])};", text.line(value, 60))
