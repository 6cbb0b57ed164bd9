"""Looks at a run: figures out of the journal, read once, and never written."""

from __future__ import annotations

import random
import sqlite3
import time
from dataclasses import astuple

import pytest

from batchmill.block import Block
from batchmill.errors import StorageError, UnknownRun
from batchmill.journal.contract import FAILED, NOT_KEPT, OK, ContentKey, RunRecord
from batchmill.journal.database import connect_to_read
from batchmill.journal.encoding import encode
from batchmill.journal.journal import Journal
from batchmill.journal.reading import Reader
from batchmill.journal.records import glances_of
from batchmill.outcome import ErrorInfo, Outcome
from batchmill.report.counted import Counted
from batchmill.report.live import Watched
from batchmill.report.live_text import lines

ITEMS = 100


class Running:
    """A run with one batch, under way: outcomes are entered by hand."""

    def __init__(self, path):
        self.journal = Journal(path)
        self.log = self.journal.begin(RunRecord("flow.json", "/", {"nodes": []}))
        self.event("RunStarted", run=self.log.run.name)
        self.event("NodeStarted", node="each", total=ITEMS, executor="thread", workers=4)
        self.items = self.log.batch("each", ContentKey(b"key", {}), ITEMS)
        self.began = time.time()

    def event(self, kind, **detail):
        self.log.event(kind, detail)

    def done(self, start, stop, failed=(), wall=2.0, ago=0.0):
        """Items ``start`` to before ``stop`` ended ``ago`` seconds ago and took ``wall`` each."""
        count = stop - start
        numbers = list(range(start, stop))
        began = dict.fromkeys(range(count), time.perf_counter() - ago - wall)
        block = Block(start, numbers, [wall] * count, {}, numbers, began=began, worker=0)
        for index in failed:
            block.values[index - start] = None
            error = ErrorInfo("ValueError", f"broken {index}")
            block.special[index - start] = Outcome(index, error=error, attempts=2, wall=wall, began=began[0])
        self.items.record(block)
        self.log._writer.flush()

    def end(self, status="success"):
        self.event("NodeFinished", node="each", status=status, wall=1.0)
        self.log.finish(status, 7.5, {}, None)
        self.log.close()


@pytest.fixture
def running(tmp_path):
    one = Running(tmp_path / "j.sqlite")
    yield one
    one.log.close()


@pytest.fixture
def watched(running):
    with Reader(running.journal, only=True) as reader:
        yield Watched(reader, reader.run("last"), "flow.json")


def look(watched, later=0.0):
    return watched.look(time.time() + later)


def test_counts_rates_and_what_is_left(running, watched):
    running.done(0, 20, failed=(3, 7))
    now = look(watched, later=1.0)
    (node,) = now.nodes
    assert (now.status, now.over) == ("running", False)
    assert (node.done, node.failed, node.retried, node.total, node.at_once) == (20, 2, 2, ITEMS, 4)
    assert node.p50 == node.most == 2.0
    assert node.rate > 0
    least, most = node.left
    assert 0 < least <= most
    assert least == pytest.approx(80 / max(node.rate, node.mean_rate))


def test_a_rate_is_that_of_the_last_seconds(running, watched):
    running.done(0, 20)
    node = look(watched, later=100.0).nodes[0]
    assert node.rate == 0
    assert node.mean_rate == pytest.approx(0.2, rel=0.1)
    assert node.left == (pytest.approx(400, rel=0.1),) * 2


def test_what_is_read_once_is_not_read_again(running, watched, monkeypatch):
    running.done(0, 40, failed=(5,))
    read = []
    glances = Reader.glances

    def counting(self, visit, start):
        for page in glances(self, visit, start):
            read.extend(row.index for row in page.one_by_one())
            yield page

    monkeypatch.setattr(Reader, "glances", counting)
    assert look(watched).nodes[0].done == 40
    running.done(50, 60)
    assert look(watched).nodes[0].done == 50
    running.done(40, 50, failed=(44,))
    last = look(watched).nodes[0]
    assert (last.done, last.failed) == (60, 2)
    assert len(read) == 40 + 10 + 20
    assert look(watched).nodes[0].done == 60
    assert len(read) == 70


def test_items_that_are_overdue_are_named(running, watched):
    running.done(0, 3, wall=0.1)
    running.done(4, 10, wall=0.1)
    (oldest,) = look(watched, later=30.0).nodes[0].oldest
    assert (oldest.index, oldest.stalled) == (3, True)
    assert oldest.seconds == pytest.approx(30, abs=5)
    running.done(3, 4)
    assert look(watched).nodes[0].oldest == []


def test_what_the_run_says_of_items_under_way_is_shown(running, watched):
    running.done(0, 10, wall=0.1)
    limit = {"key": "api", "in_flight": 2, "waiting": 3, "refused": 4, "limit": None, "rate": 10.0}
    at_work = {"each": {"in_flight": 2, "oldest": [[11, 60.0], [10, 0.25]]}}
    running.log.beat({"nodes": at_work, "limits": [limit]})
    running.log._writer.flush()
    now = look(watched, later=1.0)
    (node,) = now.nodes
    assert node.in_flight == 2
    assert [(one.index, one.stalled, one.at_least) for one in node.oldest] == [
        (11, True, False),
        (10, True, False),
    ]
    assert node.oldest[0].seconds == pytest.approx(61, abs=0.9)
    text = list(lines(now))
    assert any(line.startswith("  item 11 is under way for 1 min") for line in text)
    assert "limit api: 10 a second, 3 waiting, 4 refused" in text
    later = look(watched, later=60.0)  # it has not said anything for a while
    assert (later.nodes[0].in_flight, later.limits) == (None, [])


def test_what_an_earlier_pass_said_is_not_shown(running, watched):
    running.log.beat({"nodes": {}, "limits": []})
    running.log._writer.flush()
    with sqlite3.connect(running.journal.path) as connection:
        connection.execute("UPDATE run SET passes = 2")
    connection.close()
    with Reader(running.journal, only=True) as reader:
        assert reader.heartbeat(reader.run("last")) is None


def test_failures_are_in_groups_the_last_first_with_the_command_that_shows_it(running, watched):
    running.done(0, 20, failed=(3, 7, 12))
    (group,) = look(watched).failures
    assert (group.count, group.type, group.pattern, group.index) == (3, "ValueError", "broken …", 12)
    assert group.message == "broken 12"
    assert group.command == f"batchmill show {running.log.run.name} --node each --item 12"
    text = list(lines(look(watched)))
    assert "3 × ValueError in each, last at item 12: broken 12" in text
    assert f"  {group.command}" in text


def test_of_very_many_kinds_of_failures_all_are_counted(running, watched):
    running.done(0, ITEMS, failed=range(ITEMS))
    assert sum(one.count for one in look(watched).failures) == ITEMS


def test_the_end_is_seen(running, watched):
    running.done(0, ITEMS)
    running.end()
    now = look(watched)
    assert (now.status, now.over, now.wall) == ("success", True, 7.5)
    assert (now.nodes[0].status, now.nodes[0].left, now.nodes[0].done) == ("success", None, ITEMS)
    assert now.as_json()["schema"] == "batchmill.watch/1"


def test_a_run_whose_process_is_gone_was_interrupted(running, watched):
    running.done(0, 20, ago=-5)
    running.log.close()
    now = look(watched, later=500.0)
    assert (now.status, now.over, now.nodes[0].status) == ("interrupted", True, "interrupted")
    assert now.wall < 60


def test_limits_are_told(running, watched):
    running.event("LimitChanged", key="api", limit=8, rate=None, reason="begin")
    running.event("LimitChanged", key="api", limit=5, rate=47.5, reason="refused")
    running.log._writer.flush()
    assert "limit api: 5 at once, 47.5 a second: refused" in list(lines(look(watched)))


def test_nodes_inside_of_items_are_passed_by(running, watched):
    running.event("NodeStarted", node="each[3].inner", total=9, executor="thread", workers=1)
    running.log.batch("each[3].inner", ContentKey(b"other", {}), 9)
    running.log._writer.flush()
    assert [node.id for node in look(watched).nodes] == ["each"]


def test_a_run_that_is_forgotten_meanwhile_is_said(running, watched):
    running.end()
    with sqlite3.connect(running.journal.path) as connection:
        connection.execute("DELETE FROM run")
    connection.close()
    with pytest.raises(UnknownRun, match="was forgotten"):
        look(watched)


def test_nothing_can_be_written(running):
    connection = connect_to_read(running.journal.path)
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        connection.execute("DELETE FROM run")
    connection.close()


def test_a_journal_of_another_format_stays_as_it_is(tmp_path):
    path = tmp_path / "old.sqlite"
    connection = sqlite3.connect(path)
    connection.executescript("PRAGMA application_id = 1651337580; PRAGMA user_version = 1; CREATE TABLE t(x)")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(StorageError, match="has format 1 and this batchmill reads format"):
        Reader(Journal(path), only=True)
    assert path.read_bytes() == before


def test_what_is_no_journal_is_refused(tmp_path):
    path = tmp_path / "empty.sqlite"
    path.touch()
    with pytest.raises(StorageError, match="is not a journal"):
        Reader(Journal(path), only=True)
    with pytest.raises(StorageError, match="there is no journal"):
        Reader(Journal(tmp_path / "none.sqlite"), only=True)


def test_hostile_texts_move_no_cursor(running, watched):
    running.event("NodeFinished", node="x\x1b[2J\x07", status="failed", wall=1.0)
    running.log._writer.flush()
    assert all(line.isprintable() for line in lines(look(watched)))


def test_outcomes_in_columns_add_up_to_the_same_as_one_by_one():
    draw = random.Random(3)
    error = encode({"error": {"type": "ValueError", "message": "broken 7"}, "attempts": 2})
    for made_in in ((2,), (1, 2)):
        rows = []
        for index in range(500):
            began = None if draw.random() < 0.1 else 1000.0 + index / 3
            failed = draw.random() < 0.05
            state = FAILED if failed else draw.choice([OK, OK, NOT_KEPT])
            rows.append((index, state, draw.choice(made_in), draw.random(), began, error if failed else None))
        page, one_by_one, in_columns = glances_of(rows), Counted(), Counted()
        for row in page.one_by_one():
            one_by_one.add(row, 2)
        in_columns.add_page(page, 2)
        assert (page.gapless, page.certain) == (True, False)
        for name in ("done", "failed", "retried", "fresh", "ends", "last_end", "groups"):
            assert getattr(in_columns, name) == getattr(one_by_one, name), name
        assert astuple(in_columns.walls.durations()) == pytest.approx(astuple(one_by_one.walls.durations()))


def test_a_gap_in_a_page_is_seen():
    rows = [(index, OK, 1, 0.1, 5.0, None) for index in (3, 4, 6)]
    assert not glances_of(rows).gapless
    assert (glances_of(rows[:2]).gapless, glances_of(rows[:2]).certain) == (True, True)


def test_a_run_that_was_killed_lasted_until_its_last_sign_of_life(running, watched):
    running.done(0, 20)
    running.log.sample(time.time() + 40.0, 1.0, 0.5, 1 << 20, 3)
    running.log._writer.flush()
    running.log.close()
    seen = look(watched, later=100.0)
    assert seen.status == "interrupted"
    assert seen.wall == pytest.approx(40, abs=5)
    assert seen.nodes[0].mean_rate == pytest.approx(20 / seen.wall, rel=0.1)
