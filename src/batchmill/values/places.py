"""Places in JSON data: how the way to a value is written in messages."""

from __future__ import annotations

import json
import re

JsonPath = tuple[str | int, ...]
"""Keys and positions from the outside in."""

_PLAIN_KEY = r"[A-Za-z_][A-Za-z0-9_-]*"
_LONGEST_PATH = 12


def path_text(path: JsonPath, root: str = "$") -> str:
    """``("nodes", 2, "batch")`` as ``$.nodes[2].batch``; a very deep path is cut."""
    steps = [_step(step) for step in path[:_LONGEST_PATH]]
    return root + "".join(steps) + ("..." if len(path) > _LONGEST_PATH else "")


def _step(step: str | int) -> str:
    if isinstance(step, int):
        return f"[{step}]"
    return f".{step}" if re.fullmatch(_PLAIN_KEY, step) else f"[{json.dumps(step)}]"
