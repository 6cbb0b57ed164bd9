"""What the caller said about how to speak. On its own, for it is all that ``--help`` needs of a command."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


def nothing() -> None:
    """Does nothing: the default if nobody waits until the command is loaded."""


@dataclass(slots=True)
class Caller:
    """Commands set ``verbose``, the entry point reads it when an error ends there. ``ready`` is called once
    when the command is loaded. ``hide`` takes secrets out of what is said; who knows any sets it."""

    verbose: bool = False
    ready: Callable[[], None] = nothing
    hide: Callable[[str], str] = str
