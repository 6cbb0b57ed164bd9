"""What is wrong with a cluster, by what is told of it."""

from __future__ import annotations

import platform
from importlib import metadata
from typing import Any

import pytest

from batchmill.errors import ExecutorUnavailable
from batchmill.executors.remote.offer import (
    Offer,
    OfferedWorker,
    as_json,
    facts,
    faults,
    refuse_wrong_versions,
    rows,
)

HERE = {"batchmill": metadata.version("batchmill"), "cloudpickle": metadata.version("cloudpickle")}


def worker(host: str, python: str = platform.python_version(), **changed: Any) -> OfferedWorker:
    told = {"host": host, "memory": 4 << 30, "shared_memory": 1 << 30, "folder": "/", "shares_folder": True}
    packages = {**HERE, **changed.pop("packages", {})}
    return OfferedWorker(f"tls://{host}:1", 8, python, packages, {**told, **changed})


def test_a_cluster_with_nothing_wrong() -> None:
    offer = Offer("tls://s:8786", [worker("a"), worker("b")], 12.3, "TLSv1.3", expires_days=300.2)
    assert list(faults(offer)) == []
    assert dict(rows(offer)) == {
        "address": "tls://s:8786, reached in 12 ms, TLS 1.3, certificates for 300 days yet",
        "workers": "2 workers, 16 seats",
        "memory": "8.0 GB on 2 machines",
        "python": f"{platform.python_version()} on 2",
        "batchmill": f"{HERE['batchmill']} on 2",
        "cloudpickle": f"{HERE['cloudpickle']} on 2",
        "folder": "shared with 2 of 2 workers",
    }
    told = as_json(offer)
    assert (told["seats"], told["faults"], told["workers"][1]["host"]) == (16, [], "b")
    refuse_wrong_versions(offer)


@pytest.mark.parametrize(
    ("broken", "what", "remedy"),
    [
        (worker("b", "3.7.1"), f"Python is {platform.python_version()} here and 3.7.1 on b", "start those"),
        (worker("b", packages={"batchmill": None}), "and none on b", "pip install 'batchmill=="),
        (worker("b", packages={"cloudpickle": "99.0"}), "and 99.0 on b", "pip install 'cloudpickle=="),
        (
            OfferedWorker("tls://b:1", 8, fault="OSError: no"),
            "tls://b:1 runs nothing: OSError: no",
            "its log",
        ),
    ],
)
def test_workers_that_can_run_nothing_are_refused(broken: OfferedWorker, what: str, remedy: str) -> None:
    offer = Offer("s:1", [worker("a"), broken])
    (fault,) = faults(offer)
    assert fault.level == "problem"
    assert what in fault.what
    assert remedy in fault.remedy
    with pytest.raises(ExecutorUnavailable) as refused:
        refuse_wrong_versions(offer)
    assert what in str(refused.value)
    assert remedy in str(refused.value)


@pytest.mark.parametrize(
    ("offer", "what"),
    [
        (Offer("s:1", [worker("a"), worker("b", shares_folder=False)]), "or is another one, on b"),
        (Offer("s:1", [worker("a"), worker("b", shared_memory=None)]), "no shared memory in /dev/shm on b"),
        (Offer("s:1", [worker("a")], encrypted=False), "is not encrypted"),
        (Offer("s:1", [worker("a")], expires_days=2.04), "a certificate expires in 2.0 days"),
        (
            Offer("s:1", [worker("a", packages={"distributed": "1.0"})], dask="2.0"),
            "distributed is 2.0 here and 1.0 there",
        ),
    ],
)
def test_what_a_run_can_live_with_is_noted(offer: Offer, what: str) -> None:
    (fault,) = faults(offer)
    assert fault.level == "note"
    assert what in fault.what
    assert fault.remedy
    refuse_wrong_versions(offer)


def test_no_workers_are_a_problem() -> None:
    (fault,) = faults(Offer("s:1", []))
    assert (fault.level, fault.what) == ("problem", "there are no workers")


def test_what_a_worker_says_of_itself() -> None:
    told = facts(None)
    assert told["memory"] > 0
    assert told["shares_folder"] is None
    assert told["host"] == platform.node()
