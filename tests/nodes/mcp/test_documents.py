"""Tools in documents: by both kinds of types, on every executor, and nothing left behind."""

from __future__ import annotations

import json
import sys
import threading

import psutil
import pytest

import batchmill
from batchmill import InvalidDocument
from batchmill.executors.process import pool


def document(server, executor="thread", n=8, **batch):
    return {
        "mcp_servers": {"some-server": server},
        "nodes": [
            {
                "id": "add",
                "type": "mcp-some-server-add",
                "params": {"a": "${item}", "b": 100},
                "batch": {"items": {"range": [n]}, "executor": executor, **batch},
            }
        ],
    }


def servers_left():
    """The servers that still run, below this process and its workers."""
    return [
        one for one in psutil.Process().children(recursive=True) if "mcp/server.py" in " ".join(_line(one))
    ]


def _line(process):
    try:
        return process.cmdline()
    except psutil.Error:
        return []


@pytest.mark.parametrize("executor", ["sequential", "thread", "process"])
@pytest.mark.first_quick
def test_a_batch(stdio, executor, soon):
    settings = {"max_concurrent": 2} if executor == "process" else {}  # each worker starts a server
    result = batchmill.run(document(stdio(), executor, **settings))
    assert result.status == "success", result.errors
    assert [one["result"] for one in result.outputs["results"]] == [n + 100 for n in range(8)]
    assert soon(lambda: not servers_left())  # those of workers end a moment later
    if executor != "process":
        return
    pool.shutdown()


def test_calls_in_flight_need_no_threads(stdio):
    most, before = [], set(threading.enumerate())
    node = {"id": "call", "type": "mcp-s-slow", "params": {"seconds": 0.2}}
    node["batch"] = {"items": {"range": [40]}, "executor": "thread", "max_concurrent": 40}
    stop = threading.Event()

    def watch():
        while not stop.wait(0.01):
            most.append(sum(one.name.startswith("batchmill-") for one in {*threading.enumerate()} - before))

    watcher = threading.Thread(target=watch)
    watcher.start()
    result = batchmill.run({"mcp_servers": {"s": stdio()}, "nodes": [node]})
    stop.set()
    watcher.join()
    assert result.nodes["call"]["success_count"] == 40
    assert max(most) < 10


@pytest.mark.slow
def test_a_server_that_dies_under_a_batch(stdio, tmp_path):
    mark = tmp_path / "mark"
    mark.touch()
    nodes = [
        {
            "id": "die",
            "type": "mcp-s-die",
            "params": {"file": str(mark)},
            "batch": {"items": {"range": [6]}, "executor": "thread", "max_concurrent": 6, "max_retries": 3},
        }
    ]
    result = batchmill.run({"mcp_servers": {"s": stdio()}, "nodes": nodes})
    assert result.status == "success", result.errors
    assert [one["result"] for one in result.outputs["results"]] == ["lived"] * 6


@pytest.mark.slow
def test_the_file_beside_the_document(stdio, tmp_path):
    (tmp_path / ".mcp.json").write_text(json.dumps({"mcpServers": {"s": stdio()}}))
    nodes = [
        {"id": "up", "type": "mcp", "params": {"server": "s", "tool": "upper", "arguments": {"text": "a"}}}
    ]
    (tmp_path / "flow.json").write_text(json.dumps({"nodes": nodes}))
    assert batchmill.run(tmp_path / "flow.json").outputs["result"] == "A"


@pytest.mark.slow
def test_what_a_tool_says_is_data(stdio):
    nodes = [
        {"id": "who", "type": "mcp-s-person", "params": {"name": "${oops}".replace("$", "$$")}},
        {"id": "say", "type": "echo", "params": {"message": "${who.result.name} ${who.result.tags[0]}"}},
    ]
    result = batchmill.run({"mcp_servers": {"s": stdio()}, "nodes": nodes})
    assert result.outputs["echo"] == "${oops} ${a}"


@pytest.mark.parametrize(
    ("node", "place", "words"),
    [
        ({"type": "mcp-other-add"}, "$.nodes[0].type", "no MCP server 'other'; there is s"),
        ({"type": "mcp-s"}, "$.nodes[0].type", "no MCP server 's'"),
        ({"type": "mcp", "params": {"server": "t", "tool": "x"}}, "$.nodes[0].params.server", "server 't'"),
        ({"type": "mcp", "params": {"server": "s"}}, "$.nodes[0].params", "'tool'"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_before_anything_starts(node, place, words):
    with pytest.raises(InvalidDocument) as caught:
        batchmill.run({"mcp_servers": {"s": {"command": "x"}}, "nodes": [{"id": "a", **node}]})
    (problem,) = caught.value.problems
    assert problem.path == place
    assert words in problem.message


@pytest.mark.slow
def test_the_longest_name_of_a_server_wins(stdio):
    servers = {"a": {"command": sys.executable}, "a-b": stdio()}
    nodes = [{"id": "up", "type": "mcp-a-b-upper", "params": {"text": "x"}}]
    assert batchmill.run({"mcp_servers": servers, "nodes": nodes}).outputs["result"] == "X"
