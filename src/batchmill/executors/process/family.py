"""Processes with everything they started: descendants, and the remaining members of their process groups.

A descendant whose parent has ended has no parent in the family any more, but is still in its group. Commands
lead groups of their own, so the groups that descendants lead are theirs alone and may be signalled as a
whole.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:  # it takes 8 to 17 ms, which only a run that looks at its workers or kills one pays
    import psutil

_LOOK_SECONDS = 0.01
Spared = Callable[["psutil.Process"], bool]
Fact = TypeVar("Fact")


def kill_family(pid: int, grace: float = 0.0) -> None:
    """SIGKILL a process and its descendants, beginning with itself so it starts no more.

    With a ``grace`` in seconds, groups below it are asked to end by SIGTERM and have that long to do so; the
    process itself is stopped meanwhile. Raises nothing: where the family cannot be looked at, for lack of
    descriptors say, the process is killed alone.
    """
    try:
        import psutil
    except (ImportError, OSError):  # no descriptor left to read it with
        _kill_alone(pid)
        return
    try:
        head = psutil.Process(pid)
        head.suspend()
        family = head.children(recursive=True)
        groups = _groups_led_by(family)
        if grace and groups:
            _ask(groups, family, grace)
        _kill([*family, head], groups)
    except psutil.NoSuchProcess:
        return
    except (psutil.Error, OSError):  # such as no descriptor left to look with; it must not stay stopped
        _kill_alone(pid)


def kill_descendants(pid: int, spared: Spared) -> None:
    """SIGKILL all that a process started, but for those ``spared``."""
    import psutil

    family = [one for one in psutil.Process(pid).children(recursive=True) if not spared(one)]
    _kill(family, _groups_led_by(family))


def exists(pid: int) -> bool:
    """Whether there is a process of this number, be it one that has ended and was not waited for."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def has_children(pid: int) -> bool:
    """Whether a process has started any that are left; False if that cannot be found out."""
    return _look(pid, lambda process: bool(process.children()), False)


def resident_bytes(pid: int) -> int:
    """The memory that a process has in use; 0 if that cannot be found out."""
    return _look(pid, lambda process: int(process.memory_info().rss), 0)


def _look(pid: int, at: Callable[[psutil.Process], Fact], unknown: Fact) -> Fact:
    """A fact of a process; ``unknown`` if it is gone, or no descriptor is left to look with."""
    try:
        import psutil
    except (ImportError, OSError):  # it is read with one, too
        return unknown
    try:
        return at(psutil.Process(pid))
    except (psutil.Error, OSError):
        return unknown


def _kill_alone(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, signal.SIGKILL)


def _groups_led_by(family: Iterable[psutil.Process]) -> list[int]:
    groups = []
    for process in family:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if os.getpgid(process.pid) == process.pid:
                groups.append(process.pid)
    return groups


def _ask(groups: Iterable[int], family: Iterable[psutil.Process], grace: float) -> None:
    _signal(groups, signal.SIGTERM)
    until = time.monotonic() + grace
    while any(map(_lives, family)) and time.monotonic() < until:
        time.sleep(_LOOK_SECONDS)


def _lives(process: psutil.Process) -> bool:
    import psutil

    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except (psutil.Error, OSError):
        return False


def _kill(family: Iterable[psutil.Process], groups: Iterable[int]) -> None:
    import psutil

    _signal(groups, signal.SIGKILL)
    for process in family:
        try:
            process.kill()
        except psutil.Error:  # it ended by itself meanwhile
            continue
        except OSError:  # no descriptor left to see whether its number is another's by now
            _kill_alone(process.pid)


def _signal(groups: Iterable[int], number: int) -> None:
    for group in groups:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(group, number)
