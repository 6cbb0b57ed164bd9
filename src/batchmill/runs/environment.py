"""The parts of a process's environment that a run depends on: noted when it begins, and compared when the run
is resumed.

They are not restored. If you add a missing program to ``PATH`` and resume, you want the new one, and the
environment holds credentials, which are not saved.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

_STATUS = "/proc/self/status"
VARIABLES = ("PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ")
"""They decide which programs are found and how those read and write text and times."""


def surroundings() -> dict[str, str | None]:
    """The variables by name, None for one that is not set, and the umask in octal."""
    return {**{name: os.environ.get(name) for name in VARIABLES}, "umask": _umask()}


def changed_since(then: object) -> list[str]:
    """The names of variables that have changed since :func:`surroundings` gave ``then``."""
    if not isinstance(then, Mapping):
        return []
    now = surroundings()
    return [name for name, value in now.items() if name in then and then[name] != value]


def _umask() -> str:
    """Read where it can be read: to ask the system for it means to set another one for a moment."""
    try:
        with open(_STATUS, encoding="ascii", errors="replace") as file:
            found = next(line.split()[1] for line in file if line.startswith("Umask:"))
    except (OSError, StopIteration, IndexError):  # not Linux
        mask = os.umask(0o077)
        os.umask(mask)
        found = f"{mask:o}"
    return found.zfill(4)
