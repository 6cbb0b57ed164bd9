"""Check the built site: every link and picture leads to a file of the site, every fragment to a place in it.

    python docs/check_site.py [FOLDER]

The strict build checks links between pages. This looks at what was written in the end: also at files beside
the pages, at what docstrings link to, and at what a page would load from another server. Prints what is wrong
and ends with 1 if anything is.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

SITE = Path(__file__).parent / "_site"
LOADED = {("script", "src"), ("img", "src"), ("link", "href"), ("iframe", "src")}


class Page(HTMLParser):
    """The links, places and language of one page."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links: list[tuple[str, str, str]] = []  # tag, attribute, address
        self.places: set[str] = {"", "__skip"}
        self.feed(path.read_text())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in ("href", "src") and value is not None:
                self.links.append((tag, name, value))
            elif name in ("id", "name") and value is not None:
                self.places.add(value)


page = cache(Page)


def faults(site: Path, path: Path) -> Iterator[str]:
    for tag, attribute, address in page(path).links:
        parts = urlsplit(address)
        if parts.scheme or parts.netloc:
            if (tag, attribute) in LOADED and parts.scheme != "data":
                yield f"{address} would be loaded from another server"
            continue
        base = site if parts.path.startswith("/") else path.parent
        target = (base / unquote(parts.path).lstrip("/")).resolve() if parts.path else path
        if target.is_dir():
            target /= "index.html"
        if not target.is_relative_to(site) or not target.is_file():
            yield f"{address} leads to no file of the site"
        elif target.suffix == ".html" and unquote(parts.fragment) not in page(target).places:
            yield f"{address} leads to no place of its page"


def main() -> int:
    site = Path(sys.argv[1] if len(sys.argv) > 1 else SITE).resolve()
    pages = sorted(site.rglob("*.html"))
    found = [f"{path.relative_to(site)}: {fault}" for path in pages for fault in faults(site, path)]
    print(*found, sep="\n", end="\n" if found else "")
    print(f"{len(pages)} pages, {sum(len(page(path).links) for path in pages)} links, {len(found)} faults")
    return 1 if found or not pages else 0


if __name__ == "__main__":
    raise SystemExit(main())
