"""Limits under 64 threads: no start lost or given twice, never too many at once, budgets add up exactly."""

import json
import random
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

import batchmill
from batchmill.batch.admissions.gate_claim import GateClaim
from batchmill.batch.admissions.gates import Gates
from batchmill.batch.admissions.rate_gate import Gate
from batchmill.concurrency.clock import FakeClock
from batchmill.concurrency.resources import close_resources
from batchmill.executors.contract import Chunk
from batchmill.outcome import Spent
from batchmill.policy.budget import BudgetLimits
from batchmill.policy.limits import EndedAttempt, Limits

THREADS = 64
ROUNDS = 150
PATIENCE = 60.0  # seconds after which what is still waiting will wait for ever


def never():
    return False


def enter(way, items, stopped):
    """Wait until the first of neighbouring items may start; passes for it and those that start with it."""
    claim = GateClaim(way, Chunk(items[0][1], [item for item, _ in items]), stopped)
    try:
        while claim.wait():
            if claim.admit(len(items)):
                return claim.passes
        return []
    finally:
        claim.leave_line()


class Counted:
    """A number that threads add to; ``most`` is the largest it was."""

    def __init__(self):
        self.lock = threading.Lock()
        self.now = self.most = 0

    def add(self, amount):
        with self.lock:
            self.now += amount
            self.most = max(self.most, self.now)
            return self.now


class Until:
    """Says that it is over once ``count`` starts were made, or once too much time has gone by."""

    def __init__(self, count):
        self.count = count
        self.starts = Counted()
        self.end = time.monotonic() + PATIENCE

    def __call__(self):
        return self.starts.now >= self.count or time.monotonic() > self.end


@pytest.mark.slow
def test_no_more_than_so_many_are_in_flight(storm):
    gates = Gates()
    lane = gates.lane("api", Limits(max_concurrent=48))
    inside, made = Counted(), Counted()

    def work(number):
        way = Gate(gates, lane)  # a batch of its own, in the same lane
        for k in range(ROUNDS):
            (leave,) = enter(way, [(k, k)], never)
            inside.add(1)
            made.add(1)
            inside.add(-1)
            if k % 3:
                way.leave(leave, EndedAttempt(latency=0.0))
            else:
                way.withdraw(leave)

    storm(work)
    assert (made.now, inside.now, lane.limiter.in_flight) == (THREADS * ROUNDS, 0, 0)
    assert 1 <= inside.most <= 48
    assert not lane.waiting


def test_with_time_standing_still_just_the_burst_starts(storm):
    """The clock gives nothing more, so what was withdrawn is all there is to be had again."""
    gates = Gates(clock=FakeClock())
    lane = gates.lane("api", Limits(per_second=1, burst=5_000))
    over = Until(5_000)
    way = Gate(gates, lane)

    def work(number):
        dice = random.Random(number)
        while leaves := enter(way, [(number, number)], over):
            for leave in leaves:
                if dice.random() < 0.3:
                    way.withdraw(leave)
                    continue
                way.leave(leave, EndedAttempt())
                if over.starts.add(1) == over.count:
                    way.wake()

    storm(work)
    assert over.starts.now == 5_000
    assert lane.limiter.in_flight == 0
    assert lane.limiter.wait(0, 0.0) > 0, "a start is left that nobody was given"
    assert not lane.waiting


def test_no_more_start_than_the_rate_allows(storm):
    """However late anybody wakes up: what the time that went by has room for bounds the starts."""
    gates = Gates()
    lane = gates.lane("api", Limits(per_second=4_000, burst=8))
    made, began = Counted(), time.monotonic()

    def work(number):
        way = Gate(gates, lane)
        left = 40
        while left:
            leaves = enter(way, [(k, k) for k in range(min(left, way.most))], never)
            for k, leave in enumerate(leaves):
                if (left + k) % 5 == 0:
                    way.withdraw(leave)
                else:
                    made.add(1)
                    way.leave(leave, EndedAttempt())
            left -= len(leaves)

    storm(work)
    capacity = 4_000 * 0.01  # a hundredth of a second's starts, see policy/bucket.py
    assert 0 < made.now <= 4_000 * (time.monotonic() - began) + capacity
    assert lane.limiter.in_flight == 0


@pytest.mark.slow
def test_budgets_add_up_to_what_was_really_spent(storm):
    told, lock, spent = [], threading.Lock(), []
    gates = Gates(on_exhausted=told.append)
    limits = BudgetLimits(requests=12_000, tokens=900_000, usd=25.0)
    everything = gates.budget("the run", limits)
    part = gates.budget("a node", BudgetLimits(tokens=700_000))
    lanes = [gates.lane(key, Limits(max_concurrent=30)) for key in ("one", "other")]

    def work(number):
        dice = random.Random(number)
        budgets = [(everything, True), (part, False)][: 1 + number % 2]
        way = Gate(gates, lanes[number % 2], budgets, expect=lambda item, index: 150)
        while leaves := enter(way, [(number, number)], never):
            if dice.random() < 0.2:
                way.withdraw(leaves[0])
                continue
            real = Spent(1, dice.randrange(150), dice.randrange(4_000_000))
            with lock:
                spent.append((number % 2, real))
            way.leave(leaves[0], EndedAttempt(tokens=real.tokens), calls=1, nano_usd=real.nano_usd)

    storm(work)
    assert everything.spent == sum((real for _, real in spent), Spent())
    assert part.spent == sum((real for inner, real in spent if inner), Spent())
    for budget in (everything, part):
        assert (budget.outstanding, budget._reserved) == (0, Spent())
        assert budget.spent.tokens <= budget.limits.tokens
    assert everything.spent.requests <= limits.requests
    assert everything.spent.nano_usd <= 25_000_000_000
    assert gates.exhausted in told
    assert [lane.limiter.in_flight for lane in lanes] == [0, 0]


@pytest.mark.slow
def test_the_last_request_of_a_budget_is_made_once(storm):
    gates = Gates()
    budget = gates.budget("the run", BudgetLimits(requests=5_000))
    lane, made = gates.lane("api", Limits()), Counted()

    def work(number):
        way = Gate(gates, lane, [(budget, True)])
        turn = number
        while leaves := enter(way, [(number, number)], never):
            turn += 1
            if turn % 4 == 0:
                way.withdraw(leaves[0])
            else:
                made.add(1)
                way.leave(leaves[0], EndedAttempt())

    storm(work)
    assert made.now == budget.spent.requests == 5_000


class Service(BaseHTTPRequestHandler):
    """Counts what comes; refuses every seventh request for a moment, as services do."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.server.inside.add(1)
        number = self.server.came.add(1)
        body = json.dumps({"number": number}).encode()
        self.send_response(429 if number % 7 == 0 else 200)
        self.send_header("Retry-After", "0")
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.server.inside.add(-1)
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = False
    request_queue_size = THREADS


@pytest.fixture
def server():
    server = Server(("127.0.0.1", 0), Service)
    server.inside, server.came = Counted(), Counted()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    close_resources()
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.slow
def test_a_document_with_limits_makes_each_request_once(server):
    batch = {"items": {"range": [300]}, "executor": "thread", "max_concurrent": 64, "max_retries": 10}
    limit = {"per_second": 3_000, "burst": 64, "max_concurrent": 16, "key": "service"}
    params = {"url": f"http://127.0.0.1:{server.server_port}/"}
    node = {"id": "ask", "type": "http", "params": params, "batch": {**batch, "rate_limit": limit}}
    run = batchmill.run({"nodes": [node], "outputs": {"all": {"source": "${ask.results}"}}})
    numbers = [entry["response"]["number"] for entry in run.outputs["all"]]
    came = server.came.now
    assert sorted(numbers) == [number for number in range(1, came + 1) if number % 7]
    assert len(numbers) == 300
    assert server.inside.most <= 16
