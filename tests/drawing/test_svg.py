"""Parts of pictures: well-formed whatever they are given, and as long as what they stand for."""

import xml.etree.ElementTree as ElementTree

import pytest

from batchmill.drawing.palette import GROUND, MARKS, classes, variables
from batchmill.drawing.svg import bar, element, picture, spread, swatch, text, ticks

SVG = "{http://www.w3.org/2000/svg}"


def parsed(*parts, style=" "):
    return ElementTree.fromstring(picture(100, 20, 'a "b" <c>', parts, style))  # noqa: S314  # our own text


def test_texts_stay_texts():
    tree = parsed(text(1, 2, "<script>&'\"", size=10), element("g", {"class": "\"><x y='"}))
    assert tree.get("aria-label") == 'a "b" <c>'
    assert [one.text for one in tree.iter(f"{SVG}text")] == ["<script>&'\""]
    assert [one.get("class") for one in tree.iter(f"{SVG}g")] == ["\"><x y='"]


def test_segments_lie_side_by_side_and_what_is_nothing_is_not_drawn():
    tree = parsed(bar(10, 0, 20, 2, [("s0", 5, "five"), ("s1", 0, "none"), ("s2", 2.5, "")]))
    rects = list(tree.iter(f"{SVG}rect"))[1:]
    assert [(one.get("class"), one.get("x"), one.get("width")) for one in rects] == [
        ("s0", "10", "10"),
        ("s2", "20", "5"),
    ]
    assert [one.text for one in tree.iter(f"{SVG}title")] == ["five"]


def test_large_numbers_keep_their_digits():
    assert 'x="1234567.89"' in element("rect", {"x": 1234567.891})


def test_a_picture_in_a_page_takes_its_colours_from_there():
    within = picture(100, 20, "x", [swatch("s0"), spread(1, 2, 3)])
    assert "<style" not in within
    assert " width=" not in within.partition(">")[0]


def test_every_colour_is_there_in_light_and_in_dark():
    light, dark = variables().split("prefers-color-scheme: dark")
    for name, (by_day, by_night) in {**GROUND, **MARKS}.items():
        assert f"--{name}: {by_day};" in light
        assert f"--{name}: {by_night};" in dark
    assert ".thread { fill: #25c8ff }" in classes(["thread"])


def contrast(first, second):
    """That of WCAG 2."""

    def luminance(colour):
        parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        linear = [one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    dark, light = sorted((luminance(first), luminance(second)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("place", [0, 1])
def test_texts_can_be_read_on_every_ground(place):
    for name in ("text", "faint", "link"):
        for ground in ("page", "raised"):
            assert contrast(GROUND[name][place], GROUND[ground][place]) >= 4.5, (name, ground)


@pytest.mark.parametrize(
    ("longest", "wanted"),
    [(4.8, [0, 1, 2, 3, 4]), (8.14, [0, 2, 4, 6, 8]), (0.31, [0, 0.1, 0.2, 0.3]), (70, [0, 20, 40, 60])],
)
def test_ticks_are_round(longest, wanted):
    assert ticks(longest) == wanted
