"""The interpreters sides run in: this one, and environments made on demand for peers that need their own."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
import venv
from pathlib import Path

from benchmarks.workload import MissingError

REQUIREMENTS = {"pflow": ("pflow-cli==0.16.0", "psutil")}
"""What each environment holds; pflow-cli pins versions that do not go together with the other peers'."""

INSTALL_SECONDS = 600


@functools.cache
def python_of(environment: str) -> str:
    """Path of an environment's interpreter; makes it first. Raises :class:`MissingError` when that fails."""
    if environment == "own":
        return sys.executable
    place = _cache() / f"{environment}-py{sys.version_info[0]}.{sys.version_info[1]}"
    python = place / "bin" / "python"
    if not (place / "complete").exists():
        _make(place, python, REQUIREMENTS[environment])
    return str(python)


def _cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "batchmill-benchmarks"


def _make(place: Path, python: Path, requirements: tuple[str, ...]) -> None:
    venv.create(place, with_pip=True, clear=True)
    install = [str(python), "-m", "pip", "install", "--quiet", *requirements]
    done = subprocess.run(install, capture_output=True, text=True, timeout=INSTALL_SECONDS, check=False)
    if done.returncode:
        words = done.stderr.strip().splitlines()
        raise MissingError(
            f"{requirements[0]} could not be installed ({words[-1] if words else 'no message'})"
        )
    (place / "complete").touch()
