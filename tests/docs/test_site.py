"""What the site needs of the pages; `tox -e site` builds it and checks the links of what is built."""

import re
import subprocess
import sys
from pathlib import Path

import yaml

import batchmill

DOCS = Path(__file__).parents[2] / "docs"
CHECK = DOCS / "check_site.py"


class Reading(yaml.SafeLoader):
    """Names of Python functions, as in the settings of extensions, are read as nothing."""


Reading.add_multi_constructor("tag:yaml.org,2002:python/", lambda *_: None)
SETTINGS = yaml.load((DOCS / "site.yml").read_text(), Reading)  # noqa: S506 (a safe loader, but for those names)


def pages(part):
    if isinstance(part, str):
        yield part
    for inner in part if isinstance(part, list) else part.values() if isinstance(part, dict) else ():
        yield from pages(inner)


def test_every_page_is_in_the_navigation_once():
    written = sorted(str(path.relative_to(DOCS)) for path in DOCS.rglob("*.md") if "_site" not in path.parts)
    assert sorted(pages(SETTINGS["nav"])) == written


def test_every_page_begins_with_its_one_title():
    for name in pages(SETTINGS["nav"]):
        title, _, rest = (DOCS / name).read_text().partition("\n")
        assert title.startswith("# "), name
        assert len(title) > 5, name
        assert len(rest) > 100, f"{name} says nothing"


def test_every_public_name_is_on_the_page_of_functions_and_classes():
    shown = re.findall(r"^::: ([\w.]+)$", (DOCS / "reference" / "api.md").read_text(), re.MULTILINE)
    names = {path.rsplit(".", 1)[1] for path in shown}
    assert set(batchmill.__all__) - {"__version__"} - names == set()
    assert len(shown) == len(set(shown))


def checked(folder, **files):
    for name, text in files.items():
        (folder / f"{name}.html").write_text(text)
    done = subprocess.run([sys.executable, CHECK, folder], capture_output=True, text=True)
    return done.returncode, done.stdout.splitlines()


def test_links_of_a_sound_site_hold(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "index.html").write_text('<a href="../">up</a><a href="../a.html#%C3%BC">up</a>')
    (tmp_path / "rows.csv").touch()
    a = '<h1 id="ü">A</h1><a href="data/">d</a><a href="#ü">here</a><a href="rows.csv">r</a>'
    b = '<a href="https://example.org/">out</a><a href="/a.html">from the top</a><a href="?q=1">again</a>'
    assert checked(tmp_path, a=a, index=b) == (0, ["3 pages, 8 links, 0 faults"])


def test_links_that_lead_nowhere_are_named(tmp_path):
    a = (
        '<a href="gone.html">1</a><a href="#gone">2</a><a href="b.html#gone">3</a><a href="../out.html">4</a>'
        '<img src="gone.png"><script src="https://example.org/x.js"></script>'
    )
    code, lines = checked(tmp_path, a=a, b="<p>")
    assert code == 1
    assert lines == [
        "a.html: gone.html leads to no file of the site",
        "a.html: #gone leads to no place of its page",
        "a.html: b.html#gone leads to no place of its page",
        "a.html: ../out.html leads to no file of the site",
        "a.html: gone.png leads to no file of the site",
        "a.html: https://example.org/x.js would be loaded from another server",
        "2 pages, 6 links, 6 faults",
    ]


def test_a_site_without_pages_is_no_sound_site(tmp_path):
    assert checked(tmp_path) == (1, ["0 pages, 0 links, 0 faults"])
