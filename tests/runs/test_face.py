"""The package's face: every name is there, and none costs an import before it is used."""

from __future__ import annotations

import subprocess
import sys

import pytest

import batchmill

HEAVY = ("pydantic", "jsonschema", "loky", "cloudpickle", "psutil", "yaml", "rich", "urllib3", "click")


def loaded_after(program: str) -> list[str]:
    """Which of the heavy modules a fresh interpreter has after ``program``."""
    show = f"import sys; print(*[name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", f"{program}\n{show}"], capture_output=True, text=True, check=True
    )
    return done.stdout.split()


@pytest.mark.parametrize("name", batchmill.__all__)
def test_every_name_is_there(name: str) -> None:
    assert getattr(batchmill, name) is not None
    assert name in dir(batchmill)


def test_a_name_that_is_not_there_says_so() -> None:
    with pytest.raises(AttributeError, match="'batchmill' has no attribute 'nothing'"):
        batchmill.nothing  # noqa: B018  # looking is the test


def test_importing_it_loads_nothing_heavy() -> None:
    assert loaded_after("import batchmill") == []
    assert loaded_after("import batchmill; batchmill.BatchmillError") == []


def test_a_worker_that_runs_steps_needs_no_models() -> None:
    assert loaded_after("import batchmill.step") == []
