"""The process one side lives in: opens the side, then measures once per line it is sent.

Started by the runner as ``python -m benchmarks.host ROW SIDE ITEMS``. Talks in JSON lines over what was
its standard output; whatever the libraries print goes to standard error. Leaves when its input ends.
"""

from __future__ import annotations

import dataclasses
import importlib
import json
import os
import sys
import traceback
from typing import Any, TextIO

from benchmarks.workload import MissingError, Side


def main(arguments: list[str]) -> int:
    """Serve one side until standard input ends. 0 unless the side could not be opened or broke."""
    row, name, items = arguments
    answers = _private_answers()
    try:
        _serve(_side(row, name), int(items), answers)
    except (MissingError, ImportError) as missing:
        _say(answers, missing=str(missing))
        return 1
    except Exception as broken:  # noqa: BLE001 - the side's process ends here; the runner notes the words
        traceback.print_exc()
        _say(answers, error=f"{type(broken).__name__}: {broken}")
        return 1
    return 0


def _side(row: str, name: str) -> Side:
    rows = importlib.import_module("benchmarks.rows")  # all rows; the libraries load when a side opens
    side: Side = rows.find(row).side(name)
    return side


def _serve(side: Side, n: int, answers: TextIO) -> None:
    from benchmarks.measure import measure

    with side.open(n) as ready:
        if ready.before is not None:
            ready.before()
        _say(answers, ready=True)
        for _ in sys.stdin:
            _say(answers, sample=dataclasses.asdict(measure(ready, n)))


def _private_answers() -> TextIO:
    """Standard output as the runner reads it; descriptor 1 itself becomes standard error."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return answers


def _say(answers: TextIO, **message: Any) -> None:
    answers.write(json.dumps(message) + "\n")
    answers.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
