"""Colours of states can be told apart, whatever colours an eye can see.

How a person sees is simulated as by Machado, Oliveira and Fernandes (2009), all cones of a kind gone; how far
apart two colours are is CIEDE2000, where 2 is seen at a glance side by side and 10 across a page."""

from __future__ import annotations

import math
from itertools import combinations

import pytest

from batchmill.drawing.palette import EXECUTORS, GROUND, MARKS
from batchmill.report.rows import FAILURES, STATES

VISIONS = {
    "all": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "protanopia": (
        (0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998),
    ),
    "deuteranopia": (
        (0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.011820, 0.042940, 0.968881),
    ),
    "tritanopia": (
        (1.255528, -0.076749, -0.178779), (-0.078411, 0.930809, 0.147602), (0.004733, 0.691367, 0.303900),
    ),
}  # fmt: skip
LEAST = 12.0  # between any two states
LEAST_OF_FAILURES = 20.0  # between one that failed and one that did not, but for those that were cut short
CUT_SHORT = {"cancelled", "degraded", "kept"}


def seen(colour: str, vision: str) -> list[float]:
    """Linear red, green and blue, 0 to 1."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    light = [one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in parts]
    return [
        min(1.0, max(0.0, sum(a * b for a, b in zip(row, light, strict=True)))) for row in VISIONS[vision]
    ]


def lab(rgb: list[float]) -> tuple[float, float, float]:
    red, green, blue = rgb
    tristimulus = (
        (0.4124564 * red + 0.3575761 * green + 0.1804375 * blue) / 0.95047,
        0.2126729 * red + 0.7151522 * green + 0.0721750 * blue,
        (0.0193339 * red + 0.1191920 * green + 0.9503041 * blue) / 1.08883,
    )
    x, y, z = (one ** (1 / 3) if one > (6 / 29) ** 3 else one * 841 / 108 + 4 / 29 for one in tristimulus)
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


def distance(one: tuple[float, float, float], other: tuple[float, float, float]) -> float:
    """CIEDE2000, as Sharma, Wu and Dalal (2005) write it down."""
    (l1, a1, b1), (l2, a2, b2) = one, other
    mean = ((math.hypot(a1, b1) + math.hypot(a2, b2)) / 2) ** 7
    wider = 1.5 - 0.5 * math.sqrt(mean / (mean + 25**7))
    c1, c2 = math.hypot(a1 * wider, b1), math.hypot(a2 * wider, b2)
    h1, h2 = (math.degrees(math.atan2(b, a * wider)) % 360 for a, b in ((a1, b1), (a2, b2)))
    turn = ((h2 - h1 + 180) % 360 - 180) if c1 * c2 else 0.0
    if c1 * c2 == 0:
        hue = h1 + h2
    else:
        hue = (h1 + h2) / 2 if abs(h1 - h2) <= 180 else (h1 + h2 + (360 if h1 + h2 < 360 else -360)) / 2
    light, chroma = (l1 + l2) / 2, (c1 + c2) / 2

    def cosine(degrees: float) -> float:
        return math.cos(math.radians(degrees))

    weight = (
        1 - 0.17 * cosine(hue - 30) + 0.24 * cosine(2 * hue) + 0.32 * cosine(3 * hue + 6)
        - 0.20 * cosine(4 * hue - 63)
    )  # fmt: skip
    d_light = (l2 - l1) / (1 + 0.015 * (light - 50) ** 2 / math.sqrt(20 + (light - 50) ** 2))
    d_chroma = (c2 - c1) / (1 + 0.045 * chroma)
    d_hue = 2 * math.sqrt(c1 * c2) * math.sin(math.radians(turn / 2)) / (1 + 0.015 * chroma * weight)
    rotation = -2 * math.sqrt(chroma**7 / (chroma**7 + 25**7))
    rotation *= math.sin(math.radians(60 * math.exp(-(((hue - 275) / 25) ** 2))))
    return math.sqrt(d_light**2 + d_chroma**2 + d_hue**2 + rotation * d_chroma * d_hue)


@pytest.mark.parametrize(
    ("one", "other", "known"),
    [
        ((50.0, 2.6772, -79.7751), (50.0, 0.0, -82.7485), 2.0425),
        ((50.0, 2.5, 0.0), (50.0, 0.0, -2.5), 4.3065),
        ((60.2574, -34.0099, 36.2677), (60.4626, -34.1751, 39.4387), 1.2644),
        ((2.0776, 0.0795, -1.135), (0.9033, -0.0636, -0.5514), 0.9082),
    ],
)
def test_the_distance_is_that_of_the_published_pairs(one, other, known) -> None:
    assert distance(one, other) == pytest.approx(known, abs=1e-4)


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize("vision", VISIONS)
def test_states_can_be_told_apart(vision: str, scheme: int) -> None:
    colours = {state: lab(seen(MARKS[f"s{code}"][scheme], vision)) for code, state in enumerate(STATES)}
    for one, other in combinations(STATES, 2):
        apart = distance(colours[one], colours[other])
        assert apart >= LEAST, f"{one} and {other}: {apart:.1f}"
        if (one in FAILURES) != (other in FAILURES) and not CUT_SHORT & {one, other}:
            assert apart >= LEAST_OF_FAILURES or "retried" in (one, other), f"{one}, {other}: {apart:.1f}"


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize("vision", VISIONS)
def test_what_is_drawn_can_be_told_from_the_page(vision: str, scheme: int) -> None:
    page = lab(seen(GROUND["page"][scheme], vision))
    for name in MARKS:
        # a cell of an item that was never run is nearly nothing, and should look like it
        least = 7.0 if name == f"s{STATES.index('not run')}" else LEAST
        assert distance(lab(seen(MARKS[name][scheme], vision)), page) >= least, name


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize("vision", VISIONS)
def test_executors_can_be_told_apart(vision: str, scheme: int) -> None:
    colours = [lab(seen(MARKS[mark][scheme], vision)) for mark in EXECUTORS.values()]
    assert min(distance(one, other) for one, other in combinations(colours, 2)) >= LEAST
