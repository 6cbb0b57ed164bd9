"""The picture of a session: what a terminal shows, drawn so that it moves and ends with its last frame."""

import importlib.util
import re
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

DOCS = Path(__file__).parents[2] / "docs"
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def moving_picture():
    spec = importlib.util.spec_from_file_location("moving_picture", DOCS / "moving_picture.py")
    module = sys.modules["moving_picture"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    del sys.modules["moving_picture"]


def texts(svg):
    return [one.text for one in ElementTree.fromstring(svg).iter(f"{SVG}text")]  # noqa: S314  # our own


def test_a_screen_shows_what_a_terminal_does(moving_picture):
    screen = moving_picture.Screen()
    screen.feed("$ abd\bc\r\n\x1b[?25lmap \x1b[32m1/9\x1b[0m!")
    screen.feed("\r\x1b[2K\x1b[38;5;237m━\x1b[0m \x1b[32m2/9\x1b[0m")
    rows = ["".join(character for character, _ in row) for row in screen.shown()]
    assert rows == ["$ abc", "━ 2/9"]
    assert screen.shown()[1][0] == ("━", "rest")
    assert screen.shown()[1][2] == ("2", "count")
    screen.feed("\x1b[1A\rx\x1b[K")
    assert screen.line == "x"


def test_each_version_of_a_line_is_there_for_its_time(moving_picture):
    def row(text):
        return tuple((character, "") for character in text)

    frames = [(7.0, (row("$ a"),)), (7.5, (row("$ ab"),)), (99.0, (row("$ ab"), row("  Killed & <gone>")))]
    svg = moving_picture.drawn(frames, "a title", {"<gone>": "note"})
    assert texts(svg) == ["$ a", "$ ab", "Killed & <gone>", "note"]
    length = 0.5 + moving_picture.IDLE + moving_picture.HOLD
    assert f"animation:{length:.2f}s step-end" in svg
    first = f"{100 * 0.5 / length:.2f}%{{visibility:hidden}}"
    assert f"@keyframes k0{{0.00%{{visibility:visible}}{first}}}" in svg
    assert re.findall(r'<g id="(v\d)"( class="off")?>', svg) == [
        ("v0", ' class="off"'),
        ("v1", ""),
        ("v2", ""),
    ]


def test_the_picture_of_readme_moves_and_can_be_read_without_moving():
    picture = (DOCS / "pictures" / "resume.svg").read_text()
    assert len(picture) < 100_000
    assert "prefers-reduced-motion" in picture
    assert "prefers-color-scheme: dark" in picture
    last = re.sub(r'<g id="v\d+" class="off">.*?</g>', "", picture)
    assert last.count("<g ") < 20 < picture.count("<g ")
    shown = "\n".join(texts(last))
    for part in ("batchmill map", "Killed", "kill -9", "batchmill resume", "40/40", " kept, ", "40 labels"):
        assert part in shown
