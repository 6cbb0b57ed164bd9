"""Credentials, given or in the environment."""

from __future__ import annotations

import pytest

from batchmill.errors import InvalidParams
from batchmill.nodes.credentials import credential, credential_faults, masked


def test_where_they_come_from(monkeypatch):
    monkeypatch.setenv("SOME_KEY", " value\n")
    assert credential({"key": "given", "key_env": None}, "key") == "given"
    assert credential({"key": None, "key_env": "SOME_KEY"}, "key") == "value"
    assert credential({"key": None, "key_env": None}, "key") == ""


@pytest.mark.parametrize("value", [None, "", " \n"])
def test_a_variable_that_holds_none(monkeypatch, value):
    monkeypatch.delenv("SOME_KEY", raising=False)
    if value is not None:
        monkeypatch.setenv("SOME_KEY", value)
    with pytest.raises(InvalidParams, match="SOME_KEY"):
        credential({"key": None, "key_env": "SOME_KEY"}, "key")


def test_both_at_once_are_a_fault():
    assert credential_faults({"a": "x", "a_env": "Y", "b": "x"}, "a", "b")[0][0] == "a_env"
    assert credential_faults({"a": "x"}, "a", "b") == []


def test_they_are_masked_where_the_other_side_says_them_back():
    assert masked("wrong key sk-12345!", "sk-12345") == "wrong key ***!"
    assert masked("no key at all", "") == "no key at all"
    assert masked("an a", "a") == "an a"
