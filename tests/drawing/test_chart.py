"""Charts: values where they belong, round numbers on axes, labels that do not cover one another."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree

import pytest

from batchmill.drawing.chart import Scale, apart, curve, dot, grid
from batchmill.drawing.svg import picture


def test_values_are_at_their_share_of_the_way():
    assert Scale(0, 10, 100, 200).at(5) == 150
    assert Scale(1, 100, 0, 200, log=True).at(10) == pytest.approx(100)
    assert Scale(0, 10, 300, 100).at(10) == 100  # upwards on a screen


def test_what_is_outside_is_at_the_edge():
    scale = Scale(1, 10, 0, 100, log=True)
    assert (scale.at(0), scale.at(1e9)) == (0, pytest.approx(100))


@pytest.mark.parametrize(
    ("scale", "wanted"),
    [
        (Scale(0, 8.1, 0, 1), [0, 2, 4, 6, 8]),
        (Scale(1, 3000, 0, 1, log=True), [1, 10, 100, 1000]),
        (Scale(0.03, 2.5, 0, 1, log=True), [0.05, 0.1, 0.2, 0.5, 1, 2]),
        (Scale(1e-6, 1e9, 0, 1, log=True), [1e-6, 1e-4, 1e-2, 1, 1e2, 1e4, 1e6, 1e8]),
    ],
)
def test_ticks_are_round_and_few(scale, wanted):
    assert scale.ticks() == pytest.approx(wanted)


def test_samples_are_as_far_apart_as_they_look():
    assert Scale(1, 100, 0, 1, log=True).between(3) == pytest.approx([1, 10, 100])
    assert Scale(0, 10, 0, 1).between(3) == [0, 5, 10]


def test_labels_keep_their_order_and_their_distance():
    assert apart([10, 12, 50, 11], 15) == [10, 40, 55, 25]


def test_parts_are_elements_and_texts_stay_texts():
    across, up = Scale(0, 10, 0, 100), Scale(0, 1, 100, 0)
    parts = [
        *grid(across, up, str, lambda y: f"<{y}>"),
        curve([(0, 0), (1, 1.5)], "thread-line"),
        dot(1, 2, "thread", "<b>"),
    ]
    tree = ElementTree.fromstring(picture(100, 100, "x", parts, " "))  # noqa: S314  # our own text
    assert tree.find(".//{*}path").get("d") == "M0.0 0.0L1.0 1.5"
    assert tree.find(".//{*}circle/{*}title").text == "<b>"
