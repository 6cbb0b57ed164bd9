"""Parts of pictures, as the text of SVG elements. Texts in arguments are escaped."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from html import escape

Value = str | float


def element(name: str, attributes: dict[str, Value], *children: str) -> str:
    """An element around ``children``, which are elements themselves or :func:`escaped <html.escape>`
    texts."""
    told = "".join(f' {key}="{_value(value)}"' for key, value in attributes.items())
    inside = "".join(children)
    return f"<{name}{told}>{inside}</{name}>" if inside else f"<{name}{told}/>"


def _value(value: Value) -> str:
    """A number without more digits than can be seen."""
    return escape(value) if isinstance(value, str) else f"{value:.2f}".rstrip("0").rstrip(".")


def picture(width: float, height: float, label: str, body: Iterable[str], style: str = "") -> str:
    """A picture; ``label`` describes it for people who cannot see it. With a ``style`` it stands alone, with
    its own size and background; without one it is part of a page, as wide as there is room."""
    size: dict[str, Value] = {"viewBox": f"0 0 {width:g} {height:g}"}
    if not style:
        return element("svg", {**size, "role": "img", "aria-label": label}, *body)
    own: dict[str, Value] = {"xmlns": "http://www.w3.org/2000/svg", **size, "width": width, "height": height}
    ground = element("rect", {"class": "page", "width": width, "height": height})
    lines = [f"<style>\n{style}</style>", ground, *body]
    return element("svg", {**own, "role": "img", "aria-label": label}, "\n".join(["", *lines, ""])) + "\n"


def text(
    x: float,
    y: float,
    words: str,
    *,
    size: int,
    kind: str = "text",
    weight: str = "400",
    anchor: str = "start",
) -> str:
    """A line of text at a place; ``kind`` is a class, ``size`` in pixels."""
    place: dict[str, Value] = {"class": kind, "x": x, "y": y, "font-size": size, "font-weight": weight}
    return element("text", {**place, "text-anchor": anchor}, escape(words))


Segment = tuple[str, float, str]
"""A part of a bar: the class of its colour, its size, and its text when pointed at."""


def bar(x: float, y: float, height: float, scale: float, segments: Sequence[Segment], rx: float = 0) -> str:
    """A bar of segments side by side from ``x`` on; each is ``scale`` pixels long per unit."""
    drawn: list[str] = []
    for kind, amount, words in segments:
        width = amount * scale
        if width > 0:
            shape: dict[str, Value] = {"class": kind, "x": x, "y": y, "width": width, "height": height}
            title = [element("title", {}, escape(words))] if words else []
            drawn.append(element("rect", {**shape, "rx": rx} if rx else shape, *title))
        x += width
    return "".join(drawn)


def spread(least: float, most: float, middle: float) -> str:
    """A line from ``least`` to ``most`` with an end at each, at the height ``middle``."""
    ends = "".join(f"M{end:.1f} {middle - 4:g}v8" for end in (least, most))
    line = f"M{least:.1f} {middle:g}H{most:.1f}{ends}"
    return element("path", {"class": "spread", "fill": "none", "stroke-width": 1.5, "d": line})


def swatch(kind: str, size: float = 12) -> str:
    """A colour for a legend, as a picture without text of its own."""
    shape: dict[str, Value] = {"class": kind, "width": size, "height": size}
    return element("svg", {"width": size, "height": size, "aria-hidden": "true"}, element("rect", shape))


def ticks(longest: float) -> list[float]:
    """Three to six round numbers from 0 to no more than ``longest``."""
    rough = longest / 5
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough)
    return [round(step * number, 10) for number in range(int(longest / step + 1e-9) + 1)]
