"""What a document says of its nodes."""

from __future__ import annotations

import pytest

from batchmill.report.document import adaptive_of, edges_of, read
from batchmill.report.parts import ReportEdge


def echo(name, **more):
    return {"id": name, "type": "echo", **more}


def test_written_edges_with_their_actions():
    edges = [{"from": "a", "to": "b"}, {"from": "a", "to": "c", "action": "error"}]
    document = {"nodes": [echo("a"), echo("b"), echo("c")], "edges": edges}
    assert edges_of(read(document)) == [ReportEdge("a", "b"), ReportEdge("a", "c", "error")]
    assert {node.id: node.type for node in read(document).nodes} == dict.fromkeys("abc", "echo")


def test_list_order_and_streams():
    first = echo("first", batch={"items": {"range": [3]}})
    second = echo("second", batch={"items": "${first.results}", "stream": True})
    third = echo("third")
    assert edges_of(read({"nodes": [first, second, third]})) == [
        ReportEdge("first", "second", stream=True),
        ReportEdge("second", "third"),
    ]


def test_gates_of_a_pipeline_are_passed_through():
    document = {"pipeline": [echo("a"), {"parallel": [echo("b"), echo("c")]}, echo("d")]}
    assert [(one.source, one.target) for one in edges_of(read(document))] == [
        ("a", "b"),
        ("a", "c"),
        ("b", "d"),
        ("c", "d"),
    ]


@pytest.mark.parametrize("document", [None, [], {}, {"nodes": 3}, {"nodes": [{"type": 1}], "edges": [7]}])
def test_what_is_not_understood_has_none(document):
    assert edges_of(read(document)) == []


def test_what_adapts_has_a_limit_that_begins_somewhere():
    def batch(**more):
        return {"items": {"range": [3]}, **more}

    shared = {"key": "api", "per_second": 5}
    document = {
        "nodes": [
            echo("own", batch=batch(max_concurrent="4-20-100")),
            echo("named", batch=batch(max_concurrent="auto", rate_limit=shared)),
            echo("fixed", batch=batch(max_concurrent=4, rate_limit=shared)),
            echo("single"),
        ]
    }
    found = adaptive_of(read(document))
    assert found.keys() == {"own", "named"}
    assert found["own"] == ("node own", 20)
    assert found["named"][0] == "api"
