"""File names that match a pattern, found lazily, sorted as text.

A part of a pattern is matched against one name: ``*``, ``?`` and ``[...]`` as in a shell, ``**`` stands for
any number of folders, also none. Only a part that begins with a dot matches names that begin with one. ``**``
does not follow links to folders, so it always ends; other parts do.
"""

from __future__ import annotations

import fnmatch
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from batchmill.errors import StorageError

_MAGIC = re.compile(r"[*?\[]")
ANY_DEPTH = "**"

Matches = Callable[[str], object]


def has_magic(pattern: str) -> bool:
    """Whether a pattern may match other names than its own."""
    return _MAGIC.search(pattern) is not None


@dataclass(frozen=True, slots=True)
class PatternPart:
    """One part of a pattern: ``literal`` is set if it is a plain name."""

    text: str
    literal: bool
    matches: Matches

    @property
    def any_depth(self) -> bool:
        return self.text == ANY_DEPTH


def find_paths(pattern: str, folder: str = "") -> Iterator[str]:
    """The paths that match, each once; relative to ``folder`` if the pattern is relative.

    Folders match as files do; a pattern that ends with a slash matches only folders. Raises
    :class:`StorageError` for a folder that cannot be read.
    """
    drive, rest = os.path.splitdrive(pattern)
    root = drive + rest[: len(rest) - len(rest.lstrip("/"))]
    names = [name for name in rest.split("/") if name]
    parts = [_part(name) for name in names]
    found = _Walk(parts, folder, folders=rest.endswith("/")).below(root, _reached(parts, {0}))
    return found if parts else iter(())


def _part(text: str) -> PatternPart:
    literal = not _MAGIC.search(text)
    if literal:
        return PatternPart(text, True, text.__eq__)
    pattern = re.compile(fnmatch.translate("*" if text == ANY_DEPTH else text))
    hidden = text.startswith(".")
    return PatternPart(text, False, lambda name: (hidden or name[0] != ".") and pattern.match(name))


def _reached(parts: list[PatternPart], places: set[int]) -> frozenset[int]:
    """``places``, and the folders that ``**`` reaches from them."""
    reached = set(places)
    for place in sorted(places):
        while place < len(parts) - 1 and parts[place].any_depth:
            place += 1
            reached.add(place)
    return frozenset(reached)


class _Walk:
    """Walks folders with all places of the pattern that a path may have reached."""

    def __init__(self, parts: list[PatternPart], folder: str, *, folders: bool) -> None:
        self._parts = parts
        self._folder = folder
        self._folders = folders

    def below(self, path: str, places: frozenset[int]) -> Iterator[str]:
        """The matches below the folder ``path``, which ends with a slash or is empty."""
        for name, is_folder, is_link in self._ordered(path, places):
            found, further = self._next(name.removesuffix("/"), places, is_folder, is_link)
            if found and name.endswith("/") is self._folders:
                yield path + name
            if further and name.endswith("/"):
                yield from self.below(path + name, further)

    def _ordered(self, path: str, places: frozenset[int]) -> Iterator[tuple[str, bool, bool]]:
        """Names in a folder, and again with a slash where they are folders, in the order of the text: what is
        in ``a`` comes after ``a.txt``."""
        entries = self._entries(path, places)
        names = [(name, is_folder, is_link) for name, is_folder, is_link in entries]
        names += [(f"{name}/", True, is_link) for name, is_folder, is_link in names if is_folder]
        names.sort()
        return iter(names)

    def _entries(self, path: str, places: frozenset[int]) -> list[tuple[str, bool, bool]]:
        """The entries of a folder: name, whether it is a folder, whether it is a link. If only certain names
        are asked for, the folder is not read."""
        wanted = [self._parts[place] for place in places]
        place = os.path.join(self._folder, path)
        if all(part.literal for part in wanted):
            texts = {part.text for part in wanted}
            return [_looked_at(place, text) for text in texts if os.path.lexists(place + text)]
        try:
            with os.scandir(place or ".") as entries:
                found = [(entry.name, _is_folder(entry), entry.is_symlink()) for entry in entries]
        except (FileNotFoundError, NotADirectoryError):  # not there, or not any more
            return []
        except (OSError, ValueError) as fault:
            reason = (fault.strerror if isinstance(fault, OSError) else None) or fault
            raise StorageError(f"the folder {place} cannot be read: {reason}; narrow the pattern") from fault
        listed = {name for name, _, _ in found}
        named = [part.text for part in wanted if part.literal and part.text not in listed]  # . and ..
        return found + [_looked_at(place, name) for name in named if os.path.lexists(place + name)]

    def _next(
        self, name: str, places: frozenset[int], is_folder: bool, is_link: bool
    ) -> tuple[bool, frozenset[int]]:
        """Whether ``name`` ends a match here, and the places reached inside of it."""
        parts, last = self._parts, len(self._parts) - 1
        hits = {place for place in places if parts[place].matches(name)}
        further = {place + 1 for place in hits if place < last and not parts[place].any_depth}
        if not is_link:
            further |= {place for place in hits if parts[place].any_depth}
        return last in hits, _reached(parts, further) if is_folder else frozenset()


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads to itself, or to where one may not look
        return False


def _looked_at(place: str, name: str) -> tuple[str, bool, bool]:
    path = place + name
    return name, os.path.isdir(path), os.path.islink(path)
