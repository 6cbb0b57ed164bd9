"""On a free-threaded interpreter: nothing of ours switches the GIL back on, here or in workers."""

import os
import subprocess
import sys
import sysconfig

import pytest

pytestmark = pytest.mark.skipif(
    not sysconfig.get_config_var("Py_GIL_DISABLED"), reason="this interpreter has a GIL for good"
)

WHOLE_PACKAGE = """
import importlib, pkgutil, sys
import batchmill
for module in pkgutil.walk_packages(batchmill.__path__, "batchmill."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
assert not sys._is_gil_enabled(), "an import switched the GIL on"

def look(item):
    return sys._is_gil_enabled()

if __name__ == "__main__":
    looks = batchmill.map(look, range(20), executor="process", max_concurrent=2)
    assert set(looks) == {False}, "the GIL is on in workers"
    assert not sys._is_gil_enabled(), "a process batch switched the GIL on"
    print("off")
"""


@pytest.mark.skipif(os.environ.get("PYTHON_GIL") == "1", reason="it was switched on by hand")
def test_importing_all_of_it_and_a_process_batch_leave_the_gil_off(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(WHOLE_PACKAGE)
    command = [sys.executable, "-W", "error::RuntimeWarning", str(script)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.stdout, done.returncode) == ("off\n", 0), done.stderr


def test_it_is_off_here():
    assert not sys._is_gil_enabled()
