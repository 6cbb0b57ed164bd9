"""Spans in OTLP's JSON."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import replace

import pytest

from batchmill.report import otlp
from batchmill.report.facts import Facts
from batchmill.report.parts import ReportNode, Run, Visit
from batchmill.report.rows import CallRow, Row


def spans(facts):
    found = []
    for line in otlp.lines(facts):
        (resource,) = json.loads(line)["resourceSpans"]
        (scope,) = resource["scopeSpans"]
        assert 0 < len(scope["spans"]) <= otlp.TOGETHER
        found += scope["spans"]
    for span in found:
        assert re.fullmatch("[0-9a-f]{32}", span["traceId"])
        assert re.fullmatch("[0-9a-f]{16}", span["spanId"])
        assert int(span["startTimeUnixNano"]) <= int(span["endTimeUnixNano"])
    return found


def told(span):
    return {one["key"]: next(iter(one["value"].values())) for one in span["attributes"]}


def test_the_run_and_its_nodes_are_one_trace_and_each_item_is_another(troubled):
    found, rows = spans(troubled.facts()), list(troubled.every_row())
    assert len({span["spanId"] for span in found}) == len(found)
    run, visit = found[:2]
    assert (run["name"], visit["name"], visit["parentSpanId"]) == ("run 7f3a", "size", run["spanId"])
    assert run["traceId"] == visit["traceId"]
    items = [span for span in found if "links" in span]
    assert len({span["traceId"] for span in items} - {run["traceId"]}) == 2000
    assert {one["spanId"] for span in items for one in span["links"]} == {visit["spanId"]}
    assert Counter(told(span)["batchmill.item.state"] for span in items) == Counter(row.state for row in rows)
    failed = [span for span in items if span.get("status", {}).get("code") == otlp.ERROR]
    assert len(failed) == sum(row.failed for row in rows)
    attempts = [span for span in found if span["name"].startswith("attempt ")]
    assert len(attempts) == sum(len(row.tried) for row in rows)
    parents = {span["spanId"]: span["traceId"] for span in items}
    assert all(parents[span["parentSpanId"]] == span["traceId"] for span in attempts)


def test_times_are_times_of_day(simulated):
    run = simulated(5)
    items = {span["name"]: span for span in spans(run.facts())}
    row = list(run.every_row())[3]
    begin, end = (int(items["size[3]"][name]) / 1e9 for name in ("startTimeUnixNano", "endTimeUnixNano"))
    assert begin == pytest.approx(run.run.began + row.start, abs=2e-6)
    assert end - begin == pytest.approx(row.wall, abs=2e-6)


def test_calls_have_opentelemetrys_names(simulated):
    run = simulated(3, model="small", cost=0.25)
    found = spans(run.facts())
    items = {span["spanId"]: span["name"] for span in found if "links" in span}
    calls = [span for span in found if span["kind"] == otlp.CLIENT]
    assert [items[span["parentSpanId"]] for span in calls] == ["size[0]", "size[1]", "size[2]"]
    assert calls[0]["name"] == "chat small"
    assert told(calls[0])["gen_ai.request.model"] == "small"
    assert told(calls[0])["gen_ai.usage.input_tokens"] == "400"


def test_a_call_of_a_plain_node_is_within_its_visit():
    nodes = [ReportNode("ask", "llm", visits=[Visit(0.0, 2.0)])]
    rows = [Row("ask", 0, "ok", 0.0, 2.0)]
    calls = [CallRow(0.5, "ask", None, "m"), CallRow(0.5, "flow[*].ask", 3, "m")]
    found = spans(Facts(Run("7f3a", "f", "success", 0.0, 2.0), nodes, lambda: rows, lambda: calls))
    assert [span["name"] for span in found] == ["run 7f3a", "ask", "chat m", "chat m"]
    assert found[2]["parentSpanId"] == found[1]["spanId"]
    assert "parentSpanId" not in found[3]


def test_what_nobody_timed_is_no_span(simulated):
    run = simulated(20, model="m")
    facts = replace(
        run.facts(),
        rows=lambda: (replace(row, start=None) for row in run.every_row()),
        calls=lambda: (replace(call, at=None) for call in run.calls()),
    )
    assert [span["name"] for span in spans(facts)] == ["run 7f3a", "size"]


def test_no_text_breaks_it_and_no_value_is_in_it(hostile, troubled):
    assert len(spans(hostile.facts())) == 1 + 3 * len(hostile.rows)
    "".join(otlp.lines(hostile.facts())).encode("ascii")
    assert "example.org" not in "".join(otlp.lines(troubled.facts()))
