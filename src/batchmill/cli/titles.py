"""How a run is called in lists and messages."""

from __future__ import annotations

import os
import shlex
import time
from datetime import datetime
from typing import Any

from batchmill.cli.journals import Found
from batchmill.journal.contract import MAP, RunRecord
from batchmill.values.words import count, on_one_line, seconds

OUTPUTS = "outputs"  # the key with the name of the folder for what its commands print
DAY = 86400
_LONGEST = 70  # characters


def is_map(run: RunRecord) -> bool:
    """Whether a run is one of ``map``."""
    return MAP in run.settings and OUTPUTS in run.settings


def title(run: RunRecord, longest: int = _LONGEST) -> str:
    """The document's file, with the limit of a run that has one, or the sources and the command of ``map``;
    behind the name its caller gave."""
    named = f"{run.label}: " if run.label else ""
    asked = run.settings.get(MAP)
    if not isinstance(asked, dict):
        first = "" if run.limit is None else f" --limit {run.limit}"
        return f"{named}{os.path.basename(run.source)}{first}"
    return f"{named}{on_one_line(_mapped(asked), longest)}"


def _mapped(asked: dict[str, Any]) -> str:
    sources = " ".join(shlex.quote(str(one)) for one in asked.get("items") or ["-"])
    words = asked.get("words") or []
    command = str(words[0]) if len(words) == 1 else shlex.join(map(str, words))
    return f"map {sources} -- {command}"


def introduced(found: Found) -> str:
    """The line about a run that is about to be continued."""
    again = f", {count(found.runs_ago, 'run')} ago" if found.runs_ago else ""
    return f"{found.run.name} ({title(found.run)}), begun {_when(found.run.started_at)}{again}"


def _when(began: float) -> str:
    past = max(0.0, time.time() - began)
    return f"{seconds(past)} ago" if past < DAY else f"on {moment(began)}"


def moment(at: float) -> str:
    """A time in seconds since the epoch, of this place."""
    return datetime.fromtimestamp(at).strftime("%Y-%m-%d %H:%M:%S")
