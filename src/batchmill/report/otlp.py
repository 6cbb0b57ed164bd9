"""The run as spans in OTLP's JSON, which an OpenTelemetry collector reads (receiver ``otlpjsonfile``).

The run and its nodes are one trace. Every item has a trace of its own, linked to its node, because viewers
are slow with traces of thousands of spans. Attempts are spans inside that of their item, and so are calls of
language models, with OpenTelemetry's names for them. Values are left out."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from hashlib import blake2b
from itertools import chain, islice, repeat
from typing import Any

from batchmill.report import text
from batchmill.report.facts import Facts
from batchmill.report.parts import ReportNode
from batchmill.report.plain import Plain, in_order
from batchmill.report.rows import AttemptRow, CallRow, Row

SCHEMA_URL = "https://opentelemetry.io/schemas/1.37.0"
TOGETHER = 200  # spans on a line
INTERNAL, CLIENT = 1, 3
ERROR = 2
_NO_SPANS = '"spans": []'  # a quotation mark within a text is escaped, so nothing else looks like this
_DIFFERENT = ("traceId", "spanId", "name", "startTimeUnixNano", "endTimeUnixNano")  # in this order
_INDEX = '{"key": "batchmill.item.index", "value": {"intValue": "'
Span = dict[str, Any]


def lines(facts: Facts) -> Iterator[str]:
    """One request for a collector per line. Anything without a recorded time has no span."""
    resource = _attributes({"service.name": "batchmill", "batchmill.run": facts.run.name})
    scoped = {"scope": {"name": "batchmill"}, "spans": [], "schemaUrl": SCHEMA_URL}
    told = {"resource": {"attributes": resource}, "scopeSpans": [scoped], "schemaUrl": SCHEMA_URL}
    before, after = json.dumps({"resourceSpans": [told]}).split(_NO_SPANS)
    spans = chain(map(json.dumps, _run(facts)), _items(facts), map(json.dumps, _calls(facts)))
    while together := list(islice(spans, TOGETHER)):
        yield f"{before}{_NO_SPANS[:-1]}{', '.join(together)}]{after}\n"


def _run(facts: Facts) -> Iterator[Span]:
    run = facts.run
    told = {"batchmill.source": run.source, "batchmill.status": run.status}
    whole = _span(facts, _trace(facts), _id(facts, "run"), f"run {run.name}", 0.0, run.wall, told)
    yield _with_status(whole, run.why or run.status if run.status == "failed" else "")
    for node in facts.nodes:
        yield from _visits(facts, node)


def _visits(facts: Facts, node: ReportNode) -> Iterator[Span]:
    told = {"batchmill.node": node.id, "batchmill.node.type": node.type, "batchmill.executor": node.executor}
    for number, visit in enumerate(node.visits):
        span = _span(
            facts, _trace(facts), _visit_id(facts, node.id, number), node.id, visit.at, visit.wall, told,
            parent=_id(facts, "run"),
        )  # fmt: skip
        yield _with_status(span, node.error)


def _items(facts: Facts) -> Iterator[str]:
    """The spans of items, each as JSON."""
    nodes = {node.id: node for node in facts.nodes}
    for page in facts.pages():
        told = in_order(page, partial(_plain, facts, nodes), partial(_row, facts, nodes))
        yield from chain.from_iterable(told)


def _row(facts: Facts, nodes: Mapping[str, ReportNode], row: Row) -> list[str]:
    node = nodes.get(row.node)
    if row.start is None or row.state in ("kept", "skipped", "not run"):
        return []
    if node is not None and not node.batch and node.visits and not row.tried:
        return []  # its visit says it all
    attempts = (_attempt(facts, row, one, number) for number, one in enumerate(row.tried, 1))
    return [json.dumps(span) for span in (_item(facts, row, node), *attempts)]


def _plain(facts: Facts, nodes: Mapping[str, ReportNode], items: Plain) -> Iterator[tuple[str]]:
    """In columns: what :func:`_item` makes of each, without an object for each of a million items."""
    node = nodes.get(items.node)
    place, base = (f"{items.turn}, item 0", items.base) if items.turn else (f"{items.node}[0]", 0)
    # Of a place only its number differs, which is the last nought of the first.
    name, _, rest_of_name = json.dumps(text.line(place))[1:-1].rpartition("0")
    hashed, _, rest_hashed = _hashed(facts, (place,)).rpartition("0")
    visits = (
        repeat(0) if node is None or len(node.visits) < 2 else (_visit_of(node, at) for at in items.starts)
    )
    forms: dict[tuple[int | None, int | None], list[str]] = {}  # by what else differs: slot and visit
    columns = zip(items.indexes, facts.epochs(items.starts), items.walls, items.slots, visits, strict=False)
    for position, (index, epoch, wall, slot, visit) in enumerate(columns):
        form = forms.get((slot, visit))
        if form is None:
            form = forms[slot, visit] = _form(_item(facts, items.row(position), node))
        number = index - base
        parts = f"{hashed}{number}{rest_hashed}".encode()
        yield (
            f"{form[0]}{_hex(16, parts)}{form[1]}{_hex(8, parts)}{form[2]}{name}{number}{rest_of_name}"
            f"{form[3]}{_nano(epoch)}{form[4]}{_nano(epoch + wall)}{form[5]}{index}{form[6]}",
        )


def _form(span: Span) -> list[str]:
    """The JSON of an item's span, without what differs from item to item: trace, id, name, begin, end,
    index."""
    rest = json.dumps(span)
    form = []
    for key in _DIFFERENT:
        before, _, rest = rest.partition(json.dumps(span[key])[1:-1])
        form.append(before)
    before, told, rest = rest.partition(_INDEX)
    return [*form, before + told, rest[rest.index('"') :]]


def _item(facts: Facts, row: Row, node: ReportNode | None) -> Span:
    told = {
        "batchmill.node": row.node, "batchmill.item.index": row.index, "batchmill.item.state": row.state,
        "batchmill.item.attempts": row.attempts, "batchmill.slot": row.slot, "error.type": row.error or None,
        "host.name": facts.slot_names.host(row.node, row.slot) or None,
    }  # fmt: skip
    span = _span(
        facts, _trace(facts, row.place), _id(facts, row.place), row.place, row.start or 0.0, row.wall, told
    )
    number = _visit_of(node, row.start or 0.0)
    if node is not None and number is not None:
        span["links"] = _links(facts, node, number)
    return _with_status(span, row.message or row.error if row.failed else "")


def _links(facts: Facts, node: ReportNode, number: int) -> list[dict[str, str]]:
    return [{"traceId": _trace(facts), "spanId": _visit_id(facts, node.id, number)}]


def _attempt(facts: Facts, row: Row, one: AttemptRow, number: int) -> Span:
    told = {
        "batchmill.attempt": number, "batchmill.waited": one.waited or None, "error.type": one.error or None,
        "http.response.status_code": one.status,
    }  # fmt: skip
    identity = _id(facts, row.place, "attempt", number)
    name = f"attempt {number}"
    trace, parent = _trace(facts, row.place), _id(facts, row.place)
    span = _span(facts, trace, identity, name, one.at, one.wall, told, parent=parent)
    return _with_status(span, one.message or one.error if one.error else "")


def _calls(facts: Facts) -> Iterator[Span]:
    nodes = {node.id: node for node in facts.nodes}
    for number, call in enumerate(facts.calls()):
        if call.at is not None:
            yield _call(facts, call, number, call.at, nodes.get(call.node))


def _call(facts: Facts, call: CallRow, number: int, at: float, node: ReportNode | None) -> Span:
    told = {
        "gen_ai.operation.name": "chat", "gen_ai.request.model": call.model,
        "gen_ai.usage.input_tokens": call.input_tokens, "gen_ai.usage.output_tokens": call.output_tokens,
        "batchmill.cost_usd": call.cost, "batchmill.node": call.node, "batchmill.item.index": call.index,
        "error.type": text.line(call.error, 100) or None,
    }  # fmt: skip
    trace, parent = _around(facts, call, at, node)
    span = _span(
        facts, trace, _id(facts, "call", number), f"chat {call.model}", at, call.wall, told, parent=parent
    )
    return _with_status({**span, "kind": CLIENT}, call.error)


def _around(facts: Facts, call: CallRow, at: float, node: ReportNode | None) -> tuple[str, str]:
    """The trace of a call and the span it is within: its item's, or the visit of a node that is no batch.
    What is inside of items of another node is within no span."""
    if node is not None and node.batch and call.index is not None:
        place = f"{call.node}[{call.index}]"
        return _trace(facts, place), _id(facts, place)
    number = _visit_of(node, at)
    return _trace(facts), "" if number is None else _visit_id(facts, call.node, number)


def _visit_of(node: ReportNode | None, at: float) -> int | None:
    """The number of the visit of ``node`` that had begun at ``at``."""
    if node is None or not node.visits:
        return None
    return max((n for n, one in enumerate(node.visits) if one.at <= at), default=0)


def _span(
    facts: Facts, trace: str, identity: str, name: str, at: float, wall: float,
    told: Mapping[str, Any], *, parent: str = "",
) -> Span:  # fmt: skip
    begin = facts.epoch(at)
    span = {"traceId": trace, "spanId": identity, "name": text.line(name), "kind": INTERNAL}
    if parent:
        span["parentSpanId"] = parent
    times = {"startTimeUnixNano": _nano(begin), "endTimeUnixNano": _nano(begin + wall)}
    return {**span, **times, "attributes": _attributes(told)}


def _nano(epoch: float) -> str:
    """As text, as JSON's numbers do not hold 64 bits; floats hold a time of day to a microsecond at best."""
    return str(round(epoch * 1e6) * 1000)


def _with_status(span: Span, message: str) -> Span:
    if message:
        span["status"] = {"code": ERROR, "message": text.line(message, 500)}
    return span


def _attributes(told: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [{"key": key, "value": _value(value)} for key, value in told.items() if value not in (None, "")]


def _value(value: Any) -> dict[str, Any]:
    match value:
        case bool():
            return {"boolValue": value}
        case int():
            return {"intValue": str(value)}
        case float():
            return {"doubleValue": value}
    return {"stringValue": text.line(str(value))}


def _hashed(facts: Facts, parts: Iterable[object]) -> str:
    return json.dumps([facts.run.name, facts.run.began, *map(str, parts)])


def _hex(size: int, hashed: bytes) -> str:
    return blake2b(hashed, digest_size=size).hexdigest()


def _trace(facts: Facts, *parts: object) -> str:
    return _hex(16, _hashed(facts, parts).encode())


def _id(facts: Facts, *parts: object) -> str:
    return _hex(8, _hashed(facts, parts).encode())


def _visit_id(facts: Facts, node: str, number: int) -> str:
    return _id(facts, "visit", node, number)
