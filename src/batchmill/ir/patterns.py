"""The user's regular expressions, with a time limit.

A match may take longer than the universe lasts, and this process cannot interrupt it. So an expression that
could take long is first tried in a process of its own, which can be killed.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys

LIMIT_SECONDS = 3.0
_SHORT = 10  # characters in which nothing takes long
_LONG = 10_000  # characters that a single repetition is through with in a moment
_REPEATS = re.compile(r"[*+{]")
_PROGRAM = "import json, re, sys; pattern, text = json.load(sys.stdin); re.search(pattern, text)"


class PatternTooSlow(Exception):
    """Raised for an expression that takes longer than the limit on some text."""

    def __init__(self, pattern: str) -> None:
        super().__init__(pattern)
        self.pattern = pattern


def check_quick(pattern: str, text: str) -> None:
    """Return if searching ``text`` for ``pattern`` takes at most :data:`LIMIT_SECONDS`.

    Raises :class:`PatternTooSlow` if it takes longer. Ignores a pattern that is no regular expression.
    """
    if _is_quick(pattern, text) or not sys.executable:
        return
    try:
        subprocess.run(
            [sys.executable, "-I", "-S", "-c", _PROGRAM],
            input=json.dumps([pattern, text]).encode(),
            stderr=subprocess.DEVNULL,  # of a pattern that is none
            timeout=LIMIT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise PatternTooSlow(pattern) from None


def _is_quick(pattern: str, text: str) -> bool:
    """Whether it is, for certain: short text, or one repetition and no group that could be repeated."""
    if len(text) <= _SHORT:
        return True
    return len(text) <= _LONG and "(" not in pattern and len(_REPEATS.findall(pattern)) <= 1
