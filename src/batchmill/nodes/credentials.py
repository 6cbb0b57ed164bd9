"""The credentials of a node: from a param, or from the environment variable that a param names."""

from __future__ import annotations

import os
from collections.abc import Mapping

from batchmill.errors import InvalidParams
from batchmill.nodes.bound import BoundParams

MASK = "***"
_LEAST_CHARACTERS = 4  # a shorter one is no secret, and would be found in every other word


def credential(params: BoundParams, name: str) -> str:
    """The credential called ``name``, from the param or from the variable that ``<name>_env`` names; empty
    where neither is given. Raises :class:`~batchmill.errors.InvalidParams` for a variable that is not set."""
    variable = params[f"{name}_env"]
    if not variable:
        return (params[name] or "").strip()
    value = os.environ.get(variable, "").strip()
    if not value:
        raise InvalidParams(f"{name}_env: the variable {variable!r} is not set in the environment")
    return value


def credential_faults(params: Mapping[str, object], *names: str) -> list[tuple[str, str]]:
    """For ``check``: credentials that are given in both ways."""
    return [
        (f"{name}_env", f"`{name}` is given too; one is enough")
        for name in names
        if params.get(name) is not None and params.get(f"{name}_env") is not None
    ]


def masked(text: str, secret: str) -> str:
    """``text`` without ``secret``, in case the other side repeats it."""
    return text.replace(secret, MASK) if len(secret) >= _LEAST_CHARACTERS else text
