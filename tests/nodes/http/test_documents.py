"""The http node in documents: retries, batches on every executor, error edges."""

from __future__ import annotations

import errno
import threading
import time

import pytest

import batchmill
from batchmill.nodes.http import sockets


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


def test_calls_wait_for_descriptors(server, reply, monkeypatch):
    monkeypatch.setattr("batchmill.nodes.room.free_descriptors", lambda: 2)
    both, lock, counts = threading.Barrier(2), threading.Lock(), [0, 0]

    def answer(request, connection):
        with lock:
            counts[0] += 1
            counts[1] = max(counts)
        both.wait(30)
        with lock:
            counts[0] -= 1
        both.wait(30)
        return reply(200, {})

    for n in range(12):
        server.on(f"/n/{n}", answer)
    result = batchmill.run(document(server.url, "thread", max_concurrent=6))
    assert (result.status, counts) == ("success", [0, 2])
    assert [(one["code"], one["message"]) for one in result.warnings] == [
        ("few-files", "2 calls at once, as this process may open no more connections")
    ]


def test_idle_connections_make_way_for_others(server, other_server, reply, monkeypatch):
    answers = [reply(200, {}) for _ in range(2)]
    urls = [server.on("/a", *answers), other_server.on("/b", *answers)]
    real, full = sockets.connect, []

    def connect(host, port, *more):
        if port == other_server.port and not full:
            full.append(port)
            raise OSError(errno.EMFILE, "Too many open files")
        return real(host, port, *more)

    monkeypatch.setattr("batchmill.nodes.http.connections.connect", connect)
    nodes = [{"id": f"n{n}", "type": "http", "params": {"url": url}} for n, url in enumerate(urls)]
    result = batchmill.run({"nodes": nodes, "edges": [{"from": "n0", "to": "n1"}]})
    assert (result.status, full) == ("success", [other_server.port])


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


def test_a_runs_end_leaves_no_connection_open(server, reply, soon):
    url = server.on("/x", reply(200, b"x"))
    batchmill.run({"nodes": [{"id": "get", "type": "http", "params": {"url": url}}]})
    assert soon(lambda: not server._open)


def test_a_value_cannot_leave_its_place(server, reply):
    server.on("/users/..%2Fadmin%3Fx/posts", reply(200, b"posts"))
    nodes = [{"id": "get", "type": "http", "params": {"url": "${base}/users/${who}/posts"}}]
    inputs = {"base": {"type": "string"}, "who": {"type": "string"}}
    ran = batchmill.run({"inputs": inputs, "nodes": nodes}, {"base": server.url, "who": "../admin?x"})
    assert ran.outputs["response"] == "posts"
    ran = batchmill.run({"inputs": inputs, "nodes": nodes}, {"base": server.url, "who": ".."})
    assert ran.errors[0]["type"] == "UnsafeValue"
    assert len(server.received) == 1
