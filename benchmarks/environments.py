"""The interpreters sides run in: this one, and environments made on demand for peers that need their own."""

from __future__ import annotations

import compileall
import functools
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

from benchmarks.workload import MissingError

REQUIREMENTS = {
    "pflow": ("pflow-cli==0.16.0", "psutil"),
    "snakemake": ("snakemake>=8", "psutil"),
    "ray": ("ray>=2.40", "psutil"),
}
"""What each environment holds: peers that pin versions which others cannot have, or that are large."""

BUILDS = {
    "free-threaded": ("python3.14t", "python3.13t"),
    "pypy": ("pypy3.11", "pypy3"),
    "python-3.14": ("python3.14",),
}
"""Environments that hold batchmill on another Python: what it may be called on the command path."""

FOLDERS = "/opt/*/bin"
"""Where interpreters are looked for that are not on the path."""

WHEELS = {"PIP_PREFER_BINARY": "1", "PIP_ONLY_BINARY": "pydantic-core,rpds-py"}

ROOT = Path(__file__).resolve().parents[1]
OURS = ROOT / "src" / "batchmill"
INSTALL_SECONDS = 600


@functools.cache
def python_of(environment: str) -> str:
    """Path of an environment's interpreter; makes it first. Raises :class:`MissingError` when that fails."""
    if environment == "own":
        compileall.compile_dir(OURS, quiet=2)  # as installers do for the peers, whatever the environment says
        return sys.executable
    if environment in BUILDS:
        return _python_of_build(environment)
    place = _cache() / f"{environment}-py{sys.version_info[0]}.{sys.version_info[1]}"
    python = place / "bin" / "python"
    if not (place / "complete").exists():
        _make(place, python, REQUIREMENTS[environment])
    return str(python)


def _python_of_build(environment: str) -> str:
    base = _found(BUILDS[environment])
    place = _cache() / f"{environment}-{ROOT.as_posix().strip('/').replace('/', '-')}"
    python = place / "bin" / "python"
    if not (place / "complete").exists():
        subprocess.run([base, "-m", "venv", "--clear", str(place)], check=True, capture_output=True)
        _install(place, python, ("-e", str(ROOT)))
    return str(python)


def _found(names: tuple[str, ...]) -> str:
    folders = [os.environ.get("PATH", ""), *map(str, Path("/").glob(FOLDERS.lstrip("/")))]
    for name in names:
        if found := shutil.which(name, path=os.pathsep.join(folders)):
            return found
    raise MissingError(f"there is no {' and no '.join(names)} here")


def _cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "batchmill-benchmarks"


def _make(place: Path, python: Path, requirements: tuple[str, ...]) -> None:
    venv.create(place, with_pip=True, clear=True)
    _install(place, python, requirements)


def _install(place: Path, python: Path, requirements: tuple[str, ...]) -> None:
    install = [str(python), "-m", "pip", "install", "--quiet", *requirements]
    done = subprocess.run(
        install,
        capture_output=True,
        text=True,
        timeout=INSTALL_SECONDS,
        check=False,
        env={**os.environ, **WHEELS},
    )
    if done.returncode:
        words = done.stderr.strip().splitlines()
        raise MissingError(
            f"{requirements[0]} could not be installed ({words[-1] if words else 'no message'})"
        )
    (place / "complete").touch()
