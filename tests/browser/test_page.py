"""Pages of runs of many kinds, in a browser: with scripts and without, light and dark, narrow and wide."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from batchmill.journal.journal import Journal
from batchmill.journal.reading import Reader
from batchmill.report.aggregate import report_of
from batchmill.report.of_journal import facts_of

READY = "'ready' in document.documentElement.dataset"
HOSTILE = [
    "<script>alert(1)</script>", "</script><script>alert(1)</script>", "<img src=x onerror=alert(1)>",
    "\" onmouseover=\"alert(1)", "' onfocus='alert(1)", "javascript:alert(1)", "<svg onload=alert(1)>",
    "<!--", "]]>", "{{ 7 * 7 }}", "\u202egnp.exe", "\u2028alert(1)", "日本語 🚀", "\x1b[31mred", "a\tb\nc",
    "&lt;b&gt;",
]  # fmt: skip
HALF = """
assert n % 50, f"bad {n}"
result = n / 2
"""
FLAKY = """
import pathlib
from batchmill.errors import NodeError
seen = pathlib.Path(f"seen-{n}")
if n % 7 == 3 and not seen.exists():
    seen.touch()
    raise NodeError("slow down", refused=True, retry_after=0.05, outputs={"status_code": 429})
assert n % 11, f"page {n} has no title"
result = n
"""


def code(name: str, text: str, items: object, **batch: object) -> dict[str, object]:
    node = {"id": name, "type": "code", "params": {"code": text, "inputs": {"n": "${n}"}}}
    batch = {"error_handling": "continue", "executor": "thread", **batch}
    return {**node, "batch": {"items": items, "as": "n", **batch}}


ADAPTIVE = {"max_concurrent": "auto", "max_retries": 3, "retry_wait": 0.01}
SAME = "result = n"
DOCUMENTS: dict[str, list[dict[str, object]]] = {
    "many": [code("half", HALF, {"range": [3000]})],
    "hostile": [code("raise", "raise ValueError(n)", HOSTILE)],
    "refused": [
        code("fetch", FLAKY, {"range": [60]}, **ADAPTIVE),
        code("store", SAME, {"range": [20]}, rate_limit={"per_second": 200}),
    ],
    "streaming": [
        code("first", SAME, {"range": [200]}),
        code("second", SAME, "${first.results}", stream=True),
    ],
    "no-batch": [{"id": "no", "type": "shell", "params": {"command": "echo lost >&2; exit 4"}}],
}
LOOKS = {
    "light": {},
    "dark": {"dark": True},
    "narrow": {"width": 400},
    "wide": {"width": 1600, "dark": True},
}


@pytest.fixture
def page_of(batchmill_command, tmp_path):
    """``page_of(kind)``: the page of a run, and its report."""

    def made(kind: str):
        (tmp_path / "flow.json").write_text(json.dumps({"nodes": DOCUMENTS[kind]}))
        exit_code, _, err = batchmill_command("run", "flow.json", "-q")
        assert exit_code in (0, 1, 3), err
        assert batchmill_command("report", "-o", "r.html")[0] == 0
        with Reader(Journal(tmp_path / ".batchmill" / "runs.sqlite")) as reader:
            return tmp_path / "r.html", report_of(facts_of(reader, reader.run("last")))

    return made


@pytest.mark.parametrize("kind", DOCUMENTS)
def test_a_page_is_well_however_it_is_looked_at(kind: str, browser, axe, page_of) -> None:
    path, report = page_of(kind)
    for look, settings in LOOKS.items():
        with browser.page(path.as_uri(), ready=READY, **settings) as page:
            page.run("document.querySelectorAll('details').forEach((one) => { one.open = true })")
            assert page.violations(axe) == [], look
            assert page.run("document.documentElement.scrollWidth <= innerWidth"), f"{look}: wider than it is"
            assert page.run("document.body.innerText.includes('NaN')") is False
            page.look()
            assert (page.requests, page.faults, page.run("window.ran")) == ([], [], 0), look
            drawn = page.run("document.querySelectorAll('.chart svg, .chart canvas').length")
            assert drawn > len(report.items), "a strip for each batch, and more"
    with browser.page(path.as_uri(), scripts=False) as page:
        assert (page.requests, page.faults) == ([], [])


def test_a_page_says_the_same_without_its_script(browser, page_of) -> None:
    path, report = page_of("many")
    whole = path.read_text()
    bare = path.with_name("bare.html")
    bare.write_text(re.sub(r"<script>.*?</script>", "", whole, flags=re.DOTALL))
    with browser.page(path.as_uri(), ready=READY) as page:
        tables = page.run(TABLES)
    with browser.page(bare.as_uri()) as page:
        assert page.run(TABLES) == tables
        assert page.run("document.querySelectorAll('[data-chart]:not([hidden])').length") == 0
    assert f"{report.counts['failed']:,}" in json.dumps(tables)


LEGEND = "document.querySelectorAll('[data-chart] .legend rect')"
TABLES = "[...document.querySelectorAll('table')].map((one) => one.innerText)"


def test_values_of_items_are_shown_and_never_run(browser, page_of) -> None:
    path, report = page_of("hostile")
    assert report.failed == len(HOSTILE)
    with browser.page(path.as_uri(), ready=READY) as page:
        page.run("document.querySelectorAll('details').forEach((one) => { one.open = true })")
        page.run("document.querySelectorAll('*').forEach((one) => one.dispatchEvent(new Event('mouseover')))")
        page.look()
        assert (page.run("window.ran"), page.requests, page.faults) == (0, [], [])
        assert (
            page.run("document.querySelectorAll('main script, main img, [onmouseover], [onload]').length")
            == 0
        )
        shown = page.run("document.body.innerText")
    for value in (
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "日本語 🚀",
        "{{ 7 * 7 }}",
        "&lt;b&gt;",
    ):
        assert value in shown


def test_failures_can_be_told_from_the_rest_without_colours(browser, page_of) -> None:
    path, _ = page_of("many")
    with browser.page(path.as_uri(), ready=READY, sees="achromatopsia") as page:
        fills = page.run(f"[...{LEGEND}].map((one) => one.getAttribute('fill'))")
        assert {"var(--s0)", "url(#mark7)"} <= set(fills)
        assert page.run("document.querySelectorAll('#mark7 line').length") == 2
        for part in ("[data-chart=timeline] rect[fill*=mark7]", "[data-chart=histograms] rect[fill*=mark7]"):
            assert page.run(f"document.querySelectorAll('{part}').length") > 0, part


def test_two_runs_against_each_other(browser, axe, page_of, batchmill_command) -> None:
    page_of("many")
    path, _ = page_of("many")
    assert batchmill_command("report", "--against", "last", "-o", str(path))[0] == 0
    with browser.page(path.as_uri(), ready=READY) as page:
        assert page.violations(axe) == []
        assert "No item in both runs ended differently" in page.run("document.body.innerText")


def test_the_picture_of_a_benchmark_stands_by_itself(browser, batchmill_command, tmp_path: Path) -> None:
    command = ("bench", "--workloads", "waiting", "--executors", "sequential,thread", "--scale", "0.02", "-q")
    assert batchmill_command(*command, "--repeat", "1", "--plot", "bench.svg")[0] == 0
    with browser.page((tmp_path / "bench.svg").as_uri()) as page:
        assert (page.requests, page.faults) == ([], [])
        assert page.run("document.documentElement.tagName") == "svg"
        assert page.run("document.querySelectorAll('rect').length") > 2
