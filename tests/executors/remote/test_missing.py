"""A module that a worker does not have: what is said of it."""

from __future__ import annotations

import sys
from importlib import metadata
from pathlib import Path

import pytest

from batchmill.executors.remote.missing import explained
from batchmill.outcome import ErrorInfo


def said(module: str) -> str:
    return explained(ErrorInfo("ModuleNotFoundError", f"No module named {module!r}"), "node7").message


def test_what_is_installed_here_is_named_with_its_version() -> None:
    remedy = f"pip install 'psutil=={metadata.version('psutil')}'"
    assert said("psutil.parts") == (
        f"No module named 'psutil.parts'; node7 does not have it; install it there as it is here: {remedy}"
    )


def test_what_did_not_travel_is_named_with_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine_alone.py").touch()
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    assert f"it is here, {tmp_path}/mine_alone.py, and did not travel to node7" in said("mine_alone")


def test_what_is_nowhere_is_said_to_be_nowhere() -> None:
    assert said("no_such_module").endswith(
        "neither node7 nor this machine has it: check its name, or install it on both"
    )


def test_other_errors_are_left_alone() -> None:
    error = ErrorInfo("ValueError", "No module named 'psutil'")
    assert explained(error, "node7") is error
