"""The memory of a run's own process, told by the system: it does not grow with the items."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

STATUS = Path("/proc/self/status")
pytestmark = pytest.mark.skipif(not STATUS.exists(), reason="the peak is read from /proc")

RUN = """
import json, sys
import batchmill
order = json.loads(sys.argv[1])
if order["resume"]:
    run = batchmill.resume(journal=order["journal"], failed_only=True)
else:
    run = batchmill.run(order["document"], journal=order["journal"])
assert run.status == order["status"], run.errors[:1]
for one in (run.outputs["results"], run.llm_calls, run.errors):
    sum(1 for _ in one)
(peak,) = [line for line in open("/proc/self/status") if line.startswith("VmHWM")]
print(int(peak.split()[1]) << 10)
"""


def peak(document: Any, journal: Path | None, *, resume: bool = False, status: str = "success") -> int:
    """Bytes that a process had at most in memory which ran or resumed the document and read its results."""
    kept = None if journal is None else str(journal)
    order = {"document": document, "journal": kept, "resume": resume, "status": status}
    command = [sys.executable, "-c", RUN, json.dumps(order)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


def echoing(count: int, executor: str) -> dict[str, Any]:
    params = {"message": "${item}"}
    batch = {"items": {"range": [count]}, "executor": executor}
    return {"nodes": [{"id": "each", "type": "echo", "params": params, "batch": batch}]}


def asking(count: int) -> dict[str, Any]:
    params = {"prompt": "a question that has number ${item} " * 20, "provider": "echo", "model": "m"}
    batch = {"items": {"range": [count]}, "executor": "thread"}
    return {"nodes": [{"id": "ask", "type": "llm", "params": params, "batch": batch}]}


def large(count: int) -> dict[str, Any]:
    params = {"code": "result = 'x' * 50_000", "inputs": {"n": "${item}"}}
    batch = {"items": {"range": [count]}, "executor": "process"}
    return {"nodes": [{"id": "each", "type": "code", "params": params, "batch": batch}]}


@pytest.mark.slow
@pytest.mark.parametrize("with_journal", [True, False])
@pytest.mark.parametrize("executor", ["thread", "process"])
def test_a_run_of_many_items(executor: str, with_journal: bool, tmp_path: Path) -> None:
    few, many = (
        peak(echoing(count, executor), tmp_path / f"{count}.sqlite" if with_journal else None)
        for count in (10_000, 100_000)
    )
    assert many - few < 20 << 20


@pytest.mark.slow
def test_a_run_that_is_resumed(tmp_path: Path) -> None:
    grown = []
    for count in (10_000, 100_000):
        document, journal = echoing(count, "thread"), tmp_path / f"{count}.sqlite"
        document["nodes"].append({"id": "end", "type": "code", "params": {"code": "1 / 0"}})
        document["outputs"] = {"results": {"source": "${each.results}"}}
        peak(document, journal, status="failed")
        grown.append(peak(document, journal, resume=True, status="failed"))
    assert grown[1] - grown[0] < 20 << 20


@pytest.mark.slow
def test_many_calls_are_not_held() -> None:
    """Held, 15,000 calls with their prompts and answers would be some 45 MB."""
    assert peak(asking(25_000), None) - peak(asking(10_000), None) < 20 << 20


@pytest.mark.slow
def test_large_values_on_their_way_to_the_journal(tmp_path: Path) -> None:
    """8,000 rows may wait for the writer: 200 MB of these, were only rows counted."""
    few = peak(large(300), tmp_path / "few.sqlite")
    assert peak(large(4_000), tmp_path / "many.sqlite") - few < 50 << 20
