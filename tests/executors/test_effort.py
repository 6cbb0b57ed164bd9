"""What a worker process tells of its memory."""

from __future__ import annotations

import mmap
import sys

import pytest

from batchmill.executors import effort

MB = 1 << 20


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the system tells it by itself")
def test_the_peak_is_read_again_only_after_page_faults(monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[int | None] = []

    def look() -> int | None:
        looks.append(known())
        return looks[-1]

    known, usage_of = effort._own_peak, effort._usage
    monkeypatch.setattr(effort, "_own_peak", look)
    monkeypatch.setattr(effort, "LOOK_SECONDS", 0.0)
    measured = effort.ProcessUsage()
    measured._inherited = sys.maxsize  # as in a process whose starter was larger
    usage = effort._usage()
    monkeypatch.setattr(effort, "_usage", lambda: usage)
    assert measured.peak() == measured.peak() == looks[0]
    assert len(looks) == 1
    monkeypatch.setattr(effort, "_usage", usage_of)
    with mmap.mmap(-1, MB) as memory:
        memory[0] = 1
        assert measured.peak() == looks[-1]
    assert len(looks) == 2
