"""Functions named as ``package.module:name``."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from batchmill.errors import InvalidParams, NodeError
from batchmill.ir.faults import misspelt_function


def load_function(path: str, node_type: str) -> Callable[..., object]:
    """The function at ``package.module:name``, for a node of the type ``node_type``.

    Raises :class:`~batchmill.errors.InvalidParams` for a name that leads to no function, and
    :class:`~batchmill.errors.NodeError` for a module that cannot be imported.
    """
    fault = misspelt_function(path)
    if fault:
        raise InvalidParams(f"{node_type}: {fault}")
    module_name, _, attribute = path.partition(":")
    try:
        __import__(module_name)  # a tenth of what import_module takes where the module is there
        found: Any = sys.modules[module_name]
    except ImportError as error:
        raise NodeError(
            f"cannot import {module_name!r} for {path!r}: {error}", retryable=False, type_name="ImportError"
        ) from error
    for name in attribute.split("."):
        if not hasattr(found, name):
            raise InvalidParams(f"{node_type}: there is no {name!r} in {module_name!r} (function {path!r})")
        found = getattr(found, name)
    if not callable(found):
        raise InvalidParams(f"{node_type}: {path!r} is a {type(found).__name__}, which cannot be called")
    function: Callable[..., object] = found
    return function
