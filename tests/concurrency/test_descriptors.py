"""How many descriptors are to spare."""

from __future__ import annotations

import os
import resource

import pytest

from batchmill.concurrency import descriptors
from batchmill.concurrency.descriptors import LEAST, free_descriptors


@pytest.mark.parametrize(("limit", "kept"), [(16_000, 2_000), (200, LEAST)])
def test_some_stay_free(monkeypatch, limit, kept):
    monkeypatch.setattr(resource, "getrlimit", lambda which: (limit, limit))
    monkeypatch.setattr(descriptors, "_open", lambda: 10)
    assert free_descriptors() == limit - 10 - kept


def test_at_least_one(monkeypatch):
    monkeypatch.setattr(resource, "getrlimit", lambda which: (20, 20))
    assert free_descriptors() == 1


def test_what_is_open_counts():
    before = free_descriptors()
    opened = [os.open(os.devnull, os.O_RDONLY) for _ in range(3)]
    try:
        assert before - free_descriptors() == 3
    finally:
        for one in opened:
            os.close(one)


def test_no_limit(monkeypatch):
    monkeypatch.setattr(resource, "getrlimit", lambda which: (resource.RLIM_INFINITY,) * 2)
    assert free_descriptors() > 1_000_000
