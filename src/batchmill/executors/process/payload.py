"""Payloads: pickled values on their way between two processes of this machine.

A payload's bytes lie where it is cheapest: small ones in the message itself, medium ones in the worker's
shared area, large ones in a file in memory-backed storage that the receiver maps and unlinks. Arrays always
have a file: they are mapped privately, so a receiver may keep them and write to them.
"""

from __future__ import annotations

import itertools
import mmap
import os
import pickle
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from batchmill.errors import StorageError
from batchmill.executors.pickling import streams
from batchmill.executors.pickling.streams import Stream
from batchmill.executors.process.shared_area import Region

INLINE_BYTES = 4 << 10  # a message of this size is written to a pipe in one piece, whatever happens
ALIGNMENT = 64

_numbers = itertools.count()


class Payload(NamedTuple):
    """``inline`` holds the stream, or ``path`` names the file, or neither: it lies in the shared area.

    ``length`` is the stream's, in bytes; ``buffers`` are (offset, length) of what lies behind it there.
    """

    length: int
    inline: bytes | None = None
    path: str | None = None
    buffers: tuple[tuple[int, int], ...] = ()

    @property
    def n_bytes(self) -> int:
        """The size, in bytes."""
        return self.length + sum(length for _, length in self.buffers)


def wrap(
    stream: Stream,
    buffers: list[pickle.PickleBuffer],
    folders: list[str],
    region: Region | None = None,
    *,
    copied: bool = False,
) -> Payload:
    """Put a pickled value where it travels best; ``folders`` are tried in order for a file. ``copied`` says
    that whoever unpickles it copies its buffers.

    Raises OSError when no folder has room.
    """
    if not buffers and len(stream) <= INLINE_BYTES:
        return Payload(len(stream), inline=bytes(stream))
    if region is not None and (copied or not buffers):
        parts = [stream, *(buffer.raw() for buffer in buffers)]
        ends = list(itertools.accumulate(map(len, parts)))
        if (room := region.room_for(ends[-1])) is not None:
            put(parts, room)
            return Payload(ends[0], buffers=tuple(zip(ends, map(len, parts[1:]), strict=False)))
    for folder in folders[:-1]:
        try:
            return write(stream, buffers, folder)
        except OSError:  # full or gone: the next one is slower, but there
            continue
    return write(stream, buffers, folders[-1])


def put(parts: Iterable[Stream], room: memoryview) -> None:
    """Write parts one behind the other."""
    end = 0
    for part in parts:
        start, end = end, end + len(part)
        room[start:end] = part


def no_room(what: str, stream: Stream, buffers: list[pickle.PickleBuffer], fault: OSError) -> StorageError:
    """The error for a value that found no place to travel in."""
    size = len(stream) + sum(buffer.raw().nbytes for buffer in buffers)
    return StorageError(
        f"no room for {what} of {size:,} bytes on its way between processes ({fault}); "
        "free shared memory or the temporary folder, or set TMPDIR to where there is room"
    )


def write(stream: Stream, buffers: list[pickle.PickleBuffer], folder: str) -> Payload:
    """Put a pickled value into a new file. Without room, raises OSError and leaves no file."""
    path = os.path.join(folder, f"{os.getpid()}-{next(_numbers)}.parcel")
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    try:
        _write_all(descriptor, stream)
        places, end = [], len(stream)
        for buffer in buffers:
            gap = -end % ALIGNMENT
            _write_all(descriptor, bytes(gap))
            with buffer.raw() as raw:
                _write_all(descriptor, raw)
                places.append((end + gap, raw.nbytes))
                end += gap + raw.nbytes
    except BaseException:
        os.unlink(path)
        raise
    finally:
        os.close(descriptor)
    return Payload(len(stream), path=path, buffers=tuple(places))


def _write_all(descriptor: int, content: Any) -> None:
    view = memoryview(content)
    while view.nbytes:
        view = view[os.write(descriptor, view) :]


def unwrap(
    parcel: Payload,
    region: Region | None = None,
    *,
    keep: bool = False,
    loads: Callable[..., Any] = streams.loads,
) -> Any:
    """The value of a parcel, as ``loads`` has it; its file is unlinked unless ``keep``."""
    if parcel.inline is not None:
        return loads(parcel.inline)
    if parcel.path is None:
        if region is None:
            raise ValueError("a parcel in the shared area needs the region it lies in")
        view = region.view(parcel.n_bytes)
        return loads(view[: parcel.length], _views(view, parcel))
    with open(parcel.path, "rb") as file:
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
    if not keep:
        discard(parcel)
    if not parcel.buffers:  # nothing of the value lies in the file: it need not stay mapped
        with mapped, memoryview(mapped) as view, view[: parcel.length] as stream:
            return loads(stream)
    view = memoryview(mapped)
    return loads(view[: parcel.length], _views(view, parcel))


def _views(content: memoryview, parcel: Payload) -> list[memoryview]:
    return [content[start : start + length] for start, length in parcel.buffers]


def discard(parcel: Payload) -> None:
    """Remove the file of a parcel that is not going to be unwrapped."""
    if parcel.path is not None:
        try:
            os.unlink(parcel.path)
        except FileNotFoundError:  # the receiver had it already
            pass
