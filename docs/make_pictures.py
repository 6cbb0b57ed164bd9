"""Make the pictures in ``pictures/``: a run that is killed and resumed, the page of a report, and what
``bench --plot`` draws.

    python docs/make_pictures.py           make them; the page of a report needs Chromium
    python docs/make_pictures.py --check   make them elsewhere, and exit with 1 where one comes out empty or
                                           otherwise in kind and size than the one that is there

They show runs that are made for it: times differ from one to the next, so they are not compared by bytes.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

from moving_picture import Step, drawn, record

PICTURES = Path(__file__).parent / "pictures"
WIDTH, HEIGHT = 1100, 1500
SHOWN_FOLDER = "/home/ada/pages"  # in place of the one that it was made in
LEAST_BYTES = 10_000  # of a picture on which there is something

# a service that answers in a tenth of a second, refuses one call in twenty and never answers some
ASKING = """
import random, time
from batchmill.errors import NodeError
chance = random.Random(f"{n} {time.time()}").random()
time.sleep(random.Random(n).lognormvariate(-3, 0.5))
if n % 97 == 13:
    raise ValueError(f"page {n} has no title")
if chance < 0.05:
    raise NodeError("too many requests", refused=True, retry_after=0.2, outputs={"status_code": 429})
result = n
"""
DOCUMENT = {
    "nodes": [
        {
            "id": "fetch",
            "type": "code",
            "params": {"code": ASKING, "inputs": {"n": "${n}"}},
            "batch": {
                "items": {"range": [600]}, "as": "n", "executor": "thread", "max_concurrent": 8,
                "error_handling": "continue", "max_retries": 4, "retry_wait": 0.1,
            },
        },
        {
            "id": "hash",
            "type": "shell",
            "params": {"command": "head -c 100000 /dev/zero | sha256sum"},
            "batch": {"items": {"range": [60]}, "as": "n", "executor": "thread", "max_concurrent": 2},
        },
    ],
    "edges": [{"from": "fetch", "to": "hash"}],
}  # fmt: skip
BENCH = ("--workloads", "hashing,waiting", "--jobs", "1,2", "--seconds", "40", "-q")


# each takes its time, as a question to a service would
LABEL = '#!/bin/sh\nsleep 0.4\necho "label of $1"\n'
KILLED_AT = 13  # items of 40
SESSION = (
    Step(
        "batchmill map --items range:1:41 -j 4 -- ./label {} > labels",
        killed=lambda line: (done := re.search(r"(\d+)/40", line)) is not None and int(done[1]) >= KILLED_AT,
    ),
    Step("batchmill resume > labels"),
    Step("wc -l labels"),
)
TITLE = (
    "batchmill map runs a command for 40 items and is killed after a third of them. "
    "batchmill resume keeps what was done and runs the rest."
)
SHOWN = ("Killed", "batchmill resume", " kept, ", "40 labels")  # in the session, in this order


def main(arguments: list[str]) -> int:
    """Make the pictures, or with ``--check`` see that they can be made; the exit code."""
    checking = arguments == ["--check"]
    makers: dict[str, Callable[[Path], None]] = {"resume.svg": _resume, "bench.svg": _bench}
    if _browser() is not None:
        makers["report.png"] = _report
    else:
        print("report.png is left out: it needs Chromium, which is not installed", file=sys.stderr)
    faults = []
    for name, make in makers.items():
        with tempfile.TemporaryDirectory() as folder:
            made = Path(folder) / name
            make(made)
            if checking:
                faults += [fault] if (fault := _fault(made)) else []
            else:
                PICTURES.mkdir(exist_ok=True)
                shutil.copy(made, PICTURES / name)
    for fault in faults:
        print(fault, file=sys.stderr)
    return 1 if faults else 0


def _browser() -> str | None:
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def _resume(picture: Path) -> None:
    folder = picture.parent
    (folder / "label").write_text(LABEL)
    (folder / "label").chmod(0o755)
    kept = {name: value for name, value in os.environ.items() if name not in ("CI", "COLUMNS", "NO_COLOR")}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    frames = record(SESSION, folder, kept | {"PATH": path, "HISTFILE": os.devnull})
    picture.write_text(drawn(frames, TITLE, {"Killed": "<- kill -9"}))


def _bench(picture: Path) -> None:
    command = [sys.executable, "-m", "batchmill", "bench", *BENCH, "--plot", str(picture)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, timeout=900)


def _report(picture: Path) -> None:
    folder, browser = picture.parent, _browser()
    assert browser is not None  # noqa: S101  # main asked
    (folder / "pages.json").write_text(json.dumps(DOCUMENT))
    run = ("run", "pages.json", "-q", "--exit-zero", "--report", "r.html")
    command = [sys.executable, "-m", "batchmill", *run]
    subprocess.run(command, check=True, cwd=folder, stdout=subprocess.DEVNULL, timeout=900)
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
    options += ["--virtual-time-budget=5000", f"--user-data-dir={folder / 'profile'}"]
    options += [f"--window-size={WIDTH},{HEIGHT}"]
    page = folder / "r.html"
    page.write_text(page.read_text().replace(str(folder.resolve()), SHOWN_FOLDER))
    shown = page.as_uri()
    command = [browser, *options, f"--screenshot={picture}", shown]
    subprocess.run(command, check=True, cwd=folder, capture_output=True, timeout=100)


def _fault(picture: Path) -> str:
    """What is wrong with a picture that was made, empty where nothing is."""
    there = PICTURES / picture.name
    if not there.exists():
        return f"{there} is missing: python docs/make_pictures.py"
    made, known = picture.read_bytes(), there.read_bytes()
    if len(made) < (LEAST_BYTES if picture.suffix == ".png" else LEAST_BYTES // 10):
        return f"{picture.name} came out empty"
    if _size(made) != _size(known):
        return f"{picture.name} is {_size(made)}, not {_size(known)}: python docs/make_pictures.py"
    if picture.name == "resume.svg" and not _shows(picture, SHOWN):
        return f"{picture.name} does not show {', '.join(map(repr, SHOWN))}"
    return ""


def _shows(picture: Path, wanted: tuple[str, ...]) -> bool:
    """Whether the text of an SVG has all of these, in this order."""
    texts = ElementTree.parse(picture).iter("{http://www.w3.org/2000/svg}text")  # noqa: S314  # we made it
    text = "\n".join(one.text or "" for one in texts)
    places = [text.find(part) for part in wanted]
    return -1 not in places and places == sorted(places)


def _size(picture: bytes) -> str:
    """Kind, and width and height of a PNG."""
    if picture.startswith(b"\x89PNG"):
        return "a PNG of {} x {}".format(*struct.unpack(">II", picture[16:24]))
    return "an SVG" if picture.startswith(b"<svg") else "no picture"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
