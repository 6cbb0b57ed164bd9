"""The log of the inside of one item that runs a sub-workflow: lines of a file, and their meaning.

:mod:`batchmill.journal.items_under_way` describes the files.
"""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Mapping, Sequence
from typing import Any

from batchmill.block import Block
from batchmill.errors import StorageError
from batchmill.journal.contract import Codec, ContentKey
from batchmill.journal.digest import NoDigest, digest_of
from batchmill.journal.encoding import NOT_JSON, encode
from batchmill.outcome import Outcome
from batchmill.sourced import bare
from batchmill.values import is_exact
from batchmill.values.masking import Masker
from batchmill.values.words import without_items

PASS, ITEM, NODE, KEY, VALUE, ACTION, WALL, RECORDS, ATTEMPT, ENDED = (
    "pass",
    "item",
    "node",
    "key",
    "value",
    "action",
    "wall",
    "records",
    "attempt",
    "ended",
)
Line = dict[str, Any]


class ItemFile:
    """The file of one attempt at an item, created with its first line. ``about`` is in every line,
    ``maskers`` know the secrets that must be in none.

    Concurrency: any thread; ``_lock`` guards the descriptor.
    """

    def __init__(
        self, path: str, about: Line, codec: Codec, maskers: Sequence[Masker], *, durable: bool
    ) -> None:
        self.codec = codec
        self._durable = durable
        self._path = path
        self._about = about
        self._maskers = maskers
        self._lock = threading.Lock()
        self._descriptor = -1
        self._closed = False

    def add(self, node: str, key: str, outcome: Outcome, value: Any, action: str) -> None:
        """Save an outcome of the node at that address, unless JSON does not hold it exactly, or it contains a
        secret."""
        try:
            if not is_exact(value):
                return
            line = {NODE: without_items(node), KEY: key, VALUE: value, ACTION: action, WALL: outcome.wall}
            if outcome.records:
                line[RECORDS] = self.codec.write(outcome.records)
            text = encode({**self._about, **line})
        except NOT_JSON:
            return
        if all(masker.text(text) == text for masker in self._maskers):
            self._write(text)

    def close(self, *, failed: bool) -> None:
        """The attempt has ended: if it ``failed``, for good."""
        with self._lock:
            made = self._descriptor >= 0
        if failed and made:
            self._write(encode({**self._about, ENDED: True}))
        with self._lock:
            self._closed = True
            if self._descriptor >= 0:
                os.close(self._descriptor)
                self._descriptor = -1

    def _write(self, text: str) -> None:
        data = b"\n" + text.encode("ascii") + b"\n"  # whatever half a line stands before it
        with self._lock:
            if self._closed:  # the attempt was given up
                return
            try:
                if self._descriptor < 0:
                    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
                    self._descriptor = os.open(self._path, flags, 0o600)
                if os.write(self._descriptor, data) < len(data):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                if self._durable:
                    os.fsync(self._descriptor)
            except FileNotFoundError:  # there is no such folder on this machine
                return
            except OSError as fault:
                message = f"what was done inside an item cannot be kept in {self._path}: {fault.strerror}"
                raise StorageError(message) from fault


class InsideLog:
    """A :class:`~batchmill.journal.contract.RunLog` of the inside of one item; ``within`` separates items
    inside it from all else.

    Concurrency: any thread may call any method; ``_lock`` guards the known outcomes.
    """

    name = ""

    def __init__(
        self, file: ItemFile, known: dict[str, list[Line]], lock: Any = None, within: str = ""
    ) -> None:
        self._file = file
        self._known = known
        self._lock = lock or threading.Lock()
        self._within = within

    def inside(self, item: str) -> InsideLog:
        """The log for the inside of an item of a node here; ``item`` is the digest of its inputs."""
        return InsideLog(self._file, self._known, self._lock, self._key(item))

    def close(self, *, failed: bool) -> None:
        """The attempt at the item has ended."""
        self._file.close(failed=failed)

    def single(self, address: str, key: ContentKey, *, cached: bool) -> InsideNode:
        return InsideNode(self, address, self._key(_inner(address), key.digest.hex()), key)

    def batch(
        self, address: str, key: ContentKey, total: int | None, *, cached: bool, source: str | None = None
    ) -> InsideItems:
        return InsideItems(self, address, self._key(_inner(address), key.digest.hex()), key)

    def single_not_kept(self, address: str) -> NothingKept:
        return NothingKept()

    def batch_not_kept(self, address: str) -> NothingKept:
        return NothingKept()

    @property
    def knows(self) -> bool:
        """Whether there is anything left to be known."""
        with self._lock:
            return any(self._known.values())

    def take(self, node: str, key: str, index: int, standing: ContentKey) -> tuple[Outcome, str] | None:
        """The saved outcome of the node at that address, given once: the latest of several."""
        with self._lock:
            lines = self._known.get(key)
            line = lines.pop() if lines else None
        if line is None:
            return None
        try:
            records = self._file.codec.read(line.get(RECORDS, ()))
            value, wall, action = line[VALUE], float(line[WALL]), str(line[ACTION])
        except (ValueError, TypeError, KeyError, AttributeError):
            return None
        if standing.missing is not None and standing.missing(value):
            return None
        return Outcome(index, value, wall=wall, records=records, kept=True), action

    def put(self, node: str, key: str, outcome: Outcome, value: Any, action: str = "") -> None:
        """Keep an outcome; not one inside of which something failed, for it is continued there."""
        if outcome.error is None and not self._file.codec.degraded(outcome.records):
            self._file.add(node, key, outcome, value, action)

    def _key(self, *parts: str) -> str:
        return digest_of(self._within, *parts).hex()


def _inner(address: str) -> str:
    """The address of a node relative to its item, at any place."""
    return address.rpartition("].")[2]


class InsideNode:
    """See :class:`~batchmill.journal.contract.SingleLog`."""

    def __init__(self, log: InsideLog, node: str, key: str, content: ContentKey) -> None:
        self.known = log.take(node, key, 0, content)
        self._log = log
        self._node = node
        self._key = key

    def record(self, outcome: Outcome, action: str) -> None:
        self._log.put(self._node, self._key, outcome, outcome.value, action)


class InsideItems:
    """See :class:`~batchmill.journal.contract.ItemLog`."""

    left_out = 0

    def __init__(self, log: InsideLog, node: str, key: str, content: ContentKey) -> None:
        self._log = log
        self._node = node
        self._key = key
        self._content = content

    @property
    def knows(self) -> bool:
        return self._log.knows

    def match(self, start: int, items: Sequence[Any]) -> Mapping[int, Outcome]:
        known: dict[int, Outcome] = {}
        for offset, item in enumerate(items):
            key = self._key_of(item, start + offset)
            found = self._log.take(self._node, key or "", start + offset, self._content)
            if found is not None:
                known[offset] = found[0]
        return known

    def run_again(self, count: int) -> None:
        """Nothing is counted here."""

    def record(self, block: Block) -> None:
        for outcome, item in zip(block.outcomes(), block.items, strict=False):
            if outcome.error is None and (key := self._key_of(item, outcome.index)) is not None:
                self._log.put(self._node, key, outcome, outcome.value)

    def _key_of(self, item: Any, index: int) -> str | None:
        """The key of an item; None if it has no digest."""
        try:
            more = None if self._content.more is None else self._content.more(item, index)
            return digest_of(self._key, bare(item), more).hex()
        except NoDigest:
            return None
        except Exception:  # noqa: BLE001  # whatever its templates meet: an attempt at the item says what
            return None

    def enter(self, index: int, records: Sequence[Any]) -> None:
        """Calls go up with the item around."""

    def flush(self) -> None:
        """Each line is written at once."""

    def close(self, total: int | None, *, read: bool = True) -> None:
        """The file is closed with the item."""


class NothingKept:
    """The log of a visit whose outcomes cannot be matched again."""

    knows = False
    left_out = 0
    known = None

    def match(self, start: int, items: Sequence[Any]) -> Mapping[int, Outcome]:
        return {}

    def run_again(self, count: int) -> None:
        """Does nothing."""

    def record(self, outcomes: Block | Outcome, action: str = "") -> None:
        """Save nothing of it."""

    def enter(self, index: int, records: Sequence[Any]) -> None:
        """Calls go up with the item around."""

    def flush(self) -> None:
        """Does nothing."""

    def close(self, total: int | None, *, read: bool = True) -> None:
        """Does nothing."""
