"""Modules on their way to workers: which travel, by what name, and where they are imported from."""

from __future__ import annotations

import io
import pickle
import sys
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from batchmill.errors import ExecutorUnavailable
from batchmill.executors.remote import library, modules
from batchmill.executors.remote.library import Library
from batchmill.executors.remote.modules import Modules, travelling


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of the user's that is first in ``sys.path``, the only one there."""
    found = tmp_path / "own"
    found.mkdir()
    installed = [entry for entry in sys.path if "site-packages" in entry or "python3" in entry]
    monkeypatch.setattr(sys, "path", [str(found), *installed])
    known = set(sys.modules)
    yield found
    for name in set(sys.modules) - known:
        del sys.modules[name]


def written(folder: Path, **files: str) -> None:
    for name, text in files.items():
        path = folder / name.replace("__in__", "/").replace("__dot__", ".")
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)


def names(found: Modules) -> list[str]:
    return zipfile.ZipFile(io.BytesIO(found.archive)).namelist()


def test_what_a_task_names_travels_with_all_that_it_imports(folder: Path) -> None:
    written(
        folder,
        first__dot__py="def run():\n    import second",
        second__dot__py="from package.part import x\nimport json, pytest; import fourth as f, fifth",
        fourth__dot__py="from . import nothing",
        fifth__dot__py="if True: import sixth",
        sixth__dot__py="",
        third__dot__py="",
        package__in____init____dot__py="",
        package__in__part__dot__py="",
        package__in__table__dot__csv="1,2",
        unused__dot__py="",
        notes__dot__txt="",
    )
    task = pickle.dumps(["first:run", "import third", "the unused one", "no.such:thing"])
    package = ["package/__init__.py", "package/part.py", "package/table.csv"]
    expected = ["fifth.py", "first.py", "fourth.py", *package, "second.py", "sixth.py", "third.py"]
    found = travelling(task)
    assert names(found) == [f"0/{name}" for name in expected]
    assert found.before == (str(folder),)


def test_what_is_imported_here_travels_whoever_names_it(folder: Path) -> None:
    written(folder, of_items__dot__py="", loose__in__inner__dot__py="", loose__in__data__dot__bin="")
    import loose.inner  # type: ignore[import-not-found]  # noqa: F401
    import of_items  # type: ignore[import-not-found]  # noqa: F401

    # without an `__init__.py` a folder may hold anything: its code travels, and nothing else of it
    assert names(travelling(b"")) == ["0/loose/inner.py", "0/of_items.py"]


def test_the_digest_is_that_of_the_content(folder: Path) -> None:
    written(folder, first__dot__py="x = 1")
    task = pickle.dumps("first:run")
    before = travelling(task)
    (folder / "first.py").touch()
    assert travelling(task) == before
    written(folder, first__dot__py="x = 2")
    assert travelling(task).digest != before.digest


def test_too_much_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(modules, "MOST_BYTES", 10)
    written(folder, first__dot__py="x = 'more than ten bytes'")
    with pytest.raises(ExecutorUnavailable, match=r"first\.py; move data out of the package"):
        travelling(pickle.dumps("first:run"))


def test_modules_are_imported_from_a_copy_where_they_are_not_here(folder: Path, tmp_path: Path) -> None:
    written(folder, first__dot__py="x = 1")
    found, place = travelling(pickle.dumps("first:run")), str(tmp_path)
    shelf = Library()
    assert shelf.unpacked(found, place, shared=False).before == (str(folder),)
    written(folder, first__dot__py="x = 2")
    copy = shelf.unpacked(found, place, shared=False)
    assert copy.before == (f"{copy.path}/0",)
    assert Path(copy.path, "0", "first.py").read_text() == "x = 1"
    # what did not travel is looked for behind it, but only where the folder is known to be the same
    assert shelf.unpacked(found, place, shared=True).before == (f"{copy.path}/0", str(folder))


def test_copies_that_nobody_uses_are_removed(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(library, "KEPT", 1)
    shelf, copies = Library(), []
    with ExitStack() as held:
        for number in range(4):
            written(folder, first__dot__py=f"x = {number}")
            found = travelling(pickle.dumps("first:run"))
            copies.append(shelf.unpacked(found, str(tmp_path), shared=False))
            if not number:
                held.enter_context(shelf.holding(copies[0]))
                continue
            with shelf.holding(copies[-1]):
                pass
        assert [Path(copy.path).exists() for copy in copies] == [True, False, False, True]
