"""The collector of cycles rests while the command is loaded, and in no process but the command's own."""

from __future__ import annotations

import gc

import pytest

from batchmill import loading


@pytest.fixture(autouse=True)
def as_before(monkeypatch):
    monkeypatch.setattr(loading, "_own", False)
    yield
    if hasattr(gc, "unfreeze"):
        gc.unfreeze()
    gc.enable()


def test_the_process_of_a_user_is_left_alone():
    frozen = gc.get_freeze_count() if hasattr(gc, "freeze") else 0
    with loading.loading():
        assert gc.isenabled()
    loading.loaded()
    assert not hasattr(gc, "freeze") or gc.get_freeze_count() == frozen


def test_the_command_s_own():
    loading.begin()
    assert not gc.isenabled()
    loading.loaded()
    assert gc.isenabled()
    assert not hasattr(gc, "freeze") or gc.get_freeze_count() > 1000


def test_the_collector_looks_again_after_what_fails_to_load():
    loading.begin()
    loading.loaded()
    seen = []

    def load():
        with loading.loading():
            seen.append(gc.isenabled())
            raise ImportError

    with pytest.raises(ImportError):
        load()
    assert (seen, gc.isenabled()) == ([False], True)
