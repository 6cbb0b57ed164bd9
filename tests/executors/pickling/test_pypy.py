"""cloudpickle on PyPy: broken without the repair, which can go once it is not, and whole with it."""

import platform
import subprocess
import sys
import threading

import pytest

import batchmill
from batchmill.executors.pickling import pickler
from batchmill.executors.pickling.pypy import needed, repair_cloudpickle

ROUND_TRIP = """
import cloudpickle, pickle, sys, warnings
{prelude}
offset = 3
def closed(n):
    def inner(x):
        return getattr(sys, "maxsize") and x + n + offset
    return inner
made = pickle.loads(cloudpickle.dumps(closed(1)))
assert made(1) == 5
print("whole")
"""


def round_trip(prelude):
    text = ROUND_TRIP.format(prelude=prelude)
    return subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=False)


def test_with_the_repair_functions_travel():
    done = round_trip(
        "from batchmill.executors.pickling.pypy import repair_cloudpickle; repair_cloudpickle()"
    )
    assert done.stdout == "whole\n", done.stderr


@pytest.mark.skipif(not needed(), reason="only PyPy needs the repair")
def test_without_the_repair_they_do_not():
    done = round_trip("")
    assert done.stdout != "whole\n", "cloudpickle does without the repair now: executors/pypy.py can go"


@pytest.mark.skipif(needed(), reason="this is the interpreter it is for")
def test_elsewhere_nothing_is_touched():
    import cloudpickle.cloudpickle as internals

    before = internals._code_reduce, internals._walk_global_ops
    repair_cloudpickle()
    assert (internals._code_reduce, internals._walk_global_ops) == before
    assert platform.python_implementation() != "PyPy"


def one():
    yield 1


@pytest.mark.parametrize("make", [threading.Lock, threading.RLock, threading.local, one])
def test_what_belongs_to_its_process_does_not_travel(make):
    with pytest.raises(TypeError, match="cannot pickle '"):
        pickler.dumps({"here": make()}, [])


def test_closures_go_to_worker_processes_and_come_back_as_results():
    factor = 7

    def make(item):
        def times(number):
            return number * factor + len(str(item))

        return times

    made = batchmill.map(make, [1, 22], executor="process", max_concurrent=2)
    assert [function(10) for function in made] == [71, 72]
