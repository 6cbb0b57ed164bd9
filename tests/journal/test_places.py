"""Where journals lie that nobody names."""

import os
import stat

import pytest

from batchmill.errors import StorageError
from batchmill.journal.places import (
    all_map_journals,
    default_journals,
    map_journal,
    maps_folder,
    own_map_journal,
)


@pytest.fixture
def state(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state" / "batchmill" / "maps"


def test_each_folder_has_a_file_of_its_own(state):
    first, second, third = map(map_journal, ("/data/my photos", "/other/my photos", "/"))
    assert {path.parent for path in (first, second, third)} == {state}
    assert len({first, second, third}) == 3
    assert first.name.startswith("my_photos-")
    assert third.name.startswith("root-")
    assert map_journal("/data/my photos") == first
    assert len(map_journal("/" + "x" * 250).name) < 80
    map_journal("/caf\udce9")  # a name that is no text
    assert default_journals("/data")[0].name == "runs.sqlite"


@pytest.mark.parametrize("given", ["", "relative/state"])
def test_without_a_state_home_it_is_in_the_home_folder(given, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", given)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert maps_folder() == tmp_path / ".local" / "state" / "batchmill" / "maps"


@pytest.mark.skipif(os.geteuid() != 0, reason="only the superuser can make files of others")
def test_another_users_home_is_not_taken(tmp_path, monkeypatch):
    """As ``sudo`` leaves it in ``HOME``."""
    home = tmp_path / "home"
    home.mkdir()
    os.chown(home, 1234, 1234)
    monkeypatch.setenv("XDG_STATE_HOME", "")
    monkeypatch.setenv("HOME", str(home))
    assert home not in maps_folder().parents


def test_a_folder_that_others_can_write_is_not_believed(state):
    own_map_journal("/data")
    state.mkdir(parents=True)
    own_map_journal("/data")
    state.chmod(0o777)
    with pytest.raises(StorageError, match="others can write it; set XDG_STATE_HOME"):
        own_map_journal("/data")
    state.chmod(0o700)
    if os.geteuid() == 0:
        os.chown(state, 1234, 1234)
        with pytest.raises(StorageError, match="belongs to another user"):
            own_map_journal("/data")
    assert stat.S_IMODE(state.stat().st_mode) == 0o700


def test_all_of_them_that_used_last_first(state):
    assert all_map_journals() == []
    state.mkdir(parents=True)
    for number, name in enumerate(("b.sqlite", "a.sqlite", "a.sqlite-wal")):
        (state / name).touch()
        os.utime(state / name, (number, number))
    assert [path.name for path in all_map_journals()] == ["a.sqlite", "b.sqlite"]
