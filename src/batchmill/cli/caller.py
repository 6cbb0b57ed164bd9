"""What the caller said about how to speak. On its own, for it is all that ``--help`` needs of a command."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Caller:
    """Commands set it, the entry point reads it when an error ends there."""

    verbose: bool = False
