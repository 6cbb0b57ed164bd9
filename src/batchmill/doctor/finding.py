"""One finding: what was checked, whether a run can live with it, and the remedy if not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Level = Literal["ok", "note", "problem"]


@dataclass(frozen=True, slots=True)
class CheckResult:
    """``name`` says what was checked, ``value`` the result, in words.

    ``note``: a run works, slower or without something. ``problem``: a run would break. Either has a
    ``remedy``.
    """

    area: str
    name: str
    value: str
    level: Level = "ok"
    remedy: str = ""
