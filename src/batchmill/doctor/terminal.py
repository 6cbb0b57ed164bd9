"""Where messages and progress go."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from typing import TextIO

from batchmill.doctor.finding import CheckResult
from batchmill.events.progress import can_draw

AREA = "terminal"


def findings(stream: TextIO, environment: Mapping[str, str]) -> Iterator[CheckResult]:
    """Findings about ``stream``, which is stderr."""
    kind = environment.get("TERM") or "no TERM"
    if not stream.isatty():
        yield CheckResult(AREA, "stderr", "no terminal: progress as plain lines")
    elif can_draw(stream, environment):
        yield CheckResult(AREA, "stderr", f"{kind}, {shutil.get_terminal_size().columns} columns: live bars")
    else:
        yield CheckResult(AREA, "stderr", f"{kind}: progress as plain lines")
    wish = next((name for name in ("NO_COLOR", "FORCE_COLOR") if environment.get(name)), "")
    yield CheckResult(AREA, "colours", f"{wish} is set" if wish else "on a terminal")
