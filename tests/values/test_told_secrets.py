"""Secrets that nobody declared."""

from __future__ import annotations

import functools
from collections import namedtuple
from types import SimpleNamespace
from typing import Any

import pytest

from batchmill.values.told_secrets import tells, told_secret

KEY = "k-7f3a9c51-and-more"


@pytest.mark.parametrize(
    "name",
    ["api_key", "API-KEY", "apiKey", "token", "GH_TOKEN", "db_password", "clientSecret"],
)
def test_names_that_tell(name: str) -> None:
    assert tells(name)


@pytest.mark.parametrize("name", ["key", "tokens", "max_tokens", "author", "api_key_env", "keyboard", "pass"])
def test_names_that_do_not(name: str) -> None:
    assert not tells(name)


Row = namedtuple("Row", ["user", "password"])


def closing() -> Any:
    token = KEY
    return lambda item: (item, token)


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ({"a": [1, {"password": KEY}]}, "a[1].password"),
        ({"headers": {"Authorization": f"Bearer {KEY}"}}, "headers.Authorization"),
        ({"secrets": {"db": [KEY]}}, "secrets.db[0]"),
        ([b"x", {"token": KEY.encode()}], "[1].token"),
        (f"postgres://me:{KEY}@host/db", ""),
        (["-----BEGIN EC PRIVATE KEY-----\nMHc"], "[0]"),
        ({"header": f"X: Bearer {KEY}"}, "header"),
        (SimpleNamespace(login=SimpleNamespace(api_key=KEY)), "login.api_key"),
        (Row("me", KEY), "password"),
        (functools.partial(print, api_key=KEY), "api_key"),
        (closing(), "token"),
        ({"password": "${login.words}"}, "password"),
    ],
)
def test_where_they_stand(value: Any, path: str) -> None:
    assert told_secret(value) == path


@pytest.mark.parametrize(
    "value",
    [
        {"token": "hello"},  # a word of a text
        {"token": 17, "password": None, "secret": ""},
        {"api_key_env": "SOME_KEY_OF_OURS"},
        "https://example.org/a:b@c?x=1",
        print,
        {KEY: KEY},
    ],
)
def test_what_is_none(value: Any) -> None:
    assert told_secret(value) is None


def test_what_holds_itself_ends() -> None:
    value: dict[str, Any] = {}
    value["again"] = [value]
    assert told_secret(value) is None
