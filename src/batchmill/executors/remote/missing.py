"""The remedy for a module that a worker does not have."""

from __future__ import annotations

import importlib.util
import re
from dataclasses import replace
from functools import cache
from importlib import metadata

from batchmill.outcome import ErrorInfo

NOT_FOUND = re.compile(r"No module named '([\w.]+)'")
TYPES = frozenset({"ModuleNotFoundError", "ImportError", "NotPicklable"})


def explained(error: ErrorInfo, host: str) -> ErrorInfo:
    """``error`` with the remedy if it says that ``host`` lacks a module; other errors unchanged."""
    found = NOT_FOUND.search(error.message) if error.type in TYPES else None
    if found is None:
        return error
    return replace(error, message=f"{error.message}; {_remedy(found[1], host)}")


def _remedy(module: str, host: str) -> str:
    top = module.partition(".")[0]
    package = _packages().get(top)
    if package:
        version = metadata.version(package[0])
        return (
            f"{host} does not have it; install it there as it is here: pip install '{package[0]}=={version}'"
        )
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError):  # a module without one
        spec = None
    if spec is None:
        return f"neither {host} nor this machine has it: check its name, or install it on both"
    return (
        f"it is here, {spec.origin or 'in a folder'}, and did not travel to {host}: name it in an `import`, "
        "so that it is seen to be needed, or install it there"
    )


@cache
def _packages() -> dict[str, list[str]]:
    """The distributions that are installed here, by the names of their modules."""
    return dict(metadata.packages_distributions())
