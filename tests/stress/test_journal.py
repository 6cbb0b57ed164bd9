"""A run log under 64 threads: every row once, ids distinct, what is known given out once, the file sound."""

import json
import sqlite3
import threading
from collections import Counter

import pytest

import batchmill
from batchmill.block import Block
from batchmill.journal.contract import ContentKey, RunRecord
from batchmill.journal.database import connect
from batchmill.journal.files import LARGE
from batchmill.journal.journal import Journal
from batchmill.outcome import ErrorInfo, Outcome

THREADS = 64
SINGLES, BLOCKS, WIDTH, EVENTS = 40, 8, 5, 20


@pytest.fixture
def journal(tmp_path):
    return Journal(tmp_path / "runs.sqlite")


@pytest.fixture
def rows(journal):
    """``rows("SELECT ...")``: what the file holds, once its integrity has been checked."""

    def select(query):
        connection = sqlite3.connect(journal.path)
        try:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            return connection.execute(query).fetchall()
        finally:
            connection.close()

    return select


def begin(journal):
    return journal.begin(RunRecord("here", "/", {"nodes": []}))


def key(text):
    return ContentKey(str(text).encode(), {})


def test_singles_batches_and_events_are_all_there_once(journal, rows, storm):
    log = begin(journal)
    shared = log.batch("shared", key("shared"), None)

    def work(number):
        own = log.batch(f"batch-{number}", key(number), BLOCKS * WIDTH)
        for k in range(SINGLES):
            log.single(f"single-{k % 4}", key(k)).record(Outcome(0, [number, k]), "default")
        for k in range(BLOCKS):
            values = [[number, k * WIDTH + n] for n in range(WIDTH)]
            own.record(Block(k * WIDTH, values, [0.0] * WIDTH, items=values))
            start = (number * BLOCKS + k) * WIDTH
            shared.record(Block(start, values, [0.0] * WIDTH, items=values))
        for k in range(EVENTS):
            log.event("seen", {"number": number, "k": k})
        own.close(BLOCKS * WIDTH)

    storm(work)
    shared.close(THREADS * BLOCKS * WIDTH)
    log.finish("success", 1.0, {}, None)
    log.close()
    visits = rows("SELECT id, address, occurrence, total FROM visit")
    assert len(visits) == len({visit for visit, *_ in visits}) == THREADS * (SINGLES + 1) + 1
    turns = Counter((address, turn) for _, address, turn, _ in visits)
    assert set(turns.values()) == {1}, "two visits of a node have the same number"
    every = {(number, k) for number in range(THREADS) for k in range(SINGLES)}
    assert pairs(rows, "single-%") == (len(every), every)
    every = {(number, k) for number in range(THREADS) for k in range(BLOCKS * WIDTH)}
    assert pairs(rows, "batch-%") == (len(every), every)
    assert pairs(rows, "shared") == (len(every), every)
    positions = rows("SELECT o.position, o.value FROM outcome o JOIN visit v ON v.id = o.visit"
                     " WHERE v.address = 'shared' ORDER BY o.position")  # fmt: skip
    assert [json.loads(value) for _, value in positions] == [
        [position // (BLOCKS * WIDTH), position % (BLOCKS * WIDTH)] for position, _ in positions
    ]
    events = [json.loads(detail) for (detail,) in rows("SELECT detail FROM event")]
    assert Counter((one["number"], one["k"]) for one in events) == Counter(
        (number, k) for number in range(THREADS) for k in range(EVENTS)
    )


def pairs(rows, address):
    """How many outcomes a node has, and the different values they have."""
    query = "SELECT o.value FROM outcome o JOIN visit v ON v.id = o.visit WHERE v.address LIKE "
    found = [tuple(json.loads(value)) for (value,) in rows(f"{query}'{address}'")]
    return len(found), set(found)


def test_what_is_waited_for_is_committed_when_the_thread_goes_on(journal, storm):
    log = begin(journal)
    items = log.batch("slow", key("slow"), THREADS * 5)

    def work(number):
        for k in range(5):
            items.record(Block(number * 5 + k, [k], [1.0], items=[k]))  # slow: it is waited for
            position = number * 5 + k
            connection = sqlite3.connect(journal.path, timeout=30)
            found = connection.execute("SELECT value FROM outcome WHERE position = ?", (position,)).fetchall()
            connection.close()
            assert found == [(str(k),)]

    storm(work)
    log.close()


def test_large_values_and_failures_beside_each_other(journal, rows, storm):
    log = begin(journal)
    items = log.batch("large", key("large"), THREADS * 4)
    texts = [str(k) * (LARGE + 1) for k in range(4)]  # the same four, from everybody

    def work(number):
        for k in range(4):
            index = number * 4 + k
            items.record(Block(index, [texts[(number + k) % 4]], [0.0], items=[index]))
            error = ErrorInfo("ValueError", str(number))
            outcome = Outcome(0, error=error, attempts=3)
            log.single(f"fails-{k}", key(number)).record(outcome, "error")

    storm(work)
    log.finish("failed", 1.0, {}, None)
    log.close()
    details = [json.loads(detail) for (detail,) in rows("SELECT detail FROM outcome")]
    digests = Counter(detail["value_file"] for detail in details if "value_file" in detail)
    assert sorted(json.loads(journal.files.get(digest)) for digest in digests) == texts
    assert set(digests.values()) == {THREADS}
    assert {digest for (digest,) in rows("SELECT digest FROM file")} == set(digests)
    failed = Counter(detail["error"]["message"] for detail in details if "error" in detail)
    assert failed == Counter({str(number): 4 for number in range(THREADS)})
    assert not list(journal.files.folder.rglob(".new-*"))


def test_a_known_outcome_is_given_to_one_only(journal, storm):
    """64 visits with the same content, resumed by 64 threads at once: each gets another one's outcome."""
    first = begin(journal)
    for number in range(THREADS):
        first.single("same", key("same")).record(Outcome(0, number), "default")
    first.close()
    resumed = journal.resume(first.name, first.run, lock=journal.lock(first.name))
    lock, known = threading.Lock(), []

    def work(number):
        found = resumed.single("same", key("same")).known
        with lock:
            known.append(None if found is None else found[0].value)

    storm(work)
    assert sorted(known) == list(range(THREADS))
    assert resumed.single("same", key("same")).known is None
    assert resumed.kept.as_json() == {"kept": THREADS, "redone": 1, "new": 0, "changed": 0, "gone": 0}
    resumed.close()


@pytest.mark.slow
def test_a_journal_that_all_make_at_once(tmp_path, storm):
    """As when several commands begin in a folder that has none yet."""
    for turn in range(8):
        path = tmp_path / str(turn) / "runs.sqlite"
        storm(lambda number, path=path: connect(path).close())


def test_several_runs_write_to_one_file(journal, rows, storm):
    def work(number):
        if number % 8:
            return
        log = begin(journal)
        items = log.batch("each", key("each"), 200)
        for start in range(0, 200, 10):
            values = list(range(start, start + 10))
            items.record(Block(start, values, [0.0] * 10, items=values))
        items.close(200)
        log.finish("success", 0.1, {}, None)
        log.close()

    storm(work)
    found = rows("SELECT v.run, o.value FROM outcome o JOIN visit v ON v.id = o.visit")
    for run in range(1, 9):
        assert sorted(int(value) for which, value in found if which == run) == list(range(200))
    assert rows("SELECT status, COUNT(*) FROM run GROUP BY status") == [("success", 8)]


def test_a_run_on_64_threads_is_journaled_and_resumed_whole(tmp_path):
    node = {"id": "each", "type": "code", "params": {"code": "result = n + 1", "inputs": {"n": "${item}"}}}
    node["batch"] = {"items": {"range": [1_000]}, "executor": "thread", "max_concurrent": 64}
    document = {"nodes": [node], "outputs": {"all": {"source": "${each.results[*].result}"}}}
    (tmp_path / "flow.json").write_text(json.dumps(document))
    where = tmp_path / "runs.sqlite"
    run = batchmill.run(tmp_path / "flow.json", journal=where)
    again = batchmill.resume("last", journal=where)
    assert run.outputs == again.outputs == {"all": list(range(1, 1_001))}
    assert again.resumed == {"kept": 1_000, "redone": 0, "new": 0, "changed": 0, "gone": 0}
