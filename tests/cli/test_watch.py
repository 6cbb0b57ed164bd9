"""``batchmill watch``: beside a run in a process of its own, and after it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import pytest

WAIT = "until [ -e $0 ]; do sleep 0.05; done; test $0 != two"
FLOW = {
    "nodes": [
        {
            "id": "wait",
            "type": "shell",
            "params": {"command": ["sh", "-c", WAIT, "${item}"]},
            "batch": {
                "items": ["one", "two", "three"], "executor": "thread", "max_concurrent": 3,
                "error_handling": "continue",
            },
        }
    ]
}  # fmt: skip


@pytest.fixture
def run(tmp_path, soon):
    """A run that waits for files named as its items are."""
    (tmp_path / "flow.json").write_text(json.dumps(FLOW))
    command = [sys.executable, "-m", "batchmill", "run", "flow.json", "-q"]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL, start_new_session=True)
    yield process
    if process.poll() is None:
        for name in ("one", "two", "three"):
            (tmp_path / name).touch()
    process.wait(30)


@pytest.fixture
def seen(run, batchmill_command, soon):
    """``seen(words)`` waits until a look has them."""

    def look(words):
        return words in batchmill_command("watch", "--once")[1]

    return lambda words: soon(lambda: look(words))


@pytest.mark.slow
def test_a_run_is_watched_to_its_end(run, seen, tmp_path, batchmill_command):
    assert seen("wait  ")
    (tmp_path / "one").touch()
    assert seen("1 of 3")
    code, out, err = batchmill_command("watch", "--once")
    assert (code, err) == (0, "")
    assert out.startswith("running: run ")
    assert "33 %  1 of 3, " in out
    (tmp_path / "two").touch()
    (tmp_path / "three").touch()
    code, out, _ = batchmill_command("watch", "--every", "0.1")
    assert code == 0
    assert "\ndegraded: run " in f"\n{out}"
    assert "100 %  3 of 3, 1 failed, " in out
    assert "1 × CommandFailed in wait, last at item 1: " in out
    assert " --node wait --item 1\n" in out
    assert run.wait(30) == 3


@pytest.mark.slow
def test_json_is_an_object_at_each_look(run, seen, tmp_path, batchmill_command):
    assert seen("wait  ")
    for name in ("one", "two", "three"):
        (tmp_path / name).touch()
    code, out, _ = batchmill_command("watch", "--json", "--every", "0.1")
    told = [json.loads(line) for line in out.splitlines()]
    assert code == 0
    assert {one["schema"] for one in told} == {"batchmill.watch/1"}
    assert [one["status"] for one in told][-1] == "degraded"
    assert told[-1]["nodes"][0]["done"] == 3
    assert "running" not in [one["status"] for one in told][-1:]


def test_it_ends_with_a_run_that_is_killed(run, seen, tmp_path, batchmill_command):
    assert seen("wait  ")
    os.killpg(run.pid, signal.SIGKILL)
    run.wait(30)
    for name in ("one", "two", "three"):
        (tmp_path / name).touch()  # for its commands, which are in groups of their own
    code, out, _ = batchmill_command("watch", "--every", "0.1")
    assert code == 0
    assert out.startswith("interrupted: run ")


@pytest.mark.slow
def test_the_run_that_runs_now_comes_before_a_later_one(run, seen, tmp_path, batchmill_command):
    assert seen("wait  ")
    (tmp_path / "other.json").write_text(json.dumps({"nodes": [{"id": "a", "type": "echo"}]}))
    assert batchmill_command("run", "other.json", "-q")[0] == 0
    assert batchmill_command("watch", "--once")[1].startswith("running: run ")
    out = batchmill_command("watch", "last")[1]
    assert out.startswith("success: run ")
    assert "(other.json)" in out
    assert out.endswith("1 more node done\n")


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [([], 5, "there is no journal"), (["--every", "0"], 2, "0.1<=x"), (["nosuch"], 5, "there is no journal")],
)
def test_mistakes_are_named(batchmill_command, arguments, code, words):
    found, out, err = batchmill_command("watch", *arguments)
    assert (found, out) == (code, "")
    assert words in err
