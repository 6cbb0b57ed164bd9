"""What is to be known of one page."""

from __future__ import annotations

from html.parser import HTMLParser


class Reader(HTMLParser):
    """Collects the title, the links and the words of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.title = ""
        self.links: list[str] = []
        self.words = 0
        self._in_title = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._in_title = tag == "title"
        if tag == "a" and (target := dict(attrs).get("href")):
            self.links.append(target)

    def handle_data(self, data: str) -> None:
        if self._in_title:
            self.title += data.strip()
        self.words += len(data.split())


def parse(html: str) -> dict[str, object]:
    """The record that is kept of a page."""
    reader = Reader()
    reader.feed(html)
    return {
        "name": reader.title.lower().replace(" ", "-"),
        "title": reader.title,
        "words": reader.words,
        "links": reader.links,
    }
