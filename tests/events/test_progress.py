"""Which progress is shown where, and what plain lines and the bar say."""

import io

import pytest

from batchmill.concurrency.clock import FakeClock
from batchmill.events import BatchProgress, NodeFinished, NodeRetried, NodeStarted, Noticed, RunStarted
from batchmill.events.progress import BarProgress, PlainProgress, can_draw, display

TERMINAL = {"TERM": "xterm-256color"}


class Terminal(io.StringIO):
    def isatty(self):
        return True


def plain(verbose=False):
    stream, clock = io.StringIO(), FakeClock()
    return PlainProgress(stream, clock, verbose), stream, clock


@pytest.mark.parametrize(
    ("stream", "environment", "wanted"),
    [
        (Terminal(), TERMINAL, True),
        (io.StringIO(), TERMINAL, False),
        (Terminal(), {"TERM": "dumb"}, False),
        (Terminal(), {}, False),
        (Terminal(), {**TERMINAL, "CI": "true"}, False),
    ],
)
def test_a_bar_is_drawn_only_where_a_terminal_can(stream, environment, wanted):
    assert can_draw(stream, environment) is wanted
    assert isinstance(display("auto", stream, environment), BarProgress if wanted else PlainProgress)


def test_asked_for_kinds_are_obeyed():
    assert display("none", Terminal(), TERMINAL) is None
    assert isinstance(display("plain", Terminal(), TERMINAL), PlainProgress)
    assert isinstance(display("bar", io.StringIO(), {}), BarProgress)


def test_plain_lines_come_at_steps_of_ten_percent():
    show, stream, clock = plain()
    show(NodeStarted("n", 200, "thread", 4))
    for done in range(1, 201):
        clock.advance(0.01)
        show(BatchProgress("n", done, done // 100, 200))
    show(NodeFinished("n", "degraded", 2.0, 198, 2, is_batch=True))
    lines = stream.getvalue().splitlines()
    assert lines[0] == "n: 200 items, thread executor, 4 workers"
    assert lines[1] == "n: 20 of 200 (10 %), 100 items/s"
    assert len(lines) == 1 + 9 + 1
    assert lines[-2] == "n: 180 of 200 (90 %), 1 failed, 100 items/s"
    assert lines[-1] == "n: degraded, 198 ok, 2 failed in 2.00 s"


def test_retries_are_told_while_a_batch_runs():
    show, stream, clock = plain()
    show(NodeStarted("n", 10, "thread", 4))
    for done, retries in ((1, 0), (2, 1), (3, 1200)):
        clock.advance(1.0)
        show(BatchProgress("n", done, done // 3, 10, retries))
    assert stream.getvalue().splitlines()[1:] == [
        "n: 1 of 10 (10 %), 1 items/s",
        "n: 2 of 10 (20 %), 1 retry, 1 items/s",
        "n: 3 of 10 (30 %), 1 failed, 1,200 retries, 1 items/s",
    ]


def test_plain_lines_come_every_ten_seconds_where_the_total_is_unknown():
    show, stream, clock = plain()
    show(NodeStarted("n", None, "process", 1))
    for done in range(1, 31):
        clock.advance(1.0)
        show(BatchProgress("n", done))
    lines = stream.getvalue().splitlines()
    assert lines == [
        "n: items as they come, process executor, 1 worker",
        *(f"n: {n} done, 1 items/s" for n in (10, 20, 30)),
    ]


def test_plain_nodes_are_named_only_when_asked():
    for verbose, number in ((False, 0), (True, 2)):
        show, stream, _ = plain(verbose)
        show(RunStarted("r"))
        show(NodeStarted("n"))
        show(NodeFinished("n", "success", 0.5))
        assert len(stream.getvalue().splitlines()) == number


def test_notices_and_retries_are_lines():
    show, stream, _ = plain()
    show(Noticed("no items", "n"))
    show(Noticed("hello"))
    show(NodeRetried("n", 1, "exit code 1", 2.0))
    show(NodeRetried("n", 2, "exit code 1"))
    assert stream.getvalue().splitlines() == [
        "n: no items",
        "hello",
        "n: attempt 1 failed, trying again in 2.00 s: exit code 1",
        "n: attempt 2 failed, trying again: exit code 1",
    ]


def test_progress_of_an_unknown_node_is_passed_over():
    show, stream, _ = plain()
    show(BatchProgress("stranger", 1, 0, 2))
    assert stream.getvalue() == ""


def test_a_reader_that_went_away_ends_the_lines_and_nothing_else():
    class Broken(io.StringIO):
        writes = 0

        def write(self, text):
            self.writes += 1
            raise BrokenPipeError

    stream = Broken()
    show = PlainProgress(stream, FakeClock())
    show(Noticed("a"))
    show(Noticed("b"))
    assert stream.writes == 1


def test_a_closed_display_is_silent():
    show, stream, _ = plain()
    show.close()
    show(Noticed("late"))
    assert stream.getvalue() == ""


def test_the_bar_draws_counts_and_stops():
    stream = Terminal()
    bar = BarProgress(stream, {**TERMINAL, "FORCE_COLOR": "1"})
    bar(NodeStarted("plain"))
    bar(NodeStarted("score", 10, "thread", 2))
    bar(BatchProgress("score", 4, 1, 10, 3))
    bar(BatchProgress("stranger", 4, 1, 10))
    bar(Noticed("look [bold]here"))
    bar(NodeRetried("n", 1, "no"))
    bar(NodeFinished("score", "degraded", 1.0, 9, 1, retries=3, is_batch=True))
    bar.close()
    bar.close()
    drawn = stream.getvalue()
    assert "score" in drawn
    assert "10/10" in drawn
    assert "1 failed, 3 retries" in drawn
    assert "look [bold]here" in drawn


def test_batches_that_run_at_once_have_a_bar_each():
    stream = Terminal()
    bar = BarProgress(stream, {**TERMINAL, "FORCE_COLOR": "1"})
    for name in ("fetch", "parse"):
        bar(NodeStarted(name, 10, "thread", 2))
    bar(BatchProgress("fetch", 6, 0, 10))
    bar(BatchProgress("parse", 4, 0, 10))
    bar(NodeFinished("fetch", "success", 1.0, 10, is_batch=True))
    bar(NodeFinished("parse", "cancelled", 1.0, 5, 0, 5, is_batch=True))
    bar.close()
    last = [line for line in stream.getvalue().splitlines() if "/10" in line][-2:]
    assert ["fetch" in last[0], "10/10" in last[0]] == [True, True], last
    assert ["parse" in last[1], "5/10" in last[1]] == [True, True], last


def test_lines_of_batches_that_run_at_once_name_theirs():
    show, stream, _ = plain()
    for name in ("fetch", "parse"):
        show(NodeStarted(name, 10, "thread", 2))
    show(BatchProgress("fetch", 6, 0, 10))
    show(BatchProgress("parse", 2, 0, 10))
    assert [line.split(",")[0] for line in stream.getvalue().splitlines()[2:]] == [
        "fetch: 6 of 10 (60 %)",
        "parse: 2 of 10 (20 %)",
    ]
