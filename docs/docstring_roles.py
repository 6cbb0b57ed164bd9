"""References in docstrings, such as ``:class:`~batchmill.errors.NodeError```, as links of the site.

Docstrings name things in the form that Sphinx knows, which editors show well. What stands on the page of
functions and classes becomes a link, anything else its name as code.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import griffe

PAGE = Path(__file__).parent / "reference" / "api.md"
ROLE = re.compile(r":(?:class|func|meth|mod|data|attr|exc):`(~?)([\w.]+)`")


class DocstringRoles(griffe.Extension):
    """Called by griffe with each object that it reads."""

    def __init__(self) -> None:
        shown = re.findall(r"^::: ([\w.]+)$", PAGE.read_text(), re.MULTILINE)
        self._by_name: dict[str, str] = {}
        for path in shown:
            self._by_name.setdefault(path.rsplit(".", 1)[1], path)  # the first of a name: batchmill's own

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        if obj.docstring is not None:
            obj.docstring.value = ROLE.sub(self._link, obj.docstring.value)

    def _link(self, role: re.Match[str]) -> str:
        last = role[2].rsplit(".", 1)[-1]
        text = f"`{last if role[1] else role[2]}`"
        path = self._by_name.get(last)
        return text if path is None else f"[{text}][{path}]"
