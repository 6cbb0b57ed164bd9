"""The caller's options for messages. On its own, because ``--help`` needs only this part of a command."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


def nothing() -> None:
    """Do nothing: the default if no code waits until the command is loaded."""


@dataclass(slots=True)
class Caller:
    """Commands set ``verbose``; the entry point reads it when an error ends there. ``ready`` is called once
    when the command is loaded. ``hide`` masks secrets in messages; code that knows secrets sets it.
    ``fault_schema`` names the object that stdout gets if an error ends the command; None if it gets none,
    such as after the result was printed."""

    verbose: bool = False
    ready: Callable[[], None] = nothing
    hide: Callable[[str], str] = str
    fault_schema: str | None = None
