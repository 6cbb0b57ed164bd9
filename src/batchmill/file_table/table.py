"""The table of the files of a run."""

from __future__ import annotations

import itertools
import os
import threading
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from batchmill.errors import FileInUse
from batchmill.file_table.log import LogAddress, SharedLog
from batchmill.file_table.places import PARTIAL, FilePlace, Inode, place_of, places_of

Kind = Literal["own", "input", "read", "planned", "write"]
_numbers = itertools.count()


@dataclass(frozen=True, slots=True)
class Entry:
    """A file that ``by`` (in words) does something with; no longer ``open`` when that is done. ``key`` is its
    own among all entries of all processes."""

    key: str
    kind: Kind
    by: str
    real: str
    inode: Inode | None
    open: bool = True


class FileTable:
    """The files of one run. Worker processes of the machine see the same table.

    Concurrency: any thread may call any method; ``_lock`` guards all fields. Between processes the lock of
    the shared log does, which is there once the table has been pickled.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: dict[str, Entry] = {}
        self._by_path: defaultdict[str, list[str]] = defaultdict(list)
        self._by_inode: defaultdict[Inode, list[str]] = defaultdict(list)
        self._log: SharedLog | None = None

    def own(self, path: str | int, words: str, *, written: bool = True) -> None:
        """Enter a file of the run itself, which no node may write. If the run writes it, such as its journal,
        it cannot be an item either; if the run only reads it, such as its document, it can."""
        self._add("own" if written else "input", path, words)

    def own_folder(self, path: str, words: str) -> None:
        """The same for a folder and everything in it, even if it does not exist so far."""
        with self._at_work():
            self._enter("own", words, FilePlace(os.path.realpath(path) + os.sep, None))

    def plan(self, path: str, by: str) -> None:
        """Enter a file that ``by`` is going to write, for globs to pass over."""
        self._add("planned", path, by)

    def reading(self, path: str | int, by: str) -> Entry | None:
        """Enter that ``by`` reads a file, until :meth:`done`. Raises :class:`~batchmill.errors.FileInUse`
        where it is being written."""
        place = place_of(path)
        if place is None:
            return None
        with self._at_work():
            for entry in self._of(place):
                if entry.kind == "write" and entry.open:
                    name = "standard input" if isinstance(path, int) else path
                    raise FileInUse(f"{name} cannot be read by {by}: {entry.by} is writing it")
            return self._enter("read", by, place)

    def writing(self, path: str, by: str, *, again: bool = False) -> Entry | None:
        """Enter that ``by`` writes a file that replaces the existing one, until :meth:`done`.

        ``again`` says that this is another attempt of work that may have written it before. Raises
        :class:`~batchmill.errors.FileInUse` if it is a file of the run itself, is or was read in this run, or
        is written by others.
        """
        place = place_of(path)
        if place is None:
            return None
        with self._at_work():
            for entry in self._of(place):
                if entry.kind == "read" and again and not entry.open:
                    continue  # of what was written before this attempt
                if entry.by != by or entry.kind in ("own", "input", "read"):
                    raise FileInUse(_words(path, by, entry))
                if entry.kind == "write" and not again:
                    raise FileInUse(
                        f"{path} cannot be written by {by}: an earlier round of it has written it; put "
                        "something that differs between rounds into the path"
                    )
            return self._enter("write", by, place)

    def check(self, path: str, by: str) -> None:
        """Raise :class:`~batchmill.errors.FileInUse` where ``by`` must not replace or add to a file: it is
        one of the run itself, is being read by a batch, or is for the results of one."""
        with self._lock:
            if self._log is None and not self._entries:
                return
        place = place_of(path)
        if place is not None:
            with self._at_work():
                for entry in self._of(place):
                    if entry.open or entry.kind == "write":
                        raise FileInUse(_words(path, by, entry))

    def owner(self, path: str) -> str | None:
        """The first entry of a file, in words; None if it has none."""
        place = place_of(path)
        if place is None:
            return None
        with self._at_work():
            return next((entry.by for entry in self._of(place)), None)

    def done(self, entry: Entry | None, *, kept: bool = True) -> None:
        """End the use of an entry; without ``kept``, the file was not written after all."""
        if entry is None:
            return
        with self._at_work():
            place = place_of(entry.real) if entry.real and kept else None
            inode = entry.inode if place is None else place.inode
            self._put(replace(entry, open=False, inode=inode), gone=not kept)

    def among(self, items: Sequence[object]) -> list[int]:
        """The positions of the texts in ``items`` that name files which cannot be items: a file or folder
        that the run writes for itself, or one that it will write and has not finished."""
        there = places_of(items)
        with self._at_work():
            return [position for position, place in there if self._is_left_out(place)]

    def _is_left_out(self, place: FilePlace) -> bool:
        places = [place, FilePlace(place.real + os.sep, None)]
        if place.real.endswith(PARTIAL):
            places.append(FilePlace(place.real.removesuffix(PARTIAL), None))
        return any(
            one.open and one.kind not in ("input", "read") for each in places for one in self._of(each)
        )

    def close(self) -> None:
        """The run is over."""
        with self._lock:
            log, self._log = self._log, None
        if log is not None:
            log.close()

    def _add(self, kind: Kind, path: str | int, by: str) -> None:
        place = place_of(path)
        if place is not None:
            with self._at_work():
                self._enter(kind, by, place)

    def _enter(self, kind: Kind, by: str, place: FilePlace) -> Entry:
        if kind == "write":  # what was planned is now done
            for one in self._of(place):
                if one.kind == "planned" and one.by == by:
                    self._put(one, gone=True)
        entry = Entry(f"{os.getpid()}-{next(_numbers)}", kind, by, *place)
        self._put(entry)
        return entry

    def _of(self, place: FilePlace) -> list[Entry]:
        """The entries of a file."""
        keys = dict.fromkeys(self._by_path.get(place.real, ()) if place.real else ())
        for folder in _folders_around(place.real):
            keys.update(dict.fromkeys(self._by_path.get(folder, ())))
        same = self._by_inode.get(place.inode, ()) if place.inode is not None else ()
        keys.update(dict.fromkeys(key for key in same if _is_there(self._entries[key])))
        return [self._entries[key] for key in keys]

    def _put(self, entry: Entry, *, gone: bool = False) -> None:
        self._apply(entry, gone=gone)
        if self._log is not None:
            self._log.append({**asdict(entry), "gone": gone})

    def _apply(self, entry: Entry, *, gone: bool) -> None:
        before = self._entries.pop(entry.key, None)
        if before is not None:
            for keys in (self._by_path.get(before.real), self._by_inode.get(before.inode or (0, 0))):
                if keys and entry.key in keys:
                    keys.remove(entry.key)
        if not gone:
            self._entries[entry.key] = entry
            if entry.real:
                self._by_path[entry.real].append(entry.key)
            if entry.inode is not None:
                self._by_inode[entry.inode].append(entry.key)

    @contextmanager
    def _at_work(self) -> Iterator[None]:
        """Lock the table and read its present state, in all processes."""
        with self._lock:
            if self._log is None:
                yield
                return
            with self._log.locked() as changes:
                self._replay(changes)
                yield

    def _replay(self, changes: Iterable[dict[str, Any]]) -> None:
        for change in changes:
            gone = change.pop("gone")
            inode = change.pop("inode")
            self._apply(Entry(**change, inode=tuple(inode) if inode else None), gone=gone)

    def __deepcopy__(self, memo: dict[int, object]) -> FileTable:
        return self

    def __reduce__(self) -> tuple[object, ...]:
        with self._at_work():
            changes = [{**asdict(entry), "gone": False} for entry in self._entries.values()]
            if self._log is None:
                self._log = SharedLog.new()
                if self._log is not None:
                    for change in changes:
                        self._log.append(change)
            return _elsewhere, (changes, None if self._log is None else self._log.address)


def without(items: Sequence[object], positions: Iterable[int]) -> list[object]:
    """The items but for those at ``positions``."""
    left_out = set(positions)
    return [item for position, item in enumerate(items) if position not in left_out]


def _elsewhere(changes: list[dict[str, object]], address: LogAddress | None) -> FileTable:
    """The table in another process: the same one where its log can be had, else what was in it."""
    table = FileTable()
    table._log = None if address is None else SharedLog.at(address)
    if table._log is None:
        table._replay(changes)
    return table


def _folders_around(path: str) -> Iterator[str]:
    """The folders that a file is in, each with a separator at its end."""
    end = path.rfind(os.sep)
    while end > 0:
        yield path[: end + 1]
        end = path.rfind(os.sep, 0, end)


def _is_there(entry: Entry) -> bool:
    """Whether a file still has the inode of its entry, because systems reuse the inodes of removed files."""
    if not entry.real:
        return True
    place = place_of(entry.real)
    return place is not None and place.inode == entry.inode


def _words(path: str, by: str, entry: Entry) -> str:
    reason = {
        "own": f"it is {entry.by}",
        "input": f"it is {entry.by}",
        "read": f"it is also read by {entry.by}",
        "planned": f"{entry.by} writes its results there",
        "write": f"{entry.by} {'writes' if entry.open else 'has written'} its results there",
    }[entry.kind]
    return f"{path} cannot be written by {by}: {reason}; write to another file"
