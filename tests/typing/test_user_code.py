"""The public classes in a user's code under ``mypy --strict``."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
pytest.importorskip(
    "mypy", reason="the checker is part of the development tools, and not on every interpreter"
)


def checked(program: Path, cache: Path) -> str:
    """What mypy says of a program, told where its own cache may be."""
    command = [
        sys.executable,
        "-m",
        "mypy",
        "--strict",
        "--cache-dir",
        str(cache),
        "--config-file=",
        str(program),
    ]
    done = subprocess.run(command, capture_output=True, text=True, cwd=cache, check=False)
    assert done.returncode in (0, 1), done.stderr + done.stdout
    return done.stdout


@pytest.mark.slow
def test_a_users_program_passes(tmp_path):
    assert "no issues found" in checked(HERE / "program.py", tmp_path)


@pytest.mark.slow
def test_mistakes_are_found_where_they_are(tmp_path):
    program = HERE / "mistakes.py"
    found = re.findall(r"mistakes\.py:(\d+): error: .*\[([\w-]+)\]", checked(program, tmp_path))
    lines = enumerate(program.read_text(encoding="utf-8").splitlines(), 1)
    marks = [(str(number), mark[1]) for number, line in lines if (mark := re.search(r"# expect: (.+)", line))]
    assert sorted(found) == sorted((number, code) for number, codes in marks for code in codes.split(", "))
