"""Shared by the file nodes: paths, files that appear whole or not at all, and errors in words.

A file is written beside its place under a temporary name, flushed to the disk, measured, and only then
renamed. So a full disk, a crash or a kill leaves the old file whole and no half of a new one.
"""

from __future__ import annotations

import errno
import itertools
import os
import secrets
import shutil
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping

from batchmill.errors import InvalidParams, NodeError

_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EMLINK, errno.ENOSYS)
_HINTS = {
    errno.EEXIST: "there is a file of that name already",
    errno.ENOENT: "there is no such file or folder",
    errno.EACCES: "permission denied: look at the rights of the file and its folder",
    errno.EPERM: "not permitted: look at the owner and the attributes of the file",
    errno.EISDIR: "it is a folder, not a file",
    errno.ENOTDIR: "a part of the path is a file where a folder is needed",
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EFBIG: "the file would be larger than the limit of this process or file system",
    errno.EROFS: "the file system is read-only",
    errno.ELOOP: "too many symbolic links, or one that leads to itself",
    errno.ENAMETOOLONG: "the name is too long for this file system",
    errno.EMFILE: "this process has too many files open",
    errno.ENXIO: "nobody reads the other end of it",
}
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
_OURS = secrets.token_hex(4)  # of this process and those forked from it
_numbers = itertools.count()
_POINTLESS = (errno.EISDIR, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG)


def full_path(value: str, param: str) -> str:
    """The absolute path of a param, with ``~`` expanded. Raises InvalidParams if it is not a path."""
    if not value:
        raise InvalidParams(f"param {param!r} is empty: it must be the path of a file")
    if "\0" in value:
        raise InvalidParams(f"param {param!r} holds a NUL character, which no path can: {value!r}")
    path = os.path.abspath(os.path.expanduser(value))
    try:
        os.fsencode(path)
    except UnicodeEncodeError as error:
        raise InvalidParams(f"param {param!r} cannot be the name of a file: {error}") from error
    return path


def paths_in(value: object) -> Iterator[str]:
    """The paths that a param names: the value itself, those in a list, those of an object or under its
    ``path``; other values are skipped."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        yield from paths_in(value["path"] if "path" in value else list(value.values()))
    elif isinstance(value, (list, tuple)):
        for one in value:
            yield from paths_in(one)


class in_words:  # noqa: N801  # used like a function; a generator takes 25 µs after an item that computed
    """Turn an :class:`OSError` inside into an error result that says what could not be done and why."""

    __slots__ = ("_action", "_path")

    def __init__(self, action: str, path: str) -> None:
        self._action, self._path = action, path

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if not isinstance(error, OSError):
            return
        message = f"cannot {self._action} {self._path!r}: {_why(error)}"
        raise NodeError(
            message,
            retryable=error.errno not in _POINTLESS,
            type_name=type(error).__name__,
            outputs={"error": message},
        ) from error


def _why(error: OSError) -> str:
    own_words = error.errno is not None and error.strerror != os.strerror(error.errno)
    return (error.strerror if own_words else _HINTS.get(error.errno or 0)) or error.strerror or str(error)


def require_file(path: str) -> os.stat_result:
    """The stat of the regular file behind ``path``; raises :class:`OSError` for anything else."""
    found = os.stat(path)
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, "it is a device, pipe or socket, not a file", path)
    return found


def refuse(action: str, path: str, why: str) -> NodeError:
    """The error result for a fault that retries cannot change."""
    message = f"cannot {action} {path!r}: {why}"
    return NodeError(message, retryable=False, outputs={"error": message})


def make_folders(path: str) -> None:
    """Create the folders for the file ``path``. Raises :class:`OSError`."""
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
    except FileExistsError as error:  # the last of them is there and is a file
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), path) from error


def write_whole(path: str, data: bytes) -> None:
    """Make ``data`` the content of ``path``; see :func:`write_pieces`."""
    write_pieces(path, (data,))


def write_pieces(path: str, pieces: Iterable[bytes], *, private: bool = False) -> None:
    """Write ``pieces``, one after another, as the content of ``path``; an existing file keeps its mode. A new
    ``private`` file is accessible to the user alone.

    A symbolic link is written through; a device is written to. Raises :class:`OSError`, and the errors of
    ``pieces``: an existing file then stays unchanged.
    """
    target, mode = destination(path)
    if mode is not None and not stat.S_ISREG(mode):
        write_into(target, pieces)
        return

    def fill(number: int) -> int:
        size = 0
        for piece in pieces:
            _write_all(number, piece)
            size += len(piece)
        return size

    place(target, fill, overwrite=True, mode=0o600 if mode is None and private else mode)


def copy_whole(source: str, dest: str, *, overwrite: bool) -> None:
    """Make ``dest`` a copy of ``source``, with its mode and times. Raises :class:`OSError`."""
    found = require_file(source)
    target, _ = destination(dest)

    def fill(number: int) -> int:
        with open(source, "rb") as reader, open(number, "wb", closefd=False) as writer:
            shutil.copyfileobj(reader, writer, 1024 * 1024)
        os.utime(number, ns=(found.st_atime_ns, found.st_mtime_ns))
        return found.st_size

    place(target, fill, overwrite=overwrite, mode=found.st_mode)


def place(target: str, fill: Callable[[int], int], *, overwrite: bool, mode: int | None = None) -> None:
    """Let ``fill`` write a new file through a descriptor, and name it ``target`` when it is complete.

    Until then only this user can access it; in the end it has ``mode``, or that of a new file. Missing
    folders are made. Raises :class:`OSError`; :class:`FileExistsError` if the name exists and must not be
    overwritten, even if it appeared meanwhile. The folder is not flushed: after a crash of the machine the
    old file may be back, complete.
    """
    temporary = _temporary_beside(target)
    at_first = 0o666 if mode is None else 0o600
    try:
        number = os.open(temporary, _NEW, at_first)
    except FileNotFoundError:
        make_folders(target)
        number = os.open(temporary, _NEW, at_first)
    try:
        try:
            final = os.fstat(number).st_mode if mode is None else mode
            os.fchmod(number, 0o600)
            expected = fill(number)
            os.fchmod(number, stat.S_IMODE(final))
            os.fsync(number)
            written = os.fstat(number).st_size
        finally:
            os.close(number)
        if written != expected:
            raise OSError(errno.EIO, f"{written} bytes arrived of {expected}", target)
        give_name(temporary, target, overwrite=overwrite)
    except BaseException:
        _remove(temporary)
        raise


def give_name(path: str, target: str, *, overwrite: bool) -> None:
    """Rename ``path`` to ``target`` in one step. Raises :class:`OSError`."""
    if overwrite:
        os.replace(path, target)
    elif os.path.islink(path):  # whether a link can be made to a link differs between systems
        _rename_if_free(path, target)
    else:
        _link_if_free(path, target)


def _link_if_free(path: str, target: str) -> None:
    try:
        # A link fails where the name is taken; a rename would silently take it over.
        os.link(path, target)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        _rename_if_free(path, target)
    else:
        os.unlink(path)


def _rename_if_free(path: str, target: str) -> None:
    """Without links there is a moment between the check and the rename; the system offers nothing better."""
    if os.path.lexists(target):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), target)
    os.rename(path, target)


def _temporary_beside(target: str) -> str:
    """A name in the same folder, so that giving the final one is a rename; short enough for any, and used by
    no other process, on any machine."""
    folder, name = os.path.split(target)
    return os.path.join(folder, f".{name[:40]}.{_OURS}-{os.getpid():x}-{next(_numbers):x}.tmp")


def destination(path: str) -> tuple[str, int | None]:
    """Where ``path`` leads when it is a symbolic link, else itself; type and mode of what is there.

    One look tells that nothing is in the way, which is the common case. Raises what :func:`writable_mode`
    does, and :class:`PermissionError` for what another user put into a folder that all may write to.
    """
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return path, None
    _require_trusted(path, found)
    if not stat.S_ISLNK(found.st_mode):
        return path, writable_mode(path)
    target = os.path.realpath(path)
    return target, writable_mode(target)


def _require_trusted(path: str, found: os.stat_result) -> None:
    """Refuse a link, a file or a pipe that somebody else may have put there for us to write to.

    As Linux does itself where ``fs.protected_symlinks``, ``protected_regular`` and ``protected_fifos`` are
    set (proc(5)): in a sticky folder that all may write to, it must be ours or the folder's owner's.
    """
    if found.st_uid == os.geteuid():
        return
    folder = os.stat(os.path.dirname(path) or ".")
    shared = folder.st_mode & stat.S_ISVTX and folder.st_mode & stat.S_IWOTH
    if shared and found.st_uid != folder.st_uid:
        what = "the symbolic link" if stat.S_ISLNK(found.st_mode) else "the file"
        raise PermissionError(
            errno.EACCES, f"{what} belongs to another user, in a folder that all may write to", path
        )


def writable_mode(path: str) -> int | None:
    """Type and mode of what has this name, None for nothing.

    Raises :class:`OSError` for a folder and for what may not be written to.
    """
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        return None
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
    # A rename asks only for the right to change the folder; a file made read-only is meant to stay.
    if not os.access(path, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
    return mode


def write_into(path: str, pieces: Iterable[bytes]) -> None:
    """Write to what is there, a device or a pipe. Raises :class:`OSError`."""
    number = os.open(path, os.O_WRONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # a pipe nobody reads: an error
    try:
        os.set_blocking(number, True)
        for piece in pieces:
            _write_all(number, piece)
    finally:
        os.close(number)


def _write_all(number: int, data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[os.write(number, left) :]


def _remove(path: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass  # it got its name before the error
