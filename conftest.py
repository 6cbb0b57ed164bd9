"""How the tests are run: shared out over processes, collected fast, with names on which all processes agree.

What every test is held to is in ``tests/conftest.py``.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator

import hypothesis
import pytest

PROCESSES = 4  # more than small machines have cores: many tests wait for something
_IDS_OF_PYTEST = (str, int, float, bool, complex, type(None))

# how long an example takes says nothing on a busy machine, nor before PyPy has compiled what it runs; few
# examples find most of what many find, and where tests may take long (`tox -e stress`) there are many
hypothesis.settings.register_profile("quick", deadline=None, max_examples=30)
hypothesis.settings.register_profile("thorough", deadline=None, max_examples=200)
hypothesis.settings.load_profile(os.environ.get("BATCHMILL_TESTS", "quick"))


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    """Share the tests out over several processes, unless ``-n`` says otherwise or pytest-xdist is not there:
    tests that read the source need nothing installed."""
    if hasattr(config, "workerinput") or getattr(config.option, "numprocesses", 0) is not None:
        return
    config.option.numprocesses = PROCESSES
    config.option.dist = "worksteal"


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection() -> Iterator[object]:
    """Collect with the garbage collector off: each process makes all of a million objects that stay, and
    looking through them again and again took a third of that time. They are not frozen, which would save a
    little more: Hypothesis asks the collector who holds its random generator; it does not see the frozen."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()


def pytest_make_parametrize_id(config: pytest.Config, val: object, argname: str) -> str | None:
    """A name that is the same in every process: tests are shared out over several, by name. What pytest would
    write of a value (bytes that hold a time, an address in memory) may differ from one to the next."""
    if isinstance(val, _IDS_OF_PYTEST) or hasattr(val, "__name__"):
        return None
    return f"{argname}-{type(val).__name__}"
