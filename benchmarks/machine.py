"""What was measured on: the machine, the interpreter, the versions, and who else used the CPU meanwhile."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil

from benchmarks.measure import descendants_cpu, own_cpu

PACKAGES = (
    "batchmill",
    "loky",
    "joblib",
    "mpire",
    "distributed",
    "cloudpickle",
    "numpy",
    "click",
    "urllib3",
    "requests",
    "httpx",
    "aiohttp",
    "openai",
)
"""Those of this interpreter; other sides have environments of their own."""
PROGRAMS = ("xargs", "parallel", "cc")
FOREIGN_LIMIT = 0.15
"""Above this share of the machine used by others a run's figures are marked."""


def machine() -> dict[str, Any]:
    """The machine in a few plain figures."""
    return {
        "system": f"{platform.system()} {platform.release()}",
        "architecture": platform.machine(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "usable_cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
    }


def interpreter() -> dict[str, Any]:
    """The interpreter in a few plain figures."""
    gil = getattr(sys, "_is_gil_enabled", lambda: True)()
    return {
        "implementation": platform.python_implementation(),
        "version": platform.python_version(),
        "compiler": platform.python_compiler(),
        "gil": gil,
    }


def versions() -> dict[str, str]:
    """Versions of the packages and programs compared; what is not installed is left out."""
    found = {name: version for name in PACKAGES if (version := _package(name))}
    found.update({name: line for name in PROGRAMS if (line := _program(name))})
    return found


class ForeignLoad:
    """The share of the machine that processes other than ours used since this object was made.

    Time stolen by a hypervisor counts as foreign too. The machine's clock is read before ours at the
    start and after it at the end, so the bias is towards reporting too much.
    """

    def __init__(self) -> None:
        self._began = time.perf_counter()
        self._machine = _busy_seconds()
        self._ours = own_cpu() + descendants_cpu()

    def share(self) -> float:
        """Between 0 and 1; 1 is all cores taken by others."""
        ours = own_cpu() + descendants_cpu() - self._ours
        busy = _busy_seconds() - self._machine
        elapsed = time.perf_counter() - self._began
        return min(1.0, max(0.0, (busy - ours) / (elapsed * (os.cpu_count() or 1))))


def _busy_seconds() -> float:
    times = psutil.cpu_times()
    return float(times.user + times.system + getattr(times, "steal", 0.0) + getattr(times, "nice", 0.0))


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def _package(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _program(name: str) -> str | None:
    if shutil.which(name) is None:
        return None
    said = subprocess.run([name, "--version"], capture_output=True, text=True, check=False).stdout
    return said.splitlines()[0] if said else "version unknown"
