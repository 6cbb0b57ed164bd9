"""The places of journals: that of documents is in the folder they run in, that of ``map`` is outside of it.

::

    .batchmill/runs.sqlite                                 of documents
    ~/.local/state/batchmill/maps/photos-1f0c.sqlite       of ``map`` in the folder photos

``map`` is used in folders of data, where each file may be an item of the next command. So its journal is a
file for that folder among the user's state (``XDG_STATE_HOME``, see the XDG base directory specification).
"""

from __future__ import annotations

import os
import pwd
import re
import stat
from hashlib import blake2b
from pathlib import Path

from batchmill.errors import StorageError
from batchmill.journal.folders import OWN_FOLDER
from batchmill.journal.journal import DEFAULT_PATH

_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9._-]+")
_LONGEST_NAME = 40
_DIGEST_BYTES = 8
_ELSEWHERE = "set XDG_STATE_HOME to a folder of your own, use --journal PATH, or --no-journal"


def maps_folder() -> Path:
    """The folder with the journals of ``map``; it may not exist so far."""
    given = os.environ.get("XDG_STATE_HOME", "")
    state = Path(given) if os.path.isabs(given) else Path(_home()) / ".local" / "state"
    return state / "batchmill" / "maps"


def map_journal(folder: str) -> Path:
    """The journal of ``map`` in ``folder``, an absolute path without links."""
    digest = blake2b(os.fsencode(folder), digest_size=_DIGEST_BYTES).hexdigest()
    name = _NOT_IN_NAMES.sub("_", os.path.basename(folder))[:_LONGEST_NAME]
    return maps_folder() / f"{name or 'root'}-{digest}.sqlite"


def own_map_journal(folder: str) -> Path:
    """The same, for writing or trusting it. Raises :class:`StorageError` if others could write it too,
    because resuming runs the content of a journal."""
    path = map_journal(folder)
    for one in (path.parent, path.parent.parent):
        try:
            found = os.stat(one)
        except OSError:  # it is made when it is needed, and what hinders that is told then
            continue
        if found.st_uid != os.geteuid() or stat.S_IMODE(found.st_mode) & 0o022:
            raise StorageError(f"{one} belongs to another user, or others can write it; {_ELSEWHERE}")
    return path


def own_place(folder: str, *names: str) -> str:
    """A place for files of runs in ``folder``, beside the journal of documents."""
    return os.path.join(folder, OWN_FOLDER, *names)


def default_journals(folder: str) -> tuple[Path, Path]:
    """The journals of ``folder`` that are found without being named: of documents, and of ``map``."""
    return Path(folder) / DEFAULT_PATH, map_journal(folder)


def all_map_journals() -> list[Path]:
    """The journals of ``map`` of all folders, that used last first."""
    found = []
    for path in maps_folder().glob("*.sqlite"):
        try:
            found.append((path.stat().st_mtime, path))
        except OSError:  # gone meanwhile
            continue
    return [path for _, path in sorted(found, reverse=True)]


def _home() -> str:
    """The home folder of this process's user, not another user's, which ``sudo`` may have left in
    ``HOME``."""
    given = os.environ.get("HOME", "")
    try:
        own = os.stat(given).st_uid == os.geteuid()
    except OSError:
        own = False
    if own and os.path.isabs(given):
        return given
    try:
        return pwd.getpwuid(os.geteuid()).pw_dir
    except KeyError:  # a number without a name, as in containers
        return given or os.sep
