"""The Python that runs batchmill."""

from __future__ import annotations

import platform
import sys
import sysconfig
from collections.abc import Iterator

from batchmill.doctor.finding import Finding
from batchmill.executors.auto.executor import gil_enabled

AREA = "interpreter"


def findings() -> Iterator[Finding]:
    """Version and build, the GIL, how file names and text are encoded."""
    yield Finding(AREA, "python", f"{platform.python_implementation()} {platform.python_version()}")
    yield Finding(AREA, "executable", sys.executable)
    yield _gil()
    yield _encoding()


def _gil() -> Finding:
    if platform.python_implementation() == "PyPy":
        return Finding(AREA, "gil", "on (PyPy): threads wait side by side, processes compute side by side")
    free = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
    if not gil_enabled():
        return Finding(AREA, "gil", "off: threads compute side by side")
    if not free:
        return Finding(AREA, "gil", "on: threads wait side by side, processes compute side by side")
    remedy = "run with PYTHON_GIL=0, or find the module with -W error::RuntimeWarning"
    return Finding(AREA, "gil", "on, although this build can run without it: switched on", "note", remedy)


def _encoding() -> Finding:
    encoding = sys.getfilesystemencoding()
    if encoding.lower().replace("-", "") == "utf8":
        return Finding(AREA, "encoding", encoding)
    return Finding(AREA, "encoding", encoding, "note", "set PYTHONUTF8=1, or a locale such as C.UTF-8")
