"""Parcels: values arrive as they were, and no file stays behind."""

from __future__ import annotations

import os
import pickle
import threading
from pathlib import Path

import numpy as np
import pytest

from batchmill.executors.pickling import pickler
from batchmill.executors.pickling.pickler import LEAST_BYTES
from batchmill.executors.process import payload
from batchmill.executors.process.payload import INLINE_BYTES, Payload, discard, unwrap, wrap
from batchmill.executors.process.shared_area import FIRST_BYTES, MOST_BYTES, Region


def send(value: object, folder: Path, region: Region | None = None) -> Payload:
    buffers: list[pickle.PickleBuffer] = []
    return wrap(pickler.dumps(value, buffers), buffers, [str(folder)], region)


@pytest.mark.parametrize("size", [0, 1, INLINE_BYTES, INLINE_BYTES + 100, FIRST_BYTES + 1, MOST_BYTES + 1])
@pytest.mark.parametrize("shared", [False, True])
def test_bytes_of_any_size_arrive(tmp_path: Path, size: int, shared: bool) -> None:
    region = Region.create(str(tmp_path / "region"), FIRST_BYTES) if shared else None
    value = {"bytes": os.urandom(size)}
    assert unwrap(send(value, tmp_path, region), region) == value
    assert list(tmp_path.glob("*.parcel")) == []


@pytest.mark.parametrize("sizes", [(LEAST_BYTES, 3, LEAST_BYTES + 1), (MOST_BYTES, LEAST_BYTES), (2, 3)])
def test_large_bytes_are_copied_out_of_the_shared_area(tmp_path: Path, sizes: tuple[int, ...]) -> None:
    region = Region.create(str(tmp_path / "region"), FIRST_BYTES)
    values = tuple(map(os.urandom, sizes))
    buffers: list[pickle.PickleBuffer] = []
    stream = pickler.dumps(pickler.apart((*values, values[0], "text")), buffers, plain=True)
    assert len(buffers) == (sum(size >= LEAST_BYTES for size in sizes) if pickler.OUT_OF_BAND else 0)
    received = unwrap(wrap(stream, buffers, [str(tmp_path)], region, copied=True), region)
    region.view(0)[:] = bytes(len(region.view(0)))
    assert received == (*values, values[0], "text")
    assert received[0] is received[len(values)]
    assert [type(one) for one in received[:-1]] == [bytes] * (len(values) + 1)
    assert list(tmp_path.glob("*.parcel")) == []


def test_arrays_arrive_writable_and_private(tmp_path: Path) -> None:
    arrays = [np.arange(300_000, dtype=float), np.ones((600, 400))[:, ::2], np.arange(10)]
    sent = send(arrays, tmp_path)
    assert sent.path is not None
    assert sent.n_bytes >= arrays[0].nbytes
    received = unwrap(sent, keep=True)
    received[0][0] = -1
    again = unwrap(sent)
    assert again[0][0] == 0
    for one, other in zip(again, arrays, strict=True):
        np.testing.assert_array_equal(one, other)
    assert list(tmp_path.iterdir()) == []


def test_a_full_folder_passes_on_to_the_next(tmp_path: Path) -> None:
    sent = wrap(b"x" * (INLINE_BYTES + 1), [], ["/nowhere", str(tmp_path)])
    assert sent.path is not None
    assert sent.path.startswith(str(tmp_path))
    discard(sent)
    discard(sent)
    assert list(tmp_path.iterdir()) == []


def test_no_folder_with_room_is_an_error_that_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = os.write

    def full(descriptor: int, content: bytes) -> int:
        if threading.current_thread() is not threading.main_thread():  # one of the pool's
            return write(descriptor, content)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(payload.os, "write", full)
    with pytest.raises(OSError, match="No space left"):
        wrap(b"x" * (INLINE_BYTES + 1), [], [str(tmp_path), str(tmp_path)])
    assert list(tmp_path.iterdir()) == []


def test_a_parcel_in_the_shared_area_needs_it(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="needs the region"):
        unwrap(Payload(10))
