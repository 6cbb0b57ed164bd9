"""The picture: well-formed, readable without explanation, everything in it."""

import xml.etree.ElementTree as ElementTree

import pytest

from batchmill.bench.advice import Advice
from batchmill.bench.case import Case
from batchmill.bench.compare import Comparison
from batchmill.bench.figures import Figures, Spread
from batchmill.bench.plot import page, svg

SVG = "{http://www.w3.org/2000/svg}"


def figures(executor, wall, build="CPython 3.11", speedup=None, same=True):
    case = Case(executor, None, "python", build)
    spread = Spread(wall, wall * 0.9, wall * 1.2)
    speed = Spread(speedup, speedup, speedup) if speedup else None
    return Figures(
        case,
        "process",
        2,
        "why",
        200,
        "success",
        spread,
        spread,
        50 << 20,
        10.0,
        0.1,
        0.2,
        0.001,
        speed,
        same,
    )


COMPARISON = Comparison(
    "a < b & c",
    "",
    [
        figures("sequential", 4.0, speedup=1.0),
        figures("thread", 2.0, speedup=2.0),
        figures("auto", 1.0, same=False),
    ],
    Advice("thread", "Take thread: <fast>."),
)


def drawn(*comparisons):
    return ElementTree.fromstring(svg(comparisons or (COMPARISON,), "Linux, 2 cores."))  # noqa: S314  # our own text


def texts(tree):
    return ["".join(element.itertext()) for element in tree.iter(f"{SVG}text")]


def test_it_says_what_the_bars_are():
    told = texts(drawn())
    assert "How long a < b & c takes" in told
    assert "a < b & c, 200 items" in told
    assert "2 s, 2 × as fast" in told
    assert "1 s, chose process, other outputs" in told
    assert any("Shorter is better" in text for text in told)


def test_bars_are_as_long_as_their_seconds():
    bars = [rect for rect in drawn().iter(f"{SVG}rect") if rect.find(f"{SVG}title") is not None]
    lengths = [float(bar.get("width")) for bar in bars]
    assert lengths[0] == pytest.approx(2 * lengths[1], abs=0.2)
    assert lengths[1] == pytest.approx(2 * lengths[2], abs=0.2)
    assert [bar.get("class") for bar in bars] == ["sequential", "thread", "auto"]


def test_nothing_is_drawn_outside():
    tree = drawn()
    width, height = (float(tree.get(side)) for side in ("width", "height"))
    for element in tree.iter():
        assert 0 <= float(element.get("x", 0)) <= width
        assert 0 <= float(element.get("y", 0)) <= height


def test_it_has_colours_for_light_and_dark_and_for_each_executor():
    text = svg([COMPARISON], "")
    light, dark = text.split("prefers-color-scheme: dark")
    for executor in ("sequential", "thread", "process", "auto", "dask"):
        assert f".{executor} {{" in light
        assert f".{executor} {{" in dark


def test_interpreters_are_told_apart():
    several = Comparison(
        "w", "", [figures("thread", 1.0), figures("thread", 2.0, "PyPy 3.11")], Advice("thread", "x")
    )
    assert {"CPython 3.11", "PyPy 3.11"} <= set(texts(drawn(several)))


def test_the_page_has_the_picture_and_the_advice_and_fetches_nothing():
    text = page([COMPARISON], "Linux")
    assert "<svg" in text
    assert "Take thread: &lt;fast&gt;." in text
    assert "src=" not in text
    assert "href=" not in text
