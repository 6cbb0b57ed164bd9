"""Where the cluster is: what may be said, and what is said of what may not."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

import batchmill
from batchmill.errors import ExecutorUnavailable, InvalidSetting, MissingExtra
from batchmill.executors.remote import where
from batchmill.executors.remote.futures import FuturesCarrier
from batchmill.ir.clusters import checked_cluster, written_cluster


@pytest.mark.parametrize(
    ("said", "place"),
    [
        (None, ("dask", "")),
        ("local", ("dask", "local")),
        ("local:4", ("dask", "local:4")),
        ("node7:8786", ("dask", "tls://node7:8786")),
        ("tls://node7:8786", ("dask", "tls://node7:8786")),
        ("tcp://127.0.0.1:8786", ("dask", "tcp://127.0.0.1:8786")),
        ("scheduler.json", ("dask", "scheduler.json")),
        ({"address": "node7:8786", "cwd": "/data"}, ("dask", "tls://node7:8786")),
        ({"python": "mine:make"}, ("python", "mine:make")),
    ],
)
def test_places(said: Any, place: tuple[str, str]) -> None:
    assert where._place(said) == place


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("nonsense", "is none of `local`"),
        ("local:0", "is none of `local`"),
        ("node7:port", "is none of `local`"),
        ("", "is none of `local`"),
        (8786, "must be an address or an object"),
        ({}, "exactly one of `address` and `python`"),
        ({"address": "local", "python": "a:b"}, "exactly one of `address` and `python`"),
        ({"python": "mine"}, "`module:function`"),
        ({"adress": "local"}, "no key 'adress'"),
        ({"address": "local", "env": "LANG"}, "`env` of `cluster` is a list of names"),
        ({"address": "local", "env": ["A=1"]}, "has 'A=1', which is not the name"),
        ({"address": "local", "insecure": "yes"}, "`insecure` of `cluster` is true or false"),
    ],
)
def test_what_is_no_place(said: Any, words: str) -> None:
    with pytest.raises(InvalidSetting, match=words):
        checked_cluster(said)
    with pytest.raises(InvalidSetting, match=words):
        batchmill.map(str, [1], executor="dask", cluster=said)


def test_a_function_that_gives_no_executor_is_named() -> None:
    with pytest.raises(ExecutorUnavailable, match="os:getpid gives int, not an executor"):
        batchmill.map(str, [1], executor="dask", cluster={"python": "os:getpid"})
    with pytest.raises(ExecutorUnavailable, match="no_such_module:f fails: ModuleNotFoundError"):
        batchmill.map(str, [1], executor="dask", cluster={"python": "no_such_module:f"})


def test_without_dask_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> Any:
        raise ModuleNotFoundError("No module named 'distributed'", name="distributed")

    monkeypatch.setattr(where.importlib, "import_module", missing)
    with pytest.raises(MissingExtra, match=r"pip install 'batchmill\[dask\]'"):
        where._connected("dask", "local")


def test_where_there_is_only_text_a_place_may_be_an_object_in_json(monkeypatch: pytest.MonkeyPatch) -> None:
    assert written_cluster("local:2") == "local:2"
    assert written_cluster("") is written_cluster(None) is None
    monkeypatch.setenv(where.VARIABLE, '{"address": "local:2", "cwd": "/"}')
    assert where.said_of(None) == {"address": "local:2", "cwd": "/"}
    assert where.said_of("local") == "local"
    with pytest.raises(InvalidSetting, match="is no JSON"):
        written_cluster('{"address"')


def test_an_executor_that_cannot_cancel_calls_is_closed_too() -> None:
    class Plain(ThreadPoolExecutor):
        def shutdown(self, wait: bool = True) -> None:  # type: ignore[override]
            super().shutdown(wait)
            ended.append(wait)

    ended: list[bool] = []
    FuturesCarrier(Plain(1)).close()
    assert ended == [True]
