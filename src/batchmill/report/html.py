"""A report as one self-contained page: it loads nothing, and its texts and tables need no script.

Its bars are drawn here (:mod:`.pictures`), the rest by a script in the page. The content security policy
allows only that script and that style, by their digests, so no text of an item can become either. Needs the
extra ``report``."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from functools import cache
from hashlib import sha256
from importlib import resources
from typing import TYPE_CHECKING, Any

from batchmill.drawing.palette import variables
from batchmill.errors import MissingExtra
from batchmill.report import text, words
from batchmill.report.model import Report
from batchmill.report.pictures import pictures
from batchmill.report.rows import MEANINGS, STATES
from batchmill.report.sections import Section, sections

if TYPE_CHECKING:
    import jinja2

MOST_DRAWN = 60  # nodes, those with the most work
CHARTS = {
    "nodes": "graph",
    "timeline": "timeline",
    "items": "items",
    "durations": "histograms",
}  # by section


def require_extra() -> None:
    """Raises :class:`~batchmill.errors.MissingExtra` where Jinja2 is not installed."""
    _template()


def page(report: Report, first: Sequence[Section] = ()) -> str:
    """The page; ``first`` are sections before its own. Raises :class:`~batchmill.errors.MissingExtra` where
    Jinja2 is not installed."""
    style = variables() + _file("page.css")
    script, vendor = _file("page.js"), _file("vendor.min.js")
    policy = (
        f"default-src 'none'; style-src '{digest(style)}'; script-src '{digest(vendor)}' '{digest(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )
    told: str = _template().render(
        report=report, sections=[*first, *sections(report)], charts=CHARTS, data=_drawn(report),
        pictures=pictures(report, MOST_DRAWN),
        policy=policy, style=style, script=script, vendor=vendor, meanings=MEANINGS, words=words,
        spans=text.spans,
    )  # fmt: skip
    return told


def digest(source: str) -> str:
    """The digest by which a content security policy names a script or style."""
    return f"sha256-{base64.b64encode(sha256(source.encode()).digest()).decode()}"


def _drawn(report: Report) -> dict[str, Any]:
    """Data for the script: the nodes with the most work, and all edges if these are all the nodes."""
    whole = report.as_json()
    nodes = sorted(whole["nodes"], key=lambda node: -node["work"])[:MOST_DRAWN]
    names = {node["id"] for node in nodes}
    kept = ("id", "nested", "histogram")
    drawn: dict[str, Any] = _shown(
        {
            "states": STATES,
            "nodes": [{key: node[key] for key in kept} for node in nodes],
            "edges": whole["edges"] if len(nodes) == len(whole["nodes"]) else [],
            "items": [one for one in whole["items"] if one["node"] in names],
            "series": whole["series"],
            "lanes": whole["lanes"],
        }
    )
    return drawn


def _shown(value: Any) -> Any:
    """Plain data with every text as it can be seen."""
    match value:
        case str():
            return text.visible(value)
        case dict():
            return {key: _shown(one) for key, one in value.items()}
        case list() | tuple():
            return [_shown(one) for one in value]
    return value


@cache
def _file(name: str) -> str:
    return resources.files("batchmill.report").joinpath("page", name).read_text("utf-8")


@cache
def _template() -> jinja2.Template:
    try:
        import jinja2  # an extra
    except ImportError as error:
        raise MissingExtra("report", "the page of a report") from error
    environment = jinja2.Environment(
        autoescape=True, finalize=_finalized, undefined=jinja2.StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    return environment.from_string(_file("report.html.j2"))


def _finalized(value: Any) -> Any:
    """Prepare a value for the page: make invisible characters in foreign text visible, leave our own markup
    alone."""
    return text.visible(value) if type(value) is str else value
