"""The table of what users of xargs and GNU parallel write: both columns are run and do the same."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

import pytest

import batchmill

PAGE = Path(__file__).parents[2] / "docs" / "coming-from" / "README.md"
ROW = re.compile(
    r"^\| `((?:xargs|parallel|ls|find|seq|printf)\b.*)` \| `(.*batchmill map.*)` \|$", re.MULTILINE
)


def _table() -> str:
    text = PAGE.read_text()
    start = text.index("| you write | here |")
    return text[start : text.index("\n\n", start)]


ROWS = [(theirs.replace("\\|", "|"), ours.replace("\\|", "|")) for theirs, ours in ROW.findall(_table())]


def test_the_table_is_read():
    assert len(ROWS) >= 25
    assert len(ROWS) == _table().count("\n") - 1


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
    """Its bytes, but for what has times in it."""
    return b"" if file.suffix in (".gz", ".tsv") else file.read_bytes()


PYTHON_ROWS = [
    row
    for row in re.findall(r"^\| `(.*)` \| `(.*)` \|$", PAGE.with_name("joblib.md").read_text(), re.MULTILINE)
    if "(" in row[0] and "batchmill." in row[1]
]


def square(n):
    return n * n


def power(n, m):
    return n**m


def inverse(n):
    return 1 / n


@pytest.mark.slow
@pytest.mark.parametrize(("theirs", "ours"), PYTHON_ROWS, ids=[theirs for theirs, _ in PYTHON_ROWS])
def test_both_give_the_same(theirs, ours):
    if "Parallel" in theirs:
        joblib = pytest.importorskip("joblib")
        names = {"Parallel": joblib.Parallel, "delayed": joblib.delayed}
    else:
        names = {"as_completed": as_completed}
    with ThreadPoolExecutor(2) as pool:
        names |= {"batchmill": batchmill, "pool": pool, "numbers": range(5)}
        names |= {"square": square, "power": power, "inverse": inverse}
        assert eval(ours, dict(names)) == eval(theirs, dict(names))  # noqa: S307  # the page's own lines


def test_the_rows_in_python_are_read():
    assert len(PYTHON_ROWS) == 9


@pytest.mark.slow
def test_make_gives_what_the_document_does(tmp_path):
    if shutil.which("make") is None:
        pytest.skip("make is not installed")
    text = PAGE.with_name("make.md").read_text()
    (tmp_path / "Makefile").write_text(re.search(r'title="Makefile"\n(.*?)```', text, re.DOTALL)[1])
    (tmp_path / "one.txt").write_text("a\nb\n")
    (tmp_path / "two.txt").write_text("c\n")
    subprocess.run(["make", "-s", "-j", "4"], cwd=tmp_path, check=True)
    assert ((tmp_path / "total").read_text().strip(), (tmp_path / "one.up").read_text()) == ("3", "A\nB\n")
