"""Large values in files of their own, beside the journal, named by the digest of their content."""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
from hashlib import blake2b
from pathlib import Path

from batchmill.errors import StorageError
from batchmill.journal.folders import make_private

LARGE = 64 << 10  # characters; what is longer would make rows that are slow to pass over
_DIGEST_BYTES = 20
_DIGEST = re.compile(rf"[0-9a-f]{{{2 * _DIGEST_BYTES}}}")


class ValueFiles:
    """Texts in files below one folder. Equal texts share a file; a file exists whole or not at all.

    Concurrency: any thread, any process; it keeps no state between calls.
    """

    def __init__(self, folder: Path, *, durable: bool = False) -> None:
        self.folder = folder
        self._durable = durable

    def path(self, digest: str) -> Path:
        """The path of the text with this digest. Digests come from a journal: raises :class:`StorageError`
        for an invalid one, which could lead elsewhere."""
        if not _DIGEST.fullmatch(digest):
            raise StorageError(
                f"{digest[:80]!r} is not a digest: the journal beside {self.folder} is damaged"
            )
        return self.folder / digest[:2] / digest

    def put(self, text: str) -> str:
        """Keep ``text``; its digest. Raises :class:`StorageError`."""
        data = text.encode("utf-8", "surrogatepass")
        digest = blake2b(data, digest_size=_DIGEST_BYTES).hexdigest()
        path = self.path(digest)
        try:
            if not path.exists() or path.stat().st_size != len(data):
                self._write(path, data)
        except OSError as fault:
            raise StorageError(
                f"a large value cannot be kept in {path}: {fault.strerror or fault}"
            ) from fault
        return digest

    def _write(self, path: Path, data: bytes) -> None:
        make_private(path.parent)
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=".new-")
        try:
            with open(descriptor, "wb") as file:
                file.write(data)
                if self._durable:
                    file.flush()
                    os.fsync(file.fileno())
            os.replace(temporary, path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise

    def get(self, digest: str) -> str | None:
        """The text with this digest; None if the file is gone or holds something else."""
        try:
            data = self.path(digest).read_bytes()
        except (OSError, StorageError):
            return None
        if blake2b(data, digest_size=_DIGEST_BYTES).hexdigest() != digest:
            return None
        return data.decode("utf-8", "surrogatepass")

    def remove(self, digest: str) -> None:
        """Delete the file, and its folder when it was the last one there."""
        with contextlib.suppress(OSError):
            self.path(digest).unlink()
            self.path(digest).parent.rmdir()
