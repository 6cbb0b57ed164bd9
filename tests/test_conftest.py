"""The fixture that looks for what tests leave behind: it must find each kind, and nothing else."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

CONFTEST = (Path(__file__).parent / "conftest.py").read_text()

# everything left ends by itself soon after
LEAVERS = {
    "child": ("processes", "import subprocess; KEPT = subprocess.Popen(['sleep', '1.5'])"),
    "orphan": ("processes", "import subprocess; subprocess.run('sleep 1.5 >/dev/null 2>&1 &', shell=True)"),
    "thread": ("threads", "import threading; KEPT = threading.Timer(1.5, print); KEPT.start()"),
    "file": ("open files", "KEPT = open(__file__)"),
    "temporary": ("temporary files", "import tempfile; KEPT = tempfile.mkdtemp(prefix='batchmill-')"),
}


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """What pytest says of a session of leavers and one test that leaves nothing."""
    folder = tmp_path_factory.mktemp("leavers")
    impatient, replaced = re.subn(r"^PATIENCE = [\d.]+", "PATIENCE = 0.1", CONFTEST, flags=re.MULTILINE)
    assert replaced == 1
    (folder / "conftest.py").write_text(impatient)
    tests = [f"def test_{name}():\n    global KEPT_{name}\n    {code.replace('KEPT', f'KEPT_{name}')}\n"
             for name, (_, code) in LEAVERS.items()]  # fmt: skip
    (folder / "test_leavers.py").write_text("\n".join([*tests, "def test_clean():\n    pass\n"]))
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-rA",
        "--import-mode=importlib",
        "-p",
        "no:cacheprovider",
    ]
    environment = {**os.environ, "TMPDIR": str(folder), "COLUMNS": "400"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=60)
    return done.stdout


@pytest.mark.parametrize("name", LEAVERS)
def test_what_is_left_is_found_and_named(report, name):
    kind = LEAVERS[name][0]
    line = next(
        line for line in report.splitlines() if line.startswith(f"ERROR test_leavers.py::test_{name}")
    )
    assert f"{{'{kind}'" in line
    assert line.count("': {'") == 1, "only the one kind is named"


def test_a_clean_test_is_left_alone(report):
    assert "PASSED test_leavers.py::test_clean" in report
    assert "ERROR test_leavers.py::test_clean" not in report
