"""The colours of all drawings, in light and in dark, by name.

Colours of marks must also differ for people with colour vision deficiency. So a search made each two of the
ten differ as much as possible, for such eyes too, and above all failed items from others. A test enforces it.
"""

from __future__ import annotations

from collections.abc import Iterable

Colours = dict[str, tuple[str, str]]  # by name, in light and in dark

GROUND: Colours = {
    "text": ("#1f2328", "#e6edf3"), "faint": ("#59636e", "#9198a1"), "page": ("#ffffff", "#0d1117"),
    "line": ("#d1d9e0", "#30363d"), "raised": ("#f3f5f7", "#161b22"), "link": ("#0550ae", "#79b8ff"),
}  # fmt: skip
MARKS: Colours = {
    "s0": ("#14806a", "#1f856d"), "s1": ("#424d6d", "#7f89a5"), "s2": ("#9ba2a8", "#485667"),
    "s3": ("#25c8ff", "#26c2ff"), "s4": ("#83781d", "#fcf9a0"), "s5": ("#dadee0", "#262b39"),
    "s6": ("#17181c", "#a3a4a6"), "s7": ("#641404", "#c32109"), "s8": ("#f9a234", "#ffa403"),
    "s9": ("#c411d5", "#e6cbd8"),
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
    """The style of a standalone picture: a class for each of ``marks``, which are executors or names of
    colours, and one with ``-line`` after its name for lines. Some viewers of pictures do not know variables.
    """
    known = tuple(marks)

    def rules(place: int) -> str:
        fills = {name: MARKS[EXECUTORS.get(name, name)] for name in known}
        fills |= {name: GROUND[name] for name in ("page", "text", "faint")}
        filled = " ".join(f".{name} {{ fill: {pair[place]} }}" for name, pair in fills.items())
        # lines of charts have the colours of their marks
        filled += " " + " ".join(
            f".{name}-line {{ stroke: {MARKS[EXECUTORS.get(name, name)][place]} }}" for name in known
        )
        line, spread = GROUND["line"][place], GROUND["text"][place]
        return f"{filled} .line {{ stroke: {line} }} .spread {{ stroke: {spread} }}"

    return f"{rules(0)}\ntext {{ {FONT} }}\n{DARK} {{ {rules(1)} }}\n"
