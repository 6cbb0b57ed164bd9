"""A file of results that takes the place of what stood there once it is whole."""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
from typing import BinaryIO

from batchmill.errors import StorageError
from batchmill.nodes.files import destination, make_folders


class ResultFile:
    """Written beside its place. :meth:`finish` gives it its name, or leaves what was there as it is.

    A device or pipe is written to as it is. Raises :class:`StorageError` where that cannot be done. Used by
    one thread.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        try:
            make_folders(os.path.abspath(path))
            self._target, self._mode = destination(os.path.abspath(path))
            self._temporary: str | None = None
            self._file = self._opened()
        except OSError as fault:
            raise self._fault(fault) from fault

    def _opened(self) -> BinaryIO:
        if self._mode is not None and not stat.S_ISREG(self._mode):
            return open(self._target, "wb")
        folder, name = os.path.split(self._target)
        number, self._temporary = tempfile.mkstemp(dir=folder, prefix=f".{name[:40]}.", suffix=".tmp")
        return os.fdopen(number, "wb")

    def write(self, data: bytes) -> None:
        """Add ``data``."""
        try:
            self._file.write(data)
        except OSError as fault:
            raise self._fault(fault) from fault

    def finish(self, whole: bool, otherwise: str | None = None) -> None:
        """End it: with its name where it is ``whole``; with the name ``otherwise`` where it is not, or not at
        all. A second time does nothing."""
        temporary, self._temporary = self._temporary, None
        target = self._target if whole else otherwise
        try:
            self._file.close()
            if temporary is not None and target is not None:
                mode = 0o666 & ~_umask() if self._mode is None else stat.S_IMODE(self._mode)
                os.chmod(temporary, mode)
                os.replace(temporary, target)
        except OSError as fault:
            raise self._fault(fault) from fault
        finally:
            if temporary is not None:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(temporary)

    def _fault(self, fault: OSError) -> StorageError:
        return StorageError(f"results cannot be written to {self._path}: {fault.strerror or fault}")


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
