"""Limits through whole documents, against real servers on this machine that really refuse."""

from __future__ import annotations

import json
import threading
import time
from collections import deque
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

import batchmill
from batchmill.errors import InvalidDocument, InvalidSetting
from batchmill.events import LimitChanged


class Service(BaseHTTPRequestHandler):
    """Takes ``server.at_once`` requests at once and ``server.per_second`` in any second, each None for any
    number; keeps when each request came and how many were refused."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        server: Any = self.server
        now = time.monotonic()
        with server.lock:
            server.came.append(now)
            while server.recent and server.recent[0] <= now - 1:
                server.recent.popleft()
            busy = server.at_once is not None and server.here >= server.at_once
            often = server.per_second is not None and len(server.recent) >= server.per_second
            refused = busy or often
            server.refused += refused
            if not refused:
                server.here += 1
                server.most_here = max(server.most_here, server.here)
                server.recent.append(now)
        if refused:
            self.answer(429, server.refusal)
            return
        time.sleep(server.seconds)
        with server.lock:
            server.here -= 1
        self.answer(200, {})

    def answer(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": "2"}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *arguments: Any) -> None:
        pass


class Server(ThreadingHTTPServer):
    request_queue_size = 128


@pytest.fixture
def serve():
    servers = []

    def start(*, at_once=None, per_second=None, seconds=0.02, refusal=None):
        server: Any = Server(("127.0.0.1", 0), Service)
        server.lock, server.recent, server.came = threading.Lock(), deque(), []
        server.here, server.most_here, server.refused, server.refusal = 0, 0, 0, refusal or {}
        server.at_once, server.per_second, server.seconds = at_once, per_second, seconds
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        servers.append((server, thread))
        server.address = f"http://127.0.0.1:{server.server_port}/"
        return server

    yield start
    for server, thread in servers:
        server.shutdown()
        thread.join()
        server.server_close()


def asking(address, count, **batch):
    batch = {"executor": "thread", "items": {"range": [0, count]}, **batch}
    return {"nodes": [{"id": "ask", "type": "http", "params": {"url": address}, "batch": batch}]}


def most_within(times, seconds):
    return max(sum(began <= at < began + seconds for at in times) for began in times)


@pytest.mark.parametrize(
    "executor",
    [pytest.param(name, marks=pytest.mark.slow) for name in ("sequential", "process")] + ["thread"],
)
def test_a_server_sees_no_more_than_the_limit(executor, serve):
    server = serve(per_second=45, seconds=0.005)
    run = batchmill.run(asking(server.address, 60, executor=executor, rate_limit={"per_second": 40}))
    assert run.status == "success", run.errors[:1]
    assert server.refused == 0
    assert most_within(server.came, 1.0) <= 43


def test_nodes_with_one_key_are_one_to_the_server(serve):
    server = serve(seconds=0.005)
    flow = asking(server.address, 20, rate_limit={"per_second": 40, "key": "api"})
    flow["nodes"] += [
        {**asking(server.address, 20, rate_limit={"key": "api"})["nodes"][0], "id": "more"},
        {"id": "one", "type": "http", "params": {"url": server.address}, "rate_limit": {"key": "api"}},
    ]
    assert batchmill.run(flow).status == "success"
    assert len(server.came) == 41
    assert most_within(server.came, 0.5) <= 20 + 3


@pytest.mark.slow
def test_retry_after_holds_up_all_under_the_key(serve):
    server = serve(per_second=10, seconds=0, refusal={"Retry-After": "1"})
    batch = {"max_retries": 5, "rate_limit": {"max_concurrent": 2}}
    run = batchmill.run(asking(server.address, 15, **batch))
    assert run.status == "success", run.errors[:1]
    assert server.refused <= 3  # those that were under way together, once


@pytest.mark.slow
def test_auto_finds_how_many_a_server_takes_at_once(serve):
    server = serve(at_once=5, seconds=0.05)  # far longer than a busy machine keeps an answer waiting
    told: list[Any] = []
    run = batchmill.run(
        asking(server.address, 160, max_concurrent="1-2-50", max_retries=10), listeners=[told.append]
    )
    assert run.status == "success", run.errors[:1]
    decisions = [event for event in told if isinstance(event, LimitChanged)]
    assert server.most_here == 5  # it went to the limit
    assert 0 < server.refused <= 0.1 * 160  # and hardly beyond: at 50 at once most would have been refused
    assert any(decision.reason.startswith("refused") for decision in decisions)


@pytest.mark.slow  # by nature; how many at once is found in the same way
def test_auto_finds_how_often_a_server_may_be_asked(serve):
    server = serve(per_second=50, seconds=0.01)
    run = batchmill.run(asking(server.address, 200, max_concurrent="auto", max_retries=10))
    assert run.status == "success", run.errors[:1]
    assert server.refused <= 0.5 * 200  # the few seconds it takes are mostly the search


@pytest.mark.slow
def test_decisions_are_told_when_asked_for(serve, tmp_path, batchmill_command):
    server, flow = serve(at_once=2), tmp_path / "flow.json"
    flow.write_text(json.dumps(asking(server.address, 40, max_concurrent="1-8-8", max_retries=10)))
    code, _, err = batchmill_command("run", str(flow), "-v", "--json")
    assert code == 0, err
    assert "node ask: " in err
    assert "at once" in err
    assert "at once" not in batchmill_command("run", str(flow))[2]


@pytest.mark.parametrize("executor", ["sequential", "thread", "process"])
@pytest.mark.first_quick
def test_a_run_that_used_up_its_budget_ends_with_4(executor, serve, tmp_path, batchmill_command):
    server = serve(seconds=0.01)
    flow = asking(server.address, 30, executor=executor)
    flow["budget"] = {"requests": 12}
    flow["nodes"].insert(0, {"id": "free", "type": "echo", "params": {"message": "costs nothing"}})
    (tmp_path / "flow.json").write_text(json.dumps(flow))
    code, out, err = batchmill_command("run", "flow.json", "--json")
    assert code == 4, err
    assert len(server.came) == 12
    told = json.loads(out)
    assert told["status"] == "failed"
    assert told["nodes"]["ask"]["success_count"] == 12
    assert any("budget of 12 requests of the run is used up" in error["message"] for error in told["errors"])


def test_a_budget_that_is_just_enough_is_enough(serve):
    flow = asking(serve().address, 12)
    flow["budget"] = {"requests": 12}
    flow["nodes"].append({"id": "end", "type": "echo", "params": {"message": "done"}})
    run = batchmill.run(flow)
    assert (run.status, run.limit) == ("success", None)


PRICED = {
    "prices": {"echo": {"input": 1000, "output": 1000}},
    "nodes": [
        {
            "id": "ask",
            "type": "llm",
            "params": {"provider": "echo", "model": "echo", "prompt": "a prompt of some length ${item}"},
            "batch": {"items": {"range": [10, 40]}, "executor": "thread"},
        }
    ],
}


@pytest.mark.parametrize("unit", ["tokens", "usd"])
def test_what_models_use_is_counted_against_budgets(unit):
    free = batchmill.run(PRICED)
    tokens = sum(call["input_tokens"] + call["output_tokens"] for call in free.llm_calls)
    usd = sum(call["cost"] for call in free.llm_calls)
    limit = {"tokens": tokens // 3, "usd": usd / 3}[unit]
    run = batchmill.run({**PRICED, "budget": {unit: limit}})
    assert run.limit is not None
    spent = sum(
        call["cost"] if unit == "usd" else call["input_tokens"] + call["output_tokens"]
        for call in run.llm_calls
    )
    assert 0.8 * limit <= spent <= limit


@pytest.mark.slow
def test_limits_inside_a_workflow_hold_over_all_items_on_threads(serve):
    server = serve(seconds=0.005)
    ask = {"id": "ask", "type": "http", "params": {"url": server.address}, "rate_limit": {"per_second": 40}}
    inner = {"nodes": [ask]}
    batch = {"items": {"range": [0, 40]}, "executor": "thread"}
    flow = {"nodes": [{"id": "each", "type": "workflow", "params": {"workflow": inner}, "batch": batch}]}
    assert batchmill.run(flow).status == "success"
    assert most_within(server.came, 0.5) <= 20 + 3
    batch["executor"] = "process"
    run = batchmill.run(flow)
    assert run.status == "failed"
    assert "do not hold inside worker processes" in run.errors[0]["message"]


def test_the_python_face_has_the_same_limits():
    times: list[float] = []

    def note(item: int) -> int:
        times.append(time.monotonic())
        return item

    done = batchmill.map(
        note, range(30), rate_limit={"per_second": 100, "key": "face"}, max_concurrent="1-2-4"
    )
    assert list(done) == list(range(30))
    assert times[-1] - times[0] >= (30 - 1 - 2) / 100
    with pytest.raises(InvalidSetting, match='`rate_limit`: unknown key "per_minute"'):
        batchmill.map(note, [1], rate_limit={"per_minute": 5})
    with pytest.raises(InvalidSetting, match="`max_concurrent` must be a whole number from 1"):
        batchmill.map(note, [1], max_concurrent="many")


def test_mistakes_are_reported_together():
    flow = asking("http://x/", 1, max_concurrent="9-1-2", rate_limit={"burst": 3})
    flow["budget"] = {"dollars": 3}
    with pytest.raises(InvalidDocument) as caught:
        batchmill.run(flow)
    assert [problem.path for problem in caught.value.problems] == [
        "$.nodes[0].batch.max_concurrent",
        "$.budget.dollars",
    ]


@pytest.mark.parametrize("batch", [{}, {"batch": {"items": ["${n}"]}}])
@pytest.mark.parametrize("nested", [False, True])
def test_iterations_that_the_journal_has_count_in_no_budget(tmp_path, monkeypatch, batch, nested):
    """A loop of sub-workflows gets as far in each pass as its budget allows, until it has ended."""
    monkeypatch.chdir(tmp_path)
    add = {
        "id": "add",
        "type": "code",
        "params": {"code": "result = n + 1", "inputs": {"n": "${n}"}},
        **batch,
    }
    total = "${add.results[0].result}" if batch else "${add.result}"
    inner = {
        "inputs": {"n": {"type": "integer"}},
        "nodes": [add],
        "outputs": {"n": {"source": total}},
    }
    if nested:
        deep = {"id": "deep", "type": "workflow", "params": {"workflow": inner, "inputs": {"n": "${n}"}}}
        inner = {**inner, "nodes": [deep], "outputs": {"n": {"source": "${deep.n}"}}}
    again = {
        "id": "again",
        "type": "workflow",
        "params": {"workflow": inner, "inputs": {"n": 0}},
        "loop": {"carry": {"n": "${again.n}"}, "until": "${again.n == 5}"},
        "budget": {"requests": 2},
    }
    run = batchmill.run({"nodes": [again], "outputs": {"n": {"source": "${again.n}"}}}, journal="j.sqlite")
    assert (run.status, run.limit is None) == ("failed", False)
    kept = []
    while run.status == "failed" and len(kept) < 5:
        run = batchmill.resume(journal="j.sqlite")
        kept.append(run.resumed["kept"])
    assert (run.status, run.outputs, kept) == ("success", {"n": 5}, [2, 4])
