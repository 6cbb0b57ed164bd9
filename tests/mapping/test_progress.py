"""How far a batch has come, told on standard error."""

from __future__ import annotations

import contextlib
import io
import sys
import types

import pytest

import batchmill
from batchmill.mapping import progress


def odd_fails(n):
    if n % 2:
        raise ValueError("odd")
    return n


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture(autouse=True)
def no_tqdm(monkeypatch):
    monkeypatch.delitem(sys.modules, "tqdm", raising=False)


def test_lines_where_nobody_watches(capsys):
    done = batchmill.map(odd_fails, range(1000), error_handling="continue", progress=True)
    assert capsys.readouterr().err == "1,000 of 1,000 items, 500 failed\n"
    assert done.error_count == 500
    assert list(batchmill.imap(str, iter([1]), progress=True)) == ["1"]
    assert capsys.readouterr() == ("", "1 item\n")


@pytest.mark.parametrize("executor", ["sequential", "thread", "process"])
def test_attempts_beyond_the_first_are_told(capsys, executor):
    with contextlib.suppress(batchmill.BatchFailed):
        batchmill.map(odd_fails, [1], executor=executor, max_retries=3, retry_wait=0, progress=True)
    assert capsys.readouterr().err.splitlines()[-1] == "1 of 1 item, 1 failed, 2 retries"


def test_lines_now_and_then(capsys, monkeypatch):
    monkeypatch.setattr(progress, "EVERY_SECONDS", 0.0)
    lines = progress.Lines(3)
    lines.advance(1, 0)
    lines.advance(1, 1)
    lines.advance(1, 0, 1)
    told = "1 of 3 items\n2 of 3 items, 1 failed\n3 of 3 items, 1 failed, 1 retry\n"
    assert capsys.readouterr().err == told


def test_the_last_line_tells_how_far_a_batch_came_that_failed(capsys):
    with pytest.raises(batchmill.BatchFailed):
        batchmill.map(odd_fails, range(10), executor="sequential", progress=True)
    assert capsys.readouterr().err == "2 of 10 items, 1 failed\n"


def test_a_bar_on_a_terminal(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    batchmill.map(odd_fails, range(30), error_handling="continue", progress=True)
    assert "30/30" in terminal.getvalue()
    assert "15 failed" in terminal.getvalue()


def test_the_bar_of_tqdm_where_the_program_has_it(monkeypatch):
    made = []

    class Bar:
        def __init__(self, **given):
            self.given, self.n, self.failed, self.closed = given, 0, 0, False
            made.append(self)

        def update(self, n):
            self.n += n

        def set_postfix(self, failed, refresh):
            self.failed = failed

        def close(self):
            self.closed = True

    auto = types.ModuleType("tqdm.auto")
    auto.tqdm = Bar
    monkeypatch.setitem(sys.modules, "tqdm", types.ModuleType("tqdm"))
    monkeypatch.setitem(sys.modules, "tqdm.auto", auto)
    assert list(batchmill.imap(odd_fails, range(6), error_handling="continue", progress=True))
    (bar,) = made
    assert (bar.given["total"], bar.n, bar.failed, bar.closed) == (6, 6, 3, True)
