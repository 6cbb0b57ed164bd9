"""The page: complete without its script, closed to all other scripts, and drawn in a browser."""

from __future__ import annotations

import base64
import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from hashlib import sha256
from html.parser import HTMLParser

import pytest

from batchmill.errors import MissingExtra
from batchmill.report import html
from batchmill.report.aggregate import report_of
from batchmill.report.columns import MOST_BYTES
from batchmill.report.rows import LimitStep
from batchmill.report.sections import sections

pytest.importorskip("jinja2")
BROWSER = shutil.which("chromium")
VOID = {"meta", "br", "img", "link", "input", "hr"}


class Page(HTMLParser):
    """What is in a page: its elements, and its text outside of scripts and styles."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.raw, self.text, self._open = [], [], "", []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        if self._open and self._open[-1] in ("script", "style"):
            self.raw.append((self._open[-1], self.elements[-1][1], data))
        else:
            self.text += data


def digest(source):
    return f"'sha256-{base64.b64encode(sha256(source.encode()).digest()).decode()}'"


def test_all_of_the_report_is_text(troubled):
    report = report_of(troubled.facts())
    text = " ".join(Page(html.page(report)).text.split())
    for section in sections(report):
        for table in section.tables:
            for cell in (cell for row in table.rows for cell in row):
                assert " ".join(cell.split()) in text
    for group in report.failures.groups:
        assert group.pattern in text
        for example in group.examples:
            assert all(command.text in text for command in example.commands)
    assert all(line in text for line in report.left_out)


def test_only_its_own_scripts_and_style_are_allowed_by_their_digests(troubled):
    found = Page(html.page(report_of(troubled.facts())))
    (policy,) = (one["content"] for tag, one in found.elements if one.get("http-equiv"))
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'"
    scripts = [data for tag, attrs, data in found.raw if tag == "script" and not attrs.get("type")]
    assert rules["script-src"].split() == [digest(one) for one in scripts]
    assert [rules["style-src"]] == [digest(data) for tag, _, data in found.raw if tag == "style"]
    assert not [
        attrs
        for _, attrs in found.elements
        if any(name.startswith("on") or name == "style" for name in attrs)
    ]


def test_nothing_is_fetched(troubled):
    found = Page(html.page(report_of(troubled.facts())))
    assert not [attrs for _, attrs in found.elements if {"src", "action", "data"} & attrs.keys()]
    assert all(attrs["href"].startswith("#") for _, attrs in found.elements if "href" in attrs)


def test_its_scripts_fetch_nothing_and_make_no_code_of_texts():
    for source in (html._file("vendor.min.js"), html._file("page.js")):
        assert not re.findall(r"\beval\(|new Function|\bfetch\(|XMLHttpRequest|document\.write", source)
        assert all(one.startswith("http://www.w3.org/") for one in re.findall(r"https?://[^\"'`\s]+", source))


def test_its_own_script_makes_no_markup_of_texts():
    assert not re.findall(r"innerHTML|outerHTML|insertAdjacent|\.html\(", html._file("page.js"))


def test_no_text_becomes_markup(hostile, simulated):
    plain = {tag for tag, _ in Page(html.page(report_of(simulated(3).facts()))).elements}
    found = Page(html.page(report_of(hostile.facts())))
    assert [tag for tag, _ in found.elements].count("script") == 3
    extra = {"section", "details", "summary", "article", "h3", "h4", "dl", "dt", "dd", "ol", "pre", "caption"}
    assert {tag for tag, _ in found.elements} - plain <= extra
    assert "<script>alert(1)</script>" in found.text
    assert "{{ 7 * 7 }}" in found.text
    (data,) = (data for tag, attrs, data in found.raw if attrs.get("id") == "data")
    assert len(json.loads(data)["nodes"]) == len(hostile.nodes)
    html.page(report_of(hostile.facts())).encode()


def test_headings_and_links_lead_somewhere(troubled):
    found = Page(html.page(report_of(troubled.facts())))
    places = [attrs["id"] for _, attrs in found.elements if "id" in attrs]
    assert len(places) == len(set(places))
    assert {attrs["href"][1:] for tag, attrs in found.elements if tag == "a"} <= set(places)


def test_it_stays_small(simulated):
    fixed = sum(len(html._file(name)) for name in ("page.css", "page.js", "vendor.min.js"))
    assert fixed + MOST_BYTES * 4 // 3 + 200_000 < 1_000_000
    few, many = (html.page(report_of(simulated(items, seconds=0.01).facts())) for items in (100, 10_000))
    assert len(many) - len(few) < 10_000 * 5


@pytest.mark.slow
def test_a_thousand_nodes_fit(hostile):
    (node, row), hostile.nodes, hostile.rows = (hostile.nodes[1], hostile.rows[1]), [], []
    for number in range(1000):
        name = f"a node with a longer name {number}"
        hostile.nodes.append(replace(node, id=name))
        hostile.rows.append(replace(row, node=name, state="ok", tried=()))
    text = html.page(report_of(hostile.facts()))
    assert len(text) < 1_000_000
    assert "800 more rows were left out" in Page(text).text


def test_who_lacks_the_extra_is_told(simulated, monkeypatch):
    html._template.cache_clear()
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(MissingExtra, match=re.escape("pip install 'batchmill[report]'")):
        html.page(report_of(simulated(1).facts()))
    html._template.cache_clear()


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None, reason="Chromium is not installed")
@pytest.mark.parametrize("kind", ["troubled", "hostile"])
def test_a_browser_draws_it_and_has_nothing_to_complain_of(kind, request, tmp_path):
    run = request.getfixturevalue(kind)
    if kind == "troubled":
        run.nodes.append(replace(run.nodes[0], id="then", batch=False, visits=[]))
        run.more["limits"] = [LimitStep(0.1, "api", 8, None, "begin"), LimitStep(1.0, "api", 4, 2.5, "429")]
    file = tmp_path / "report.html"
    file.write_text(html.page(report_of(run.facts())))
    done = subprocess.run(
        [
            BROWSER, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}",
            "--enable-logging=stderr", "--virtual-time-budget=5000", "--dump-dom", file.as_uri(),
        ],
        capture_output=True, text=True, timeout=100, cwd=tmp_path, check=True,
    )  # fmt: skip
    assert "CONSOLE" not in done.stderr, done.stderr
    drawn, _, _ = done.stdout.partition('id="data"')
    assert "data-ready" in drawn
    assert "NaN" not in drawn
    assert not re.search("<g[^>]*aria-label", drawn)
    if kind == "troubled":
        charts = re.findall(r'<(?:svg|canvas)[^>]*aria-label="([^"]*)"', drawn)
        assert [one.split(" of size")[0] for one in charts if "size" in one] == [
            "Where the slot time", "Items a second", "Items", "How busy each slot",
            "Calls refused by size over time", "The state of every item",
            "Histogram of the durations",
        ]  # fmt: skip
        assert "How many at once the limit api allowed, over time" in charts
        assert "The nodes and their edges" in charts
