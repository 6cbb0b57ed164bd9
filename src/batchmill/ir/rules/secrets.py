"""The secrets that a document binds to hosts are secret inputs of it, or variables of the environment."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from batchmill.ir.faults import Fault, did_you_mean
from batchmill.ir.outline import Outline

_VARIABLE = "env."


def secret_faults(outline: Outline, secret_hosts: Any) -> Iterator[Fault]:
    """The faults of the names in ``secret_hosts``, as written."""
    for name in secret_hosts if isinstance(secret_hosts, dict) else ():
        path = ("secret_hosts", name)
        if not isinstance(name, str) or (name.startswith(_VARIABLE) and name != _VARIABLE):
            continue
        if name not in outline.inputs:
            hint = did_you_mean(name, list(outline.inputs)) or f"a variable is written `{_VARIABLE}NAME`"
            yield Fault(path, f"there is no input `{name}`", hint, on_key=True)
        elif (spec := outline.inputs[name]) is not None and not spec.secret:
            message = f"the input `{name}` is not a secret"
            yield Fault(path, message, f'set `"secret": true` in `inputs.{name}`', on_key=True)
