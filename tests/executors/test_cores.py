"""Usable cores: affinity and the quotas of control groups, in both of their versions."""

import os

import pytest

from batchmill.executors import cores


@pytest.fixture
def groups(tmp_path, monkeypatch):
    monkeypatch.setattr(cores, "CGROUPS", tmp_path)
    monkeypatch.setattr(cores, "group_folders", lambda controller: [tmp_path / "inner", tmp_path])
    (tmp_path / "inner").mkdir()
    cores.cpu_quota.cache_clear()
    yield tmp_path
    cores.cpu_quota.cache_clear()


def test_at_least_one_and_no_more_than_the_system_lets_us():
    assert 1 <= cores.usable_cores() <= (os.cpu_count() or 1)


@pytest.mark.parametrize(("text", "quota"), [("150000 100000", 1.5), ("max 100000", None), ("", None)])
def test_version_2(text, quota, groups):
    (groups / "inner" / "cpu.max").write_text(text + "\n")
    assert cores.cpu_quota() == quota


def test_version_1_and_the_strictest_counts(groups):
    for folder, allowed in ((groups, "50000"), (groups / "inner", "-1")):
        (folder / "cpu.cfs_quota_us").write_text(allowed)
        (folder / "cpu.cfs_period_us").write_text("100000")
    assert cores.cpu_quota() == 0.5
    assert cores.usable_cores() == 1
