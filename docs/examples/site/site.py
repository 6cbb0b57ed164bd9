"""A small site on this machine, and a harvest of it in three stages that overlap.

    python docs/examples/site/site.py

Pages are fetched on threads, parsed on processes and saved on threads, each page as soon as it has arrived.
The server takes 50 ms for a page, and does not have every tenth.
"""

from __future__ import annotations

import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import batchmill

FLOW = Path(__file__).with_name("pages.json")


class Pages(BaseHTTPRequestHandler):
    """Pages that link to their neighbours."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        time.sleep(0.05)
        number = int(self.path.rpartition("/")[2])
        if number % 10 == 9:
            self.answer(404, "no such page")
        else:
            self.answer(200, page(number))

    def answer(self, status: int, text: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *arguments: object) -> None:
        """Say nothing of each request."""


def page(number: int) -> str:
    """A page, the longer the later."""
    links = [f'<p>See <a href="/page/{other}">the next</a></p>' for other in (number + 1, number + 2)]
    return f"<html><title>Page {number}</title>{''.join(links)}{'<p>more words</p>' * number}</html>"


def main() -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Pages)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        with tempfile.TemporaryDirectory() as folder:
            site = f"http://127.0.0.1:{server.server_port}"
            run = batchmill.run(FLOW, {"site": site, "folder": folder})
            files = len(list(Path(folder).iterdir()))
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    print(f"{run.status}: {files} files; {run.outputs}")


if __name__ == "__main__":
    main()
