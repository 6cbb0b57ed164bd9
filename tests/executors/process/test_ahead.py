"""The first worker of a program: started before the engine is imported, and only if a batch will need it."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest


def answer_of(code: str) -> list[str]:
    """What a fresh interpreter prints."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], check=True, capture_output=True, text=True, timeout=60
    )
    return done.stdout.split()


def test_a_worker_is_started_before_the_engine_is_imported() -> None:
    assert answer_of("""
        import sys
        from batchmill.executors.process.ahead import start_worker_ahead
        start_worker_ahead(range(3))
        from batchmill.executors.process.pool import current_pool
        print(current_pool().idle(), "batchmill.batch.engine" in sys.modules, "pydantic" in sys.modules)
        import batchmill
        print(*batchmill.map(abs, [-1], executor="process"), len(current_pool().processes()))
    """) == ["1", "False", "False", "1", "1"]


@pytest.mark.parametrize("items", ["[]", "()", "range(0)", "Broken()"])
def test_none_is_started_for_no_items(items: str) -> None:
    assert answer_of(f"""
        import sys
        from batchmill.executors.process.ahead import POOL, start_worker_ahead

        class Broken(list):
            def __len__(self):
                raise OSError("no length")

        start_worker_ahead({items})
        print(POOL in sys.modules)
    """) == ["False"]


def test_a_daemon_starts_none() -> None:
    assert answer_of("""
        import multiprocessing, sys
        from batchmill.executors.process.ahead import POOL, start_worker_ahead
        multiprocessing.current_process()._config["daemon"] = True
        start_worker_ahead([1])
        print(POOL in sys.modules)
    """) == ["False"]


def test_what_hinders_it_is_told_by_the_batch() -> None:
    assert answer_of("""
        import batchmill, batchmill.errors
        from batchmill.executors.process import slot

        def refuse(self):
            raise OSError("no process to be had")

        slot.Slot.open = refuse
        try:
            batchmill.map(abs, [-1], executor="process")
        except batchmill.errors.ExecutorUnavailable as error:
            print("no process to be had" in str(error))
    """) == ["True"]
