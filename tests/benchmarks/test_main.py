"""The suite runs: tiny sizes through the real command line, every side in its own process."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import pytest
from benchmarks.__main__ import main
from benchmarks.rows import PENDING, WORKLOADS, find
from benchmarks.session import BrokenError, Session
from benchmarks.workload import OURS

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
def test_a_smoke_run_keeps_figures_and_makes_the_table(tmp_path: Path) -> None:
    kept, page = tmp_path / "kept.json", tmp_path / "page.md"
    rows = "noop-thread,chain-copies"
    command = [sys.executable, "-m", "benchmarks", "--smoke", "--rows", rows, "--repeat", "2"]
    done = subprocess.run(
        [*command, "--out", kept, "--table", page], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    run = json.loads(kept.read_text(encoding="utf-8"))
    assert [row["name"] for row in run["rows"]] == rows.split(",")
    assert "--smoke" in run["command"]
    sides = {side["name"]: side for side in run["rows"][0]["sides"]}
    for name in (OURS, "ThreadPoolExecutor.map", "threads on a locked iterator"):
        assert sides[name]["note"] is None
        assert len(sides[name]["samples"]) == 2
        assert sides[name]["median"] > 0
    assert "no-op over 100,000 ints, threads" in page.read_text(encoding="utf-8")
    assert main(["--table-from", str(kept), "--table", str(tmp_path / "again.md")]) == 0
    assert (tmp_path / "again.md").read_text(encoding="utf-8") == page.read_text(encoding="utf-8")


def test_a_side_that_fails_is_told_apart_from_one_that_is_not_there() -> None:
    workload = find("noop-thread")
    with pytest.raises(BrokenError, match="KeyError"):
        Session(workload, dataclasses.replace(workload.sides[0], name="nobody"), 10, sys.executable)


def test_an_unknown_row_is_a_usage_error_that_lists_the_rows(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--rows", "noop-proces"])
    assert caught.value.code == 2
    assert "noop-process" in capsys.readouterr().err


def test_the_list_names_every_row(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--list"]) == 0
    listed = capsys.readouterr().out
    for row in (*WORKLOADS, *PENDING):
        assert row.name in listed


def test_every_row_has_our_side_and_bounds_that_name_sides_of_it() -> None:
    for workload in WORKLOADS:
        assert workload.side(OURS).role == "ours"
        assert workload.aim
        assert workload.least
        for target in (*workload.aim, *workload.least):
            if target.of is not None:
                workload.side(target.of)
    assert len({workload.name for workload in WORKLOADS}) == len(WORKLOADS)
