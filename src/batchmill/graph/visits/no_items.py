"""The warning for a batch whose source had no items: the most common sign of a misspelt name."""

from __future__ import annotations

import os
import re

from batchmill.errors import TemplateError
from batchmill.graph.frame import NodeFrame
from batchmill.ir.models.batch import OF_FILES, BatchSpec
from batchmill.items.globbing import has_magic
from batchmill.template import compile_value
from batchmill.values.words import on_one_line
from batchmill.warned import Warned

CODE = "no-items"
_BRACES = re.compile(r"\{[^{}]*,[^{}]*\}")
_IN_THE_DOCUMENT = ("list", "reference")
"""Items that are no source: an empty list is visible in the document, or belongs to another node."""


def no_items(spec: BatchSpec, around: NodeFrame) -> Warned | None:
    """The warning for a batch that ended without an item; None if another message already says so, or if it
    is normal."""
    if spec.items_kind in _IN_THE_DOCUMENT:
        return None
    try:
        value = compile_value(spec.items_value).resolve(around.namespace.scope())
    except TemplateError:  # which has failed the node
        return None
    if spec.items_kind == "range" and value == spec.items_value:
        return None
    return Warned(CODE, *_words(spec.items_kind, value))


def _words(kind: str, value: object) -> tuple[str, str]:
    shown = on_one_line(value)
    if kind == "glob" or (kind in OF_FILES and isinstance(value, str) and has_magic(value)):
        return f"no file matches `{shown}`, so nothing was run", _glob_hint(str(value))
    if kind == "stdin":
        return "standard input was empty, so nothing was run", ""
    return f"there is nothing in the {kind} source `{shown}`, so nothing was run", ""


def _glob_hint(pattern: str) -> str:
    """A hint at a possible fault in a pattern that matches nothing."""
    if _BRACES.search(pattern):
        return "braces are not expanded: use `*`, `?` and `[...]`"
    parts = pattern.split("/")
    names = [part for part in parts[:-1] if not re.search(r"[*?\[]", part)]
    for count in range(1, len(names) + 1):
        folder = "/".join(parts[:count])
        if parts[:count] == names[:count] and folder and not os.path.isdir(os.path.expanduser(folder)):
            return f"there is no folder `{folder}`" + (
                "" if pattern.startswith("/") else f" in {os.getcwd()}"
            )
    return "" if pattern.startswith("/") else f"patterns begin at {os.getcwd()}"
