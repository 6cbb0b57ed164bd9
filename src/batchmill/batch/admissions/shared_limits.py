"""Limits that all runs of a user on one machine share.

Each key has a small file in a folder of the user's own. A process that checks a limit, or counts a start,
locks the file, reads the state of the limit, and writes the new one. The kernel drops the lock of a killed
process. The record is written at once and checked when it is read: a torn record counts as used up. Attempts
that run at once are files of their own, each locked as long as its attempt lasts.
"""

from __future__ import annotations

import fcntl
import hashlib
import math
import os
import stat
import struct
import tempfile
import weakref
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from batchmill.concurrency.clock import Clock
from batchmill.errors import StorageError
from batchmill.policy.limits import Limiter, LimiterState, Limits

POLL_SECONDS = 0.02  # how often who waits for another run's attempt to end looks whether it has
MEMORY_SECONDS = 60.0  # how long the limits of a run hold for others after its last start
_MEMORY_FOLDER = "/dev/shm"  # noqa: S108  # a folder of our own is made in it, mode 0700
_MAGIC = b"bmlimit1"
_FIELDS = struct.Struct("<8s10d")
_CHECK = struct.Struct("<I")
_SIZE = _FIELDS.size + _CHECK.size
_NONE = math.nan


@dataclass(frozen=True, slots=True)
class _Record:
    """The state of the limit of a key, the strictest limits that runs have, and when the run that has them
    was last here. Times are of the clock that all processes of the machine share."""

    state: LimiterState
    limits: Limits = Limits()  # noqa: RUF009  # it does not change
    asked_at: float = 0.0

    def packed(self) -> bytes:
        limits = self.limits
        asked = (limits.per_second, limits.burst, limits.tokens_per_minute, limits.max_concurrent)
        numbers = (*self.state, *(_NONE if one is None else float(one) for one in asked), self.asked_at)
        fields = _FIELDS.pack(_MAGIC, *numbers)
        return fields + _CHECK.pack(zlib.crc32(fields))

    @classmethod
    def unpacked(cls, data: bytes) -> _Record | None:
        """The record in the bytes of a file; None if they are not a record."""
        if len(data) != _SIZE or _CHECK.unpack(data[_FIELDS.size :])[0] != zlib.crc32(data[: _FIELDS.size]):
            return None
        magic, *numbers = _FIELDS.unpack(data[: _FIELDS.size])
        if magic != _MAGIC:
            return None
        rate, burst, tokens, most = (None if math.isnan(one) else one for one in numbers[5:9])
        whole = [None if one is None else int(one) for one in (burst, most)]
        return cls(LimiterState(*numbers[:5]), Limits(rate, whole[0], tokens, whole[1]), numbers[9])


class SharedLimits:
    """The limits of ``key``, shared with every run of this user that shares it.

    Concurrency: not locked; the lock of the gates guards it. Locks on its files separate processes.

    Raises :class:`~batchmill.errors.StorageError` if such a file cannot exist.
    """

    def __init__(self, key: str, folder: str | None = None) -> None:
        name = hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()[:32]
        self._key = key
        self._path = os.path.join(folder or own_folder(), name)
        self._slots: dict[int, int] = {}  # descriptors of the slots that are held here, by number
        weakref.finalize(self, _close, self._slots)

    @contextmanager
    def held(self, limiter: Limiter, clock: Clock) -> Iterator[None]:
        """Bring ``limiter`` to the state that all runs have left; they will find its state afterwards."""
        try:
            descriptor = self._locked()
        except OSError as fault:
            raise self._failure(fault) from fault
        try:
            before = os.pread(descriptor, _SIZE + 1, 0)
            now = clock.monotonic()
            asked, asked_at = self._resume(limiter, before, now)
            yield
            after = _Record(limiter.state(), asked, asked_at).packed()
            if after != before:
                os.pwrite(descriptor, after, 0)
        except OSError as fault:
            raise self._failure(fault) from fault
        finally:
            _let_go(descriptor)

    def _resume(self, limiter: Limiter, data: bytes, now: float) -> tuple[Limits, float]:
        """Set ``limiter`` to the state of the record. Returns the limits to keep in the record, and since
        when they hold."""
        own = limiter.asked.shareable()
        if not data:  # nobody was here before
            return own, now
        found = _Record.unpacked(data)
        if found is None or found.state.newest > now + 1:  # torn, or of a time before the machine was started
            limiter.resume(LimiterState(0.0, now, 0.0, now, now))
            return own, now
        known = found.limits if now - found.asked_at <= MEMORY_SECONDS else Limits()
        limiter.heed(known, now)
        limiter.resume(found.state)
        together = own.stricter(known)
        return together, now if together == own else found.asked_at

    def is_free(self, most: int) -> bool:
        """Whether fewer than ``most`` attempts are under way in all runs."""
        number = self.take(most)
        if number is not None:
            self.release(number)
        return number is not None

    def take(self, most: int) -> int | None:
        """The number of an attempt among ``most``, held until it is released; None if none is free."""
        for number in range(1, most + 1):
            if number in self._slots:
                continue
            try:
                descriptor = self._opened(f"{self._path}-{number}")
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    os.close(descriptor)
                    continue
            except OSError as fault:
                raise self._failure(fault) from fault
            self._slots[number] = descriptor
            return number
        return None

    def release(self, number: int) -> None:
        """The attempt with that number has ended."""
        descriptor = self._slots.pop(number)
        _let_go(descriptor)

    def _locked(self) -> int:
        """The descriptor of the record, locked."""
        while True:
            descriptor = self._opened(self._path)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            with suppress(FileNotFoundError):
                if os.path.samestat(os.stat(self._path), os.fstat(descriptor)):
                    return descriptor
            os.close(descriptor)  # somebody has cleared it away

    @staticmethod
    def _opened(path: str) -> int:
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            return os.open(path, flags, 0o600)
        except FileNotFoundError:  # the folder was cleared away as well
            own_folder()
            return os.open(path, flags, 0o600)

    def _failure(self, fault: OSError) -> StorageError:
        where = fault.strerror or fault
        return StorageError(f"the shared limit {self._key!r} cannot be kept in {self._path}: {where}")


def _let_go(descriptor: int) -> None:
    # Closing is not enough: a command that is just being started has the descriptor too, and the lock.
    fcntl.flock(descriptor, fcntl.LOCK_UN)
    os.close(descriptor)


def _close(slots: dict[int, int]) -> None:
    while slots:
        os.close(slots.popitem()[1])


def own_folder() -> str:
    """The user's folder for shared limits: in memory if possible, because it is then the same for every run
    and disappears with the machine. Raises :class:`~batchmill.errors.StorageError`."""
    parent = _MEMORY_FOLDER if os.access(_MEMORY_FOLDER, os.W_OK) else tempfile.gettempdir()
    path = Path(parent, f"batchmill-limits-{os.geteuid()}")
    try:
        path.mkdir(mode=0o700, exist_ok=True)
        found = path.lstat()
    except OSError as fault:
        raise StorageError(f"the folder of shared limits cannot be made: {fault}") from fault
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o022:
        raise StorageError(
            f"{path} is where shared limits would be kept, and others can write to it; remove it"
        )
    return str(path)
