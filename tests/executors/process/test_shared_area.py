"""The memory both sides share: grows as needed, reserves what it promises, leaves nothing."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from batchmill.executors.process import shared_area
from batchmill.executors.process.shared_area import FIRST_BYTES, MOST_BYTES, Region, SharedArea


def test_both_sides_see_what_is_written(tmp_path: Path) -> None:
    area = SharedArea.create(str(tmp_path / "slot"))
    other = SharedArea(area.path)
    other.progress.begin_chunk(2**31 - 1)
    begin_item = other.progress.begin_items()
    assert begin_item()
    assert area.progress.position == (2**31 - 1, 1)
    area.progress.stop()
    assert not begin_item()
    for seq in (1, 2):
        room = area.inward(seq).room_for(10)
        assert room is not None
        room[:5] = b"in%3d" % seq
        room = other.outward(seq).room_for(10)
        assert room is not None
        room[:6] = b"out%3d" % seq
    assert bytes(other.inward(3).view(5)[:5]) == b"in  1"  # 3 uses the half that 1 used
    assert bytes(area.outward(2).view(6)[:6]) == b"out  2"
    area.remove()
    area.remove()
    assert list(tmp_path.iterdir()) == []


def test_a_region_grows_and_the_other_side_follows(tmp_path: Path) -> None:
    writer = Region.create(str(tmp_path / "region"), FIRST_BYTES)
    reader = Region(writer.path)
    for size in (FIRST_BYTES + 1, 3 * FIRST_BYTES, MOST_BYTES):
        room = writer.room_for(size)
        assert room is not None
        assert len(room) >= size
        room[size - 1] = 7
        assert reader.view(size)[size - 1] == 7
    assert writer.room_for(MOST_BYTES + 1) is None
    assert os.path.getsize(writer.path) == MOST_BYTES


def test_no_room_is_an_error_when_it_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []

    def reserve(descriptor: int, start: int, end: int) -> None:
        made.append(end)
        if len(made) == 3:
            raise OSError(28, "No space left on device")
        os.ftruncate(descriptor, end)

    monkeypatch.setattr(shared_area, "_reserve", reserve)
    with pytest.raises(OSError, match="No space left"):
        SharedArea.create(str(tmp_path / "slot"))
    assert list(tmp_path.iterdir()) == []


def test_no_room_to_grow_leaves_it_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    region = Region.create(str(tmp_path / "region"), FIRST_BYTES)
    monkeypatch.setattr(shared_area, "_reserve", full)
    assert region.room_for(FIRST_BYTES + 1) is None
    assert region.room_for(FIRST_BYTES) is not None
    assert os.path.getsize(region.path) == FIRST_BYTES


def test_space_is_reserved_without_the_system_s_help(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "posix_fallocate", raising=False)
    region = Region.create(str(tmp_path / "region"), FIRST_BYTES)
    assert region.room_for(2 * FIRST_BYTES) is not None
    assert os.stat(region.path).st_blocks * 512 >= 2 * FIRST_BYTES
