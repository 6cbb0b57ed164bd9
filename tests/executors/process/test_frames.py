"""Frames: what is laid down is read back, whatever it is and however often."""

from __future__ import annotations

import itertools
import os
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from batchmill.block import Block
from batchmill.executors.pickling.pickler import LEAST_BYTES
from batchmill.executors.process import frames, payload
from batchmill.executors.process.frames import FrameWriter
from batchmill.executors.process.shared_area import FIRST_BYTES, MOST_BYTES, Region
from batchmill.executors.running.progress import Progress
from batchmill.outcome import Outcome

values = st.none() | st.integers() | st.text(max_size=20) | st.lists(st.booleans()) | st.binary(max_size=400)


def new_region(folder: Path) -> Region:
    """A region that goes, with its mapping, when the test's own variables do."""
    return Region.create(str(folder / f"region-{next(NUMBERS)}"), FIRST_BYTES)


NUMBERS = itertools.count()


def grown(block: Block, more: list[Any]) -> Block:
    block.values.extend(more)
    block.walls.extend([0.5] * len(more))
    return block


def read_back(region: Region, progress: Progress, start: int) -> Block:
    return frames.read(Region(region.path), progress.published, start)[0]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(st.lists(st.lists(values, max_size=5), max_size=6), st.sets(st.integers(0, 20)))
def test_frames_make_one_block(tmp_path: Path, parts: list[list[Any]], special: set[int]) -> None:
    region = new_region(tmp_path)
    progress, block = Progress(), Block(7, [], [])
    writer = FrameWriter(region, progress, [os.path.dirname(region.path)])
    for part in parts:
        first = len(block)
        grown(block, part)
        for offset in special & set(range(first, len(block))):
            block.special[offset] = Outcome(7 + offset, block.values[offset], attempts=2)
        writer.lay_down(block)
        assert read_back(region, progress, 7) == block  # whatever is there can be read at any moment
    assert not writer.lay_down(block)


@pytest.mark.parametrize("size", [FIRST_BYTES - 100, FIRST_BYTES * 3, MOST_BYTES - 10, MOST_BYTES * 2])
def test_large_values_grow_the_region_or_go_to_a_file(tmp_path: Path, size: int) -> None:
    region = new_region(tmp_path)
    progress = Progress()
    writer = FrameWriter(region, progress, [str(tmp_path)])
    block = grown(Block(0, [], []), [1, b"x" * size, "end"])
    writer.lay_down(block)
    grown(block, ["more"])
    writer.lay_down(block)
    assert read_back(region, progress, 0).values == block.values
    assert list(tmp_path.glob("*.parcel")) == []


def test_large_bytes_are_copied_out_of_the_region(tmp_path: Path) -> None:
    region, progress = new_region(tmp_path), Progress()
    writer = FrameWriter(region, progress, [str(tmp_path)])
    block = Block(0, [], [])
    for size in (LEAST_BYTES, 1, LEAST_BYTES + 3):
        writer.lay_down(grown(block, [os.urandom(size), size, os.urandom(size)]))
    received = read_back(region, progress, 0).values
    region.view(0)[:] = bytes(len(region.view(0)))
    assert received == block.values
    assert list(tmp_path.glob("*.parcel")) == []


def test_many_large_bytes_leave_room_for_their_frame(tmp_path: Path) -> None:
    region, progress = new_region(tmp_path), Progress()
    writer = FrameWriter(region, progress, [str(tmp_path)])
    block = grown(Block(0, [], []), [bytes(MOST_BYTES - 6 * 1024)])
    assert not writer.lay_down(block)
    grown(block, [number.to_bytes(LEAST_BYTES, "big") for number in range(600)])
    writer.lay_down(block)
    assert read_back(region, progress, 0).values == block.values


def test_a_region_that_is_nearly_full_says_so(tmp_path: Path) -> None:
    region = new_region(tmp_path)
    progress = Progress()
    writer = FrameWriter(region, progress, [str(tmp_path)])
    block = Block(0, [], [])
    for number in range(10_000):
        if writer.lay_down(grown(block, [b"%01000d" % number])):
            break
    assert 0.9 * MOST_BYTES < len(block) * 1000 < MOST_BYTES
    assert read_back(region, progress, 0).values == block.values


def test_what_does_not_pickle_is_an_error_in_its_place(tmp_path: Path) -> None:
    region = new_region(tmp_path)
    progress = Progress()
    writer = FrameWriter(region, progress, [str(tmp_path)])
    block = grown(Block(3, [], []), [1, {"lock": threading.Lock()}, 3])
    block.special[1] = Outcome(4, block.values[1], attempts=2)
    writer.lay_down(block)
    again = read_back(region, progress, 3)
    assert again.values == [1, None, 3]
    (failure,) = again.failures
    assert (failure.index, failure.attempts) == (4, 2)
    assert failure.error is not None
    assert failure.error.kind == "not_picklable"
    assert "result['lock'] (_thread.lock)" in failure.error.message


def test_what_finds_no_room_is_an_error_in_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    region = new_region(tmp_path)

    def full(*_: Any) -> Any:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(payload, "write", full)
    progress = Progress()
    writer = FrameWriter(region, progress, [str(tmp_path)])
    block = grown(Block(0, [], []), [1])
    writer.lay_down(block)
    writer.lay_down(grown(block, [b"x" * (MOST_BYTES + 1)]))
    writer.lay_down(grown(block, [3]))
    again = read_back(region, progress, 0)
    assert again.values == [1, None, 3]
    assert again.failures[0].error is not None
    assert again.failures[0].error.type == "StorageError"
    assert "No space left" in again.failures[0].error.message
