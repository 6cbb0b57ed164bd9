"""Chromium, driven over a pair of pipes by its own protocol: no driver beside it, nothing to install but it.

It speaks JSON, a zero byte behind each message: https://chromedevtools.github.io/devtools-protocol/"""

from __future__ import annotations

import json
import os
import select
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
PATIENCE = 30.0  # seconds for an answer
OPTIONS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars",
    "--disable-background-networking", "--disable-component-update", "--disable-default-apps",
    "--disable-extensions", "--disable-sync", "--no-first-run", "--no-default-browser-check", "--mute-audio",
)  # fmt: skip
HOOK = "window.ran = 0; for (const name of ['alert', 'confirm']) window[name] = () => { window.ran++ };"

Message = dict[str, Any]


def executable() -> str | None:
    """Where Chromium is; None where there is none. ``BATCHMILL_CHROMIUM`` names another one."""
    named = os.environ.get("BATCHMILL_CHROMIUM")
    return named or next(filter(None, map(shutil.which, NAMES)), None)


class Chromium:
    """A browser without a window, its profile in ``folder``. Used by one thread."""

    def __init__(self, program: str, folder: Path) -> None:
        to_browser, self._out = os.pipe()
        self._in, from_browser = os.pipe()

        def at_3_and_4() -> None:
            # Numbers that are in the way of one another are moved up first.
            reading, writing = os.dup(to_browser), os.dup(from_browser)
            os.dup2(reading, 3)
            os.dup2(writing, 4)

        self._process = subprocess.Popen(
            [program, *OPTIONS, "--remote-debugging-pipe", f"--user-data-dir={folder}", "about:blank"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            close_fds=False,
            preexec_fn=at_3_and_4,
        )
        os.close(to_browser)
        os.close(from_browser)
        self._number, self._rest = 0, b""
        self._events: list[Message] = []

    def close(self) -> None:
        """End it and wait until it is gone."""
        with suppress(OSError, TimeoutError):
            self.call("Browser.close")
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        os.close(self._out)
        os.close(self._in)

    def call(self, method: str, session: str | None = None, **params: Any) -> Message:
        """Call a method; its result. Raises RuntimeError for a refusal, TimeoutError without an answer."""
        self._number += 1
        asked: Message = {"id": self._number, "method": method, "params": params}
        if session is not None:
            asked["sessionId"] = session
        os.write(self._out, json.dumps(asked).encode() + b"\0")
        while True:
            told = self._next()
            if told.get("id") == asked["id"]:
                if "error" in told:
                    raise RuntimeError(f"{method}: {told['error']['message']}")
                result: Message = told["result"]
                return result
            self._events.append(told)

    def events(self, session: str) -> Iterator[Message]:
        """What has been told meanwhile of a page, once."""
        self.call("Browser.getVersion")  # what was under way is here before its answer
        mine = [one for one in self._events if one.get("sessionId") == session]
        self._events = [one for one in self._events if one.get("sessionId") != session]
        yield from mine

    def _next(self) -> Message:
        until = time.monotonic() + PATIENCE
        while b"\0" not in self._rest:
            ready, _, _ = select.select([self._in], [], [], max(0.0, until - time.monotonic()))
            if not ready:
                raise TimeoutError("the browser does not answer")
            piece = os.read(self._in, 1 << 20)
            if not piece:
                raise OSError("the browser is gone")
            self._rest += piece
        text, _, self._rest = self._rest.partition(b"\0")
        told: Message = json.loads(text)
        return told

    @contextmanager
    def page(
        self, address: str, *, width: int = 1200, height: int = 900, scripts: bool = True, dark: bool = False,
        sees: str = "none", ready: str = "document.readyState === 'complete'",
    ) -> Iterator[Page]:  # fmt: skip
        """A page of its own, opened and ``ready``. ``sees`` is the vision of a person, ``none`` for that of
        most people; with ``dark`` they like it dark."""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        page = Page(lambda method, **params: self.call(method, session, **params))
        page.prepare(width, height, scripts, dark, sees)
        page.call("Page.navigate", url=address)
        page.wait(ready if scripts else None, lambda: self.events(session))
        try:
            yield page
        finally:
            self.call("Target.closeTarget", targetId=target)


class Page:
    """An open page. ``requests`` are the addresses that it loaded but for itself, ``faults`` what its console
    says is wrong."""

    def __init__(self, call: Callable[..., Message]) -> None:
        self.call = call
        self.requests: list[str] = []
        self.faults: list[str] = []
        self._events: Callable[[], Iterator[Message]] = lambda: iter(())
        self._loaded = False
        self._address = ""

    def prepare(self, width: int, height: int, scripts: bool, dark: bool, sees: str) -> None:
        for domain in ("Page", "Network", "Log", "Runtime"):
            self.call(f"{domain}.enable")
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])
        self.call("Emulation.setEmulatedVisionDeficiency", type=sees)
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )
        self.call("Page.addScriptToEvaluateOnNewDocument", source=HOOK)
        if not scripts:
            self.call("Emulation.setScriptExecutionDisabled", value=True)

    def wait(self, ready: str | None, events: Callable[[], Iterator[Message]]) -> None:
        """Until it is loaded, and ``ready`` is true in it."""
        self._events = events
        until = time.monotonic() + PATIENCE
        while not (self._loaded and (ready is None or self.run(ready))):
            self.look()
            if time.monotonic() > until:
                raise TimeoutError(f"the page is not ready: {self.faults}")
            time.sleep(0.02)
        self.look()

    def look(self) -> None:
        """Take in what happened meanwhile."""
        for event in self._events():
            told = event["params"]
            match event["method"]:
                case "Page.loadEventFired":
                    self._loaded = True
                case "Network.requestWillBeSent":
                    if told["type"] == "Document" and not self._address:
                        self._address = told["request"]["url"]
                    elif not told["request"]["url"].startswith(("data:", "blob:")):
                        self.requests.append(told["request"]["url"])
                case "Log.entryAdded":
                    self.faults.append(told["entry"]["text"])
                case "Runtime.exceptionThrown":
                    self.faults.append(told["exceptionDetails"]["exception"]["description"])
                case "Runtime.consoleAPICalled" if told["type"] in ("error", "assert"):
                    said = [one.get("description") or one.get("value") for one in told["args"]]
                    self.faults.append(" ".join(map(str, said)))

    def run(self, expression: str) -> Any:
        """The value of an expression, awaited."""
        told = self.call(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True,
            allowUnsafeEvalBlockedByCSP=True,
        )  # fmt: skip
        if "exceptionDetails" in told:
            raise RuntimeError(str(told["exceptionDetails"]))
        return told["result"].get("value")

    def picture(self, *, whole: bool = True) -> bytes:
        """What it looks like, as a PNG."""
        import base64

        shot = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        return base64.b64decode(shot["data"])

    def violations(self, axe: str, but: tuple[str, ...] = ()) -> list[str]:
        """What axe-core, whose source is given, finds wrong with it; each finding with the first place. The
        rules ``but`` are left out."""
        self.run(f"{axe}; 0")
        options = {"resultTypes": ["violations"], "rules": {rule: {"enabled": False} for rule in but}}
        found = self.run(
            f"axe.run(document, {json.dumps(options)}).then(({{violations}}) => violations.map("
            "({id, help, nodes}) => `${id}: ${help} (${nodes.length} times, as in ${nodes[0].target}: "
            "${nodes[0].failureSummary})`))"
        )
        told: list[str] = found
        return told
