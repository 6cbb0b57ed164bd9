"""The table of what users of xargs and GNU parallel write: both columns are run and do the same."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "coming-from" / "README.md"
ROW = re.compile(
    r"^\| `((?:xargs|parallel|ls|find|seq|printf)\b.*)` \| `(.*batchmill map.*)` \|$", re.MULTILINE
)
ROWS = [
    (theirs.replace("\\|", "|"), ours.replace("\\|", "|")) for theirs, ours in ROW.findall(PAGE.read_text())
]


def test_the_table_is_read():
    assert len(ROWS) >= 18
    assert len(ROWS) == sum("`batchmill map" in line or "| batchmill map" in line for line in _table())


def _table() -> list[str]:
    lines = PAGE.read_text().splitlines()
    start = lines.index("| you write | here |")
    return lines[start : lines.index("", start)]


@pytest.mark.slow
@pytest.mark.parametrize(("theirs", "ours"), ROWS, ids=[theirs for theirs, _ in ROWS])
def test_both_do_the_same(theirs, ours, tmp_path):
    program = "parallel" if "parallel" in theirs else "xargs"
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")
    assert _done(theirs, tmp_path / "theirs") == _done(ours, tmp_path / "ours")


def _done(command: str, folder: Path) -> tuple[list[str], dict[str, bytes]]:
    """What a command prints, its lines sorted, and the files that are there after it."""
    (folder / "sub").mkdir(parents=True)
    for name, text in {"a.log": "1\n2\n", "b.log": "3\n", "sub/c.txt": "4\n"}.items():
        (folder / name).write_text(text)
    (folder / "names.txt").write_text("pear\napple\n")
    (folder / "t.tsv").write_text("x\ty\nz\tw\n")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {
        **os.environ,
        "PATH": path,
        "XDG_STATE_HOME": str(folder.parent),
        "HOME": str(folder.parent),
    }
    done = subprocess.run(
        ["sh", "-c", command],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    files = {
        str(one.relative_to(folder)): _content(one) for one in sorted(folder.rglob("*")) if one.is_file()
    }
    return sorted(done.stdout.decode().splitlines()), files


def _content(file: Path) -> bytes:
    return b"" if file.suffix == ".gz" else file.read_bytes()
