"""The http node in documents: retries, batches on every executor, error edges."""

from __future__ import annotations

import time

import pytest

import batchmill


def document(base, executor, **batch):
    return {
        "inputs": {"base": {"type": "string", "default": base}},
        "nodes": [
            {
                "id": "get",
                "type": "http",
                "params": {"url": "${base}/n/${item}"},
                "batch": {
                    "items": {"range": [12]},
                    "executor": executor,
                    "error_handling": "continue",
                    "max_retries": 3,
                    **batch,
                },
            }
        ],
    }


@pytest.mark.parametrize("executor", ["sequential", "thread", "process"])
def test_a_batch(server, reply, executor):
    for n in range(12):
        server.on(f"/n/{n}", reply(200, {"square": n * n}))
    server.on("/n/3", reply(503, "busy"), reply(200, {"square": 9}))
    server.on("/n/5", reply(400, {"no": 5}))
    result = batchmill.run(document(server.url, executor))
    assert result.status == "degraded"
    values = result.outputs["results"]
    assert [value and value["response"]["square"] for value in values] == [
        None if n == 5 else n * n for n in range(12)
    ]
    (error,) = result.errors
    assert (error["index"], error["type"], error["attempts"], error["kind"]) == (
        5,
        "HTTP400",
        1,
        "error_result",
    )


def test_retry_after_is_waited_for(server, reply):
    url = server.on("/n/0", reply(429, b"", {"Retry-After": "0.4"}), reply(200, b"then"))
    began = time.monotonic()
    result = batchmill.run(
        {"nodes": [{"id": "get", "type": "http", "params": {"url": url}, "retry": {"max": 2}}]}
    )
    assert result.outputs["response"] == "then"
    assert time.monotonic() - began >= 0.4


def test_the_error_edge_sees_the_body(server, reply):
    url = server.on("/no", reply(404, {"why": "gone"}))
    nodes = [
        {"id": "get", "type": "http", "params": {"url": url}},
        {"id": "why", "type": "echo", "params": {"message": "${get.status_code}: ${get.response.why}"}},
    ]
    edges = [{"from": "get", "to": "why", "action": "error"}]
    result = batchmill.run({"nodes": nodes, "edges": edges})
    assert (result.status, result.outputs["echo"]) == ("degraded", "404: gone")


def test_a_runs_end_leaves_no_connection_open(server, reply):
    url = server.on("/x", reply(200, b"x"))
    batchmill.run({"nodes": [{"id": "get", "type": "http", "params": {"url": url}}]})
    deadline = time.monotonic() + 5
    while server._open and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not server._open


def test_a_value_cannot_leave_its_place(server, reply):
    server.on("/users/..%2Fadmin%3Fx/posts", reply(200, b"posts"))
    nodes = [{"id": "get", "type": "http", "params": {"url": "${base}/users/${who}/posts"}}]
    inputs = {"base": {"type": "string"}, "who": {"type": "string"}}
    ran = batchmill.run({"inputs": inputs, "nodes": nodes}, {"base": server.url, "who": "../admin?x"})
    assert ran.outputs["response"] == "posts"
    ran = batchmill.run({"inputs": inputs, "nodes": nodes}, {"base": server.url, "who": ".."})
    assert ran.errors[0]["type"] == "UnsafeValue"
    assert len(server.received) == 1
