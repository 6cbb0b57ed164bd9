"""The Python that runs batchmill."""

from __future__ import annotations

import platform
import sys
import sysconfig
from collections.abc import Iterator

from batchmill.doctor.finding import CheckResult
from batchmill.executors.auto.executor import gil_enabled

AREA = "interpreter"


def findings() -> Iterator[CheckResult]:
    """Version and build, the GIL, how file names and text are encoded."""
    yield CheckResult(AREA, "python", f"{platform.python_implementation()} {platform.python_version()}")
    yield CheckResult(AREA, "executable", sys.executable)
    yield _gil()
    yield _encoding()


def _gil() -> CheckResult:
    if platform.python_implementation() == "PyPy":
        return CheckResult(
            AREA, "gil", "on (PyPy): threads wait side by side, processes compute side by side"
        )
    free = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
    if not gil_enabled():
        return CheckResult(AREA, "gil", "off: threads compute side by side")
    if not free:
        return CheckResult(AREA, "gil", "on: threads wait side by side, processes compute side by side")
    remedy = "run with PYTHON_GIL=0, or find the module with -W error::RuntimeWarning"
    return CheckResult(AREA, "gil", "on, although this build can run without it: switched on", "note", remedy)


def _encoding() -> CheckResult:
    encoding = sys.getfilesystemencoding()
    if encoding.lower().replace("-", "") == "utf8":
        return CheckResult(AREA, "encoding", encoding)
    return CheckResult(AREA, "encoding", encoding, "note", "set PYTHONUTF8=1, or a locale such as C.UTF-8")
