"""The colours of everything that is drawn, in light and in dark, by name.

Those of marks are told apart by people who see few colours too (Okabe and Ito's set, and grays between)."""

from __future__ import annotations

from collections.abc import Iterable

Colours = dict[str, tuple[str, str]]  # by name, in light and in dark

GROUND: Colours = {
    "text": ("#1f2328", "#e6edf3"), "faint": ("#59636e", "#9198a1"), "page": ("#ffffff", "#0d1117"),
    "line": ("#d1d9e0", "#30363d"), "raised": ("#f3f5f7", "#161b22"), "link": ("#0550ae", "#79b8ff"),
}  # fmt: skip
MARKS: Colours = {
    "s0": ("#009e73", "#009e73"), "s1": ("#7a8794", "#7a8794"), "s2": ("#aab4be", "#56606b"),
    "s3": ("#56b4e9", "#56b4e9"), "s4": ("#b8a600", "#b8a600"), "s5": ("#e3e7eb", "#21262d"),
    "s6": ("#8c959f", "#8c959f"), "s7": ("#d55e00", "#d55e00"), "s8": ("#e69f00", "#e69f00"),
    "s9": ("#cc79a7", "#cc79a7"),
}  # fmt: skip
"""``s0`` to ``s9`` stand for the states of items, by their number."""
EXECUTORS = {"sequential": "s6", "thread": "s3", "process": "s8", "auto": "s0", "dask": "s9"}
DARK = "@media (prefers-color-scheme: dark)"
FONT = 'font-family: system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif'


def variables() -> str:
    """Style of a page: each colour as a variable."""
    light, dark = (
        " ".join(f"--{name}: {pair[place]};" for name, pair in {**GROUND, **MARKS}.items())
        for place in (0, 1)
    )
    return f":root {{ color-scheme: light dark; {light} }}\n{DARK} {{ :root {{ {dark} }} }}\n"


def classes(marks: Iterable[str]) -> str:
    """Style of a picture by itself: a class for each of ``marks``, which are executors or names of colours.
    Not everything that shows pictures knows variables."""
    known = tuple(marks)

    def rules(place: int) -> str:
        fills = {name: MARKS[EXECUTORS.get(name, name)] for name in known}
        fills |= {name: GROUND[name] for name in ("page", "text", "faint")}
        filled = " ".join(f".{name} {{ fill: {pair[place]} }}" for name, pair in fills.items())
        line, spread = GROUND["line"][place], GROUND["text"][place]
        return f"{filled} .line {{ stroke: {line} }} .spread {{ stroke: {spread} }}"

    return f"{rules(0)}\ntext {{ {FONT} }}\n{DARK} {{ {rules(1)} }}\n"
