"""A small web server on this machine, and a crawl of it that keeps to what the server allows.

    python docs/examples/crawl/crawl.py

The server answers no more than 30 requests a second and 429 to every further one. The crawl takes ten pages
at once, yet no more than 25 a second, so none is refused. The links of the first pages lead to the others.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import batchmill

ALLOWED = 30
PAGES = 60
FLOW = Path(__file__).with_name("pages.json")


class Pages(BaseHTTPRequestHandler):
    """Pages that link to others, for those who do not come too often."""

    protocol_version = "HTTP/1.1"
    lock = threading.Lock()
    recent: ClassVar[deque[float]] = deque()
    refused = 0

    def do_GET(self) -> None:
        if not self.admitted():
            self.answer(429, b"too many requests", ("Retry-After", "1"))
            return
        number = int(self.path.rpartition("/")[2] or 0)
        links = [other for other in range(number * 3 + 1, number * 3 + 4) if other < PAGES]
        self.answer(200, f'{{"page": {number}, "links": {links}}}'.encode())

    def admitted(self) -> bool:
        now = time.monotonic()
        with Pages.lock:
            while Pages.recent and Pages.recent[0] <= now - 1:
                Pages.recent.popleft()
            if len(Pages.recent) >= ALLOWED:
                Pages.refused += 1
                return False
            Pages.recent.append(now)
            return True

    def answer(self, status: int, body: bytes, *headers: tuple[str, str]) -> None:
        self.send_response(status)
        for name, value in (
            *headers,
            ("Content-Type", "application/json"),
            ("Content-Length", str(len(body))),
        ):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        """Say nothing of each request."""


def main() -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Pages)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        run = batchmill.run(str(FLOW), {"site": f"http://127.0.0.1:{server.server_port}"})
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    print(
        f"{run.status}: {run.outputs['pages']} pages, {run.outputs['links']} links, {Pages.refused} refused"
    )


if __name__ == "__main__":
    main()
