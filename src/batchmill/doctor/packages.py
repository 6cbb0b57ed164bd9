"""The packages that batchmill depends on, and the extras, installed or not, with their versions."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from importlib import metadata

from batchmill.doctor.finding import CheckResult

AREA = "packages"
MODULES = {"pyyaml": "yaml", "rpds-py": "rpds"}  # where the module is not named as the package is
FOR_DEVELOPERS = {"test"}
_REQUIREMENT = re.compile(r"^\s*([A-Za-z0-9_.-]+)")
_EXTRA = re.compile(r"extra\s*==\s*['\"]([^'\"]+)['\"]")


def findings() -> Iterator[CheckResult]:
    """Import each requirement of the installed distribution; extras are shown by their names."""
    yield CheckResult(AREA, "batchmill", metadata.version("batchmill"))
    needed, extras = requirements(metadata.requires("batchmill") or [])
    for package in needed:
        yield _needed(package)
    for extra, packages in extras.items():
        yield _extra(extra, packages)


def requirements(lines: list[str]) -> tuple[list[str], dict[str, list[str]]]:
    """The packages every run needs, and those of each extra for users, by the lines of the metadata.

    A package that is listed twice, for two interpreters, counts once."""
    needed: dict[str, None] = {}
    extras: dict[str, dict[str, None]] = {}
    for line in lines:
        name = _REQUIREMENT.match(line)
        extra = _EXTRA.search(line)
        if name is None:
            continue
        if extra is None:
            needed[name[1]] = None
        elif extra[1] not in FOR_DEVELOPERS:
            extras.setdefault(extra[1], {})[name[1]] = None
    return list(needed), {extra: list(names) for extra, names in extras.items()}


def _needed(package: str) -> CheckResult:
    module = MODULES.get(package.lower(), package.replace("-", "_"))
    try:
        importlib.import_module(module)
        return CheckResult(AREA, package, metadata.version(package))
    except Exception as error:  # noqa: BLE001  # whatever an import raises, the module is of no use
        why = f"{type(error).__name__}: {error}"
        return CheckResult(AREA, package, why, "problem", f"pip install --force-reinstall {package}")


def _extra(extra: str, packages: list[str]) -> CheckResult:
    """Not imported: that takes seconds for some."""
    versions, missing = [], []
    for package in packages:
        try:
            versions.append(f"{package} {metadata.version(package)}")
        except metadata.PackageNotFoundError:
            missing.append(package)
    if not missing:
        return CheckResult(AREA, f"extra {extra}", ", ".join(versions))
    remedy = f"pip install 'batchmill[{extra}]', if you need it"
    return CheckResult(AREA, f"extra {extra}", f"no {', '.join(missing)}", "note", remedy)
