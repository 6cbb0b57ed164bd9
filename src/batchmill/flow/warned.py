"""Warnings that point at the user's line: the innermost one that called into this package."""

from __future__ import annotations

import os
import sys
import warnings

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep


def warn(message: str) -> None:
    """Warn as :func:`warnings.warn` does, of the caller that is not ours."""
    level, frame = 1, sys._getframe()
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        level, frame = level + 1, frame.f_back
    warnings.warn(message, stacklevel=level)


def class_of(node: object) -> str:
    """What a warning calls a node: its class."""
    return type(node).__name__
