"""A run under way says once in a while what it is at."""

from __future__ import annotations

import threading

import pytest

import batchmill
from batchmill.concurrency.cancel import CancelToken
from batchmill.journal.journal import Journal
from batchmill.journal.reading import Reader
from batchmill.runs import heartbeat

CODE = """
import time
from pathlib import Path
while not Path(go).exists():
    time.sleep(0.01)
"""


def beat(path):
    """The heartbeat of the run, None while there is none."""
    with Reader(Journal(path)) as reader:
        runs = reader.runs()
        return reader.heartbeat(runs[0]) if runs else None


@pytest.mark.parametrize("executor", ["sequential", "thread", "process"])
def test_items_under_way_and_limits_are_told(tmp_path, monkeypatch, soon, executor):
    monkeypatch.setattr(heartbeat, "EVERY_SECONDS", 0.02)
    path, go = tmp_path / "runs.sqlite", tmp_path / "go"
    document = {
        "nodes": [
            {
                "id": "each",
                "type": "code",
                "params": {"code": CODE, "inputs": {"go": str(go)}},
                "batch": {"items": [1, 2], "executor": executor, "max_concurrent": 2},
                "rate_limit": {"per_second": 1000, "key": "api"},
            }
        ]
    }
    running = threading.Thread(target=batchmill.run, args=(document,), kwargs={"journal": path})
    running.start()
    expected = [0] if executor == "sequential" else [0, 1]

    def told():
        found = beat(path)
        each = {} if found is None else found[1]["nodes"].get("each", {})
        oldest = sorted(index for index, _ in each.get("oldest", ()))
        return found[1] if oldest == expected else None

    try:
        assert soon(path.exists)
        assert soon(lambda: told() is not None)
        found = told()
    finally:
        go.touch()
        running.join()
    assert found["nodes"]["each"]["in_flight"] == len(expected)
    (limit,) = found["limits"]
    assert (limit["key"], limit["rate"], limit["in_flight"]) == ("api", 1000, len(expected))
    assert not [one for one in threading.enumerate() if one.name == "batchmill-heartbeat"]


def test_items_that_wait_at_a_limit_are_not_under_way(tmp_path, monkeypatch, soon):
    monkeypatch.setattr(heartbeat, "EVERY_SECONDS", 0.02)
    path, go = tmp_path / "runs.sqlite", tmp_path / "go"
    params = {"code": CODE, "inputs": {"go": str(go)}}
    batch = {"items": [1, 2, 3], "executor": "thread", "max_concurrent": 3}
    node = {"id": "each", "type": "code", "params": params, "batch": batch}
    document = {"nodes": [{**node, "rate_limit": {"per_second": 0.01, "burst": 1}}]}
    stop = CancelToken()
    kwargs = {"journal": path, "stop": stop}
    running = threading.Thread(target=batchmill.run, args=(document,), kwargs=kwargs)
    running.start()

    def told():
        found = beat(path)
        limits = [] if found is None else found[1]["limits"]
        return found[1] if limits and limits[0]["waiting"] == 2 else None

    try:
        assert soon(path.exists)
        assert soon(lambda: told() is not None)
        each = told()["nodes"]["each"]
    finally:
        stop.cancel()
        go.touch()
        running.join()
    assert (each["in_flight"], [index for index, _ in each["oldest"]]) == (1, [0])
