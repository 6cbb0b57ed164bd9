"""The two streams of the command: only data on stdout, all messages on stderr."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

from batchmill.cli.json_text import pieces
from batchmill.errors import StorageError

STDIN, STDOUT, STDERR = 0, 1, 2


class DataStream:
    """The stream for the command's own data. A reader that stops early (``| head -1``) is not an error."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.broken = False

    def write(self, text: str) -> None:
        """Write all of ``text``; bytes that were not UTF-8 when read come out as they were."""
        self.write_bytes(_encoded(text))

    def write_bytes(self, data: bytes) -> None:
        """Write all of ``data``."""
        rest = memoryview(data)
        try:
            while rest and not self.broken:
                rest = rest[os.write(self._descriptor, rest) :]
        except BrokenPipeError:
            self.broken = True
        except OSError as error:
            raise StorageError(f"stdout cannot be written: {error.strerror}") from error

    def write_line(self, text: str) -> None:
        """Write ``text`` and end the line where it has not ended."""
        self.write(text if text.endswith("\n") else text + "\n")

    def write_json(self, value: object, indent: int | None = None) -> None:
        """Write plain JSON data followed by a line end; lazy lists in it are read while they are written."""
        self.write_pieces(pieces(value, indent))
        self.write("\n")

    def write_pieces(self, texts: Iterable[str]) -> None:
        """Write texts as they come, as long as somebody reads them."""
        for text in texts:
            self.write(text)
            if self.broken:
                return


def _encoded(text: str) -> bytes:
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "backslashreplace")


@contextmanager
def data_only() -> Iterator[DataStream]:
    """Keep the real stdout for our own data and lead file descriptor 1 to stderr meanwhile.

    Whatever an item, a library or a child process prints then ends up on stderr. Raises
    :class:`StorageError` if there is no stdout at all.
    """
    stand_in_for_closed()
    if sys.stdout is None:
        raise StorageError("stdout is closed: there is nowhere to write the outputs")
    flush_stdout()
    kept = os.dup(STDOUT)
    os.dup2(STDERR, STDOUT)
    try:
        yield DataStream(kept)
    finally:
        flush_stdout()
        os.dup2(kept, STDOUT)
        os.close(kept)


def print_data(text: str) -> None:
    """Write the ``text`` of a command that has no more to say, and end its line. Raises
    :class:`StorageError`."""
    with data_only() as data:
        data.write_line(text)


def flush_stdout() -> None:
    """Flush Python's buffer. A reader that stops early is not an error."""
    if sys.stdout is not None:  # None where the command was started without one
        try:
            sys.stdout.flush()
        except BrokenPipeError:
            forget_stdout()


def stand_in_for_closed() -> None:
    """Redirect streams that were closed when the command was started to the null device, because a file
    opened later would otherwise get their number. ``sys.stderr`` becomes a file again, for messages. stdin
    and stdout stay None, so readers and writers of data notice that there are none."""
    for number, way in ((STDIN, os.O_RDONLY), (STDOUT, os.O_WRONLY), (STDERR, os.O_WRONLY)):
        try:
            os.fstat(number)
        except OSError:
            nowhere = os.open(os.devnull, way)
            os.dup2(nowhere, number)
            if nowhere != number:
                os.close(nowhere)
    if sys.stderr is None:
        sys.stderr = open(STDERR, "w", encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115  # for as long as the process lives


def forget_stdout() -> None:
    """After its reader went away: lead stdout to nowhere, so that Python's last flush stays quiet."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, STDOUT)
    os.close(nowhere)


def colour(environment: Mapping[str, str]) -> bool | None:
    """Whether messages are coloured: never, always, or (None) only on a terminal. See no-color.org."""
    if environment.get("NO_COLOR"):
        return False
    return True if environment.get("FORCE_COLOR") else None
