"""Names that match, against what the standard library finds, and what it has no rule for."""

from __future__ import annotations

import glob
import os
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from batchmill.errors import StorageError
from batchmill.items.globbing import find_paths

TREE = (
    "a/b/c.txt", "a/b/d.py", "a/c.txt", "a.txt", "a-1/c.txt", "b.py", ".hidden/c.txt", "a/.c.txt",
    "b/a/b/a.txt", "b/[x].txt", "b/é.txt", "z/",
)  # fmt: skip


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("tree")
    for name in TREE:
        path = root / name
        (path if name.endswith("/") else path.parent).mkdir(parents=True, exist_ok=True)
        if not name.endswith("/"):
            path.write_text("")
    return root


PARTS = st.sampled_from(
    ["*", "**", "a", "b", "?", "*.txt", "[ab]", "[!a]*", ".*", ".hidden", "c.txt", "*.*", "[[]x*", "é*"]
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300)
@given(parts=st.lists(PARTS, min_size=1, max_size=4))
def test_finds_what_the_standard_library_finds_in_the_order_of_the_text(tree: Path, parts: list[str]) -> None:
    if parts[-1] == "**":
        parts = [*parts, "*"]  # what it says there of the folder itself is a matter of its own
    pattern = "/".join(parts)
    expected = sorted(set(glob.glob(pattern, root_dir=tree, recursive=True)))
    found = list(find_paths(pattern, str(tree)))
    assert found == expected
    absolute = list(find_paths(f"{glob.escape(str(tree))}/{pattern}"))
    assert absolute == [f"{tree}/{name}" for name in expected]


def test_a_last_part_of_any_depth_is_all_that_is_below(tree: Path) -> None:
    everything = sorted(set(glob.glob("**/*", root_dir=tree, recursive=True)))
    assert list(find_paths("**", str(tree))) == everything
    assert list(find_paths("a/**", str(tree))) == [one for one in everything if one.startswith("a/")]


def test_folders_alone(tree: Path) -> None:
    assert list(find_paths("*/", str(tree))) == ["a-1/", "a/", "b/", "z/"]
    assert list(find_paths("b/**/", str(tree))) == ["b/a/", "b/a/b/"]


def test_names_are_found_as_they_are_asked_for(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "1").write_text("")
    (tmp_path / "b").mkdir()
    names = find_paths("*/*", str(tmp_path))
    assert next(names) == "a/1"
    (tmp_path / "b" / "2").write_text("")  # not read yet
    assert list(names) == ["b/2"]


def test_links_in_a_circle_come_to_an_end(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x").write_text("")
    (tmp_path / "a" / "up").symlink_to("..")
    (tmp_path / "self").symlink_to("self")
    assert list(find_paths("**/x", str(tmp_path))) == ["a/x"]
    assert list(islice(find_paths("a/*/a/x", str(tmp_path)), 9)) == ["a/up/a/x"]


@pytest.mark.parametrize("pattern", ["nowhere/*", "a.txt/*", "*/nothing", "x\0y", "x\0/*", "/"])
def test_nothing_is_no_error(tree: Path, pattern: str) -> None:
    assert list(find_paths(pattern, str(tree))) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may read everything")
def test_a_folder_that_may_not_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0o000)
    with pytest.raises(StorageError, match=r"closed.* cannot be read"):
        list(find_paths("*/*", str(tmp_path)))
