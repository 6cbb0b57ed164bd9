"""Results that go to files while the machine fails: a kill amid writing, a disk that is full."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow

BATCHMILL = [sys.executable, "-m", "batchmill", "run", "document.json", "--json", "--progress", "none"]


def document(folder: Path, count: int, executor: str, **batch: Any) -> None:
    node = {
        "id": "each",
        "type": "code",
        "params": {"code": "result = 'x' * (n % 50)", "inputs": {"n": "${item}"}},
        "batch": {"items": {"range": [count]}, "executor": executor, "max_concurrent": 2, **batch},
    }
    outputs = {"n": {"source": "${each.count}"}}
    (folder / "document.json").write_text(json.dumps({"nodes": [node], "outputs": outputs}))


@pytest.mark.parametrize("executor", ["thread", "process"])
@pytest.mark.parametrize("bytes_before", [pytest.param(1, marks=pytest.mark.slow), 300_000])
def test_a_killed_run_has_written_a_beginning(tmp_path: Path, executor: str, bytes_before: int) -> None:
    document(tmp_path, 1_000_000, executor, collect={"jsonl": "out.jsonl"})
    process = subprocess.Popen(
        BATCHMILL, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    (tmp_path / "out.jsonl").write_text("of before\n")
    out, deadline = tmp_path / "out.jsonl.partial", time.monotonic() + 60
    while not (out.exists() and out.stat().st_size >= bytes_before) and time.monotonic() < deadline:
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    whole, _, rest = out.read_text().rpartition("\n")
    lines = [json.loads(line) for line in whole.split("\n")]
    assert len(out.read_bytes()) >= bytes_before
    assert [line["item"] for line in lines] == list(range(len(lines)))
    assert all(line["result"] == "x" * (line["item"] % 50) for line in lines)
    assert '{"result": "'.startswith(rest[:12])
    assert (tmp_path / "out.jsonl").read_text() == "of before\n"


@pytest.mark.parametrize("executor", ["thread", "process"])
def test_a_killed_run_that_is_resumed_writes_the_file_of_an_undisturbed_one(
    tmp_path: Path, executor: str
) -> None:
    document(tmp_path, 4000, executor, collect={"jsonl": "out.jsonl"})
    process = subprocess.Popen(
        BATCHMILL, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    partial, deadline = tmp_path / "out.jsonl.partial", time.monotonic() + 60
    while not (partial.exists() and partial.stat().st_size > 1000) and time.monotonic() < deadline:
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    process.wait()
    command = [sys.executable, "-m", "batchmill", "resume", "-q"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [line["item"] for line in lines] == list(range(4000))
    assert all(line["result"] == "x" * (line["item"] % 50) for line in lines)
    assert not partial.exists()


def test_a_full_disk_for_the_file_of_results(tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full here")
    document(tmp_path, 1000, "process", collect={"jsonl": "/dev/full"})
    done = subprocess.run(BATCHMILL, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 5, done.stderr
    told = json.loads(done.stdout)
    assert (told["status"], told["errors"][-1]["type"]) == ("failed", "StorageError")
    assert "results cannot be written to /dev/full: No space left" in told["errors"][-1]["message"]
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("executor", ["thread", "process"])
def test_no_room_for_results_that_are_not_held(tmp_path: Path, executor: str) -> None:
    """A limit on the size of files stands for a disk: writing beyond it fails in the same place."""
    document(tmp_path, 50_000, executor)
    command = ["/bin/sh", "-c", f"ulimit -f 1000; exec {' '.join(BATCHMILL)} --no-journal"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 5, done.stderr
    (error,) = json.loads(done.stdout)["errors"]
    assert "cannot be kept in" in error["message"]
    assert "File too large; set TMPDIR" in error["message"]
    assert "Traceback" not in done.stderr
