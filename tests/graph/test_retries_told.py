"""Attempts that are made again are told while the run is at work."""

from __future__ import annotations

from functools import partial

import pytest

import batchmill
from batchmill.events import BatchProgress, NodeRetried
from batchmill.events.pace import ProgressThrottle

FAILS_ONCE = """
from pathlib import Path
if not Path(f"{folder}/{n}").exists():
    Path(f"{folder}/{n}").touch()
    raise ValueError("once")
"""


@pytest.fixture
def heard(tmp_path):
    events = []
    return events, partial(batchmill.run, listeners=[events.append])


def code(tmp_path, n, **more):
    params = {"code": FAILS_ONCE, "inputs": {"folder": str(tmp_path), "n": n}}
    return {"nodes": [{"id": "a", "type": "code", "params": params, **more}]}


def test_a_node_tells_of_each_attempt_that_is_made_again(tmp_path, heard):
    events, run = heard
    assert run(code(tmp_path, 1, retry={"max": 2, "wait": 0.01})).status == "success"
    (told,) = [one for one in events if isinstance(one, NodeRetried)]
    assert (told.node, told.attempt, told.reason) == ("a", 1, "once")
    assert 0 < told.after < 0.02


def test_the_last_attempt_is_not_made_again(tmp_path, heard):
    events, run = heard
    assert run(code(tmp_path, 1)).status == "failed"
    assert not [one for one in events if isinstance(one, NodeRetried)]


@pytest.mark.parametrize("executor", ["sequential", "thread", "process"])
def test_a_batch_tells_of_them_with_its_progress(tmp_path, monkeypatch, heard, executor):
    monkeypatch.setattr(ProgressThrottle, "due", lambda self: True)
    events, run = heard
    batch = {"items": [1, 2], "executor": executor, "max_retries": 2, "retry_wait": 0}
    assert run(code(tmp_path, "${item}", batch=batch)).status == "success"
    told = [one for one in events if isinstance(one, BatchProgress)]
    assert (told[-1].done, told[-1].failed, told[-1].retries) == (2, 0, 2)
