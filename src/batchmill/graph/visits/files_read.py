"""Digests of files by content, read once as long as they do not change."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from hashlib import blake2b

from batchmill.journal.digest import DIGEST_BYTES, digest_of

MOST_KNOWN = 10_000  # files
_PIECE = 1 << 20
_NONE = "no file"

Signature = tuple[int, int, int, int]


class _Known:
    """Concurrency: any thread may call any method; ``_lock`` guards ``_digests``. Files are read outside."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._digests: OrderedDict[Signature, str] = OrderedDict()

    def of(self, path: str) -> str:
        try:
            found = os.stat(path)
            signature = (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)
            with self._lock:
                digest = self._digests.get(signature)
            return digest or self._read(path, signature)
        except (OSError, ValueError):  # the attempt itself is about to say so
            return _NONE

    def _read(self, path: str, signature: Signature) -> str:
        hasher = blake2b(digest_size=DIGEST_BYTES)
        with open(path, "rb") as file:
            while piece := file.read(_PIECE):
                hasher.update(piece)
        digest = hasher.hexdigest()
        with self._lock:
            self._digests[signature] = digest
            while len(self._digests) > MOST_KNOWN:
                self._digests.popitem(last=False)
        return digest


_known = _Known()


def digest_of_file(path: str) -> str:
    """The digest of a file's content, or a fixed text if the file cannot be read."""
    return _known.of(os.path.expanduser(path))


def digest_of_path(path: str) -> str:
    """The same of a file, or of a folder: of the names and the content of all that is in it."""
    path = os.path.expanduser(path)
    if not os.path.isdir(path):
        return digest_of_file(path)
    found: list[tuple[str, str]] = []
    for folder, folders, files in os.walk(path):
        folders.sort()
        inside = os.path.relpath(folder, path)
        found += [
            (os.path.join(inside, name), _known.of(os.path.join(folder, name))) for name in sorted(files)
        ]
    return digest_of(found).hex()
