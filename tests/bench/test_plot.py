"""The picture: well-formed, readable without explanation, everything in it."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from dataclasses import replace

import pytest

from batchmill.bench.plot import page, svg
from batchmill.report.pictures import COLOURS

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def comparison(compared, costs):
    def call(**more):
        machine = {
            "sequential": costs(start=0.02, per_item=0.006, item=0.006),
            "process": costs(start=0.2, per_item=0.0031, item=0.006, workers=2),
        }
        return replace(compared(machine, **more)[0], workload="a < b & c")

    return call


def drawn(*comparisons):
    return ElementTree.fromstring(svg(comparisons, "Linux, 2 cores."))  # noqa: S314  # our own text


def texts(tree):
    return ["".join(element.itertext()) for element in tree.iter(f"{SVG}text")]


def test_it_says_what_is_drawn(comparison):
    told = texts(drawn(comparison()))
    assert "How long a < b & c takes" in told
    assert "a < b & c: 300 items, measured with 10, 100 and 300 in 1 round" in told
    assert "1.13 s, 1.6 × faster, from 77 items on" in told
    assert "Seconds over the number of items" in told
    assert "your 300 items" in told
    assert "process is faster from 77 items on" in told


def test_bars_have_the_start_apart_in_the_colour_of_a_report(comparison):
    bars = [rect for rect in drawn(comparison()).iter(f"{SVG}rect") if rect.find(f"{SVG}title") is not None]
    assert [bar.get("class") for bar in bars] == [COLOURS["start"], "sequential", COLOURS["start"], "process"]
    lengths = [float(bar.get("width")) for bar in bars]
    assert lengths[2] == pytest.approx(10 * lengths[0], abs=0.2)
    assert lengths[1] == pytest.approx(1.8 / 0.93 * lengths[3], abs=0.5)


def test_a_spread_is_drawn_of_several_rounds_only(comparison):
    one, three = svg([comparison()], ""), svg([comparison(rounds=3)], "")
    assert "spans the fastest and slowest round" in three
    assert "spans" not in one


def test_the_curve_goes_through_what_was_measured(comparison):
    tree = drawn(comparison())
    dots = list(tree.iter(f"{SVG}circle"))
    assert [dot.get("class") for dot in dots] == ["sequential"] * 3 + ["process"] * 3
    assert [path.get("class") for path in tree.iter(f"{SVG}path")] == ["sequential-line", "process-line"]
    assert "100 items: measured 310 ms and start 200 ms" in dots[4].find(f"{SVG}title").text


def test_several_jobs_have_a_curve_with_what_each_gets_done(comparison):
    told = texts(drawn(comparison(jobs=(1, 2))))
    assert "97 %" in told
    assert any("so many times as fast as under sequential" in text for text in told)
    assert not any("so many times" in text for text in texts(drawn(comparison())))


def test_nothing_is_drawn_outside(comparison):
    tree = drawn(comparison(jobs=(1, 2), builds={"a": "CPython 3.11", "b": "PyPy 3.11"}), comparison())
    width, height = (float(tree.get(side)) for side in ("width", "height"))
    for element in tree.iter():
        for name, most in (("x", width), ("y", height), ("cx", width), ("cy", height), ("y2", height)):
            assert 0 <= float(element.get(name, 0)) <= most
    assert {"CPython 3.11", "PyPy 3.11"} <= set(texts(tree))


def test_it_has_colours_for_light_and_dark_and_for_each_executor(comparison):
    light, dark = svg([comparison()], "").split("prefers-color-scheme: dark")
    for executor in ("sequential", "thread", "process", "auto", "dask"):
        for part in (light, dark):
            assert f".{executor} {{ fill" in part
            assert f".{executor}-line {{ stroke" in part


def test_a_document_without_items_has_bars_alone(comparison):
    told = texts(drawn(comparison(items=0, counts=())))
    assert not any("over the number" in text for text in told)


def test_the_page_has_the_picture_and_the_advice_and_fetches_nothing(comparison):
    text = page([comparison()], "Linux")
    assert "<svg" in text
    assert "For your 300 items: process" in text
    assert "src=" not in text
    assert "href=" not in text
