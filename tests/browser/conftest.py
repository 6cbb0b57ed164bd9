"""A browser for all tests here, and what they look at. Without Chromium they are skipped, and say so."""

from __future__ import annotations

import functools
import importlib.util
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ROOT / "src" / "batchmill" / "report" / "page"
AXE = Path("node_modules", "axe-core", "axe.min.js")


def _module(name: str):
    """A file beside this one: tests are no package."""
    spec = importlib.util.spec_from_file_location(f"browser_{name}", Path(__file__).with_name(f"{name}.py"))
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


chromium = _module("chromium")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All of this room is looked at in a browser, and only when asked for."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[chromium.Chromium]:
    """One browser for the session."""
    program = chromium.executable()
    if program is None:
        pytest.skip("Chromium is not installed: apt-get install chromium, or name one in BATCHMILL_CHROMIUM")
    opened = chromium.Chromium(program, tmp_path_factory.mktemp("profile"))
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The source of axe-core, as the lock file of the charts pins it."""
    if (PACKAGES / AXE).exists():
        return (PACKAGES / AXE).read_text()
    if shutil.which("npm") is None:
        pytest.skip("axe-core comes with npm, which is not installed")
    folder = tmp_path_factory.mktemp("packages")
    for name in ("package.json", "package-lock.json"):
        shutil.copy(PACKAGES / name, folder)
    command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    if subprocess.run(command, cwd=folder, capture_output=True, timeout=60, check=False).returncode:
        pytest.skip("npm cannot get axe-core here")
    return (folder / AXE).read_text()


class _Silent(SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture(scope="session")
def site() -> Iterator[tuple[str, list[str]]]:
    """The documentation as it was built: where it is served, and its pages."""
    folder = ROOT / "docs" / "_site"
    pages = sorted(str(path.relative_to(folder)) for path in folder.rglob("*.html"))
    if not pages:
        pytest.skip("the documentation is not built: tox -e site")
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Silent, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", pages
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(autouse=True)
def nothing_left() -> None:
    """In place of the one for all tests: a browser has processes and files that come and go as it likes."""
