"""Ask a Dask scheduler about its workers, with calls that return even if it does not answer."""

from __future__ import annotations

import pickle
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from functools import partial
from importlib import metadata
from typing import Any, TypeVar

import distributed

from batchmill.executors.remote.offer import OfferedWorker

ANSWER_SECONDS = 10.0
QUIET_SECONDS = 5.0  # without a heartbeat, after which a worker is not asked what it has: it would not answer
DIGITS = 3  # of a version

T = TypeVar("T")


def within(call: Callable[[], T], seconds: float = ANSWER_SECONDS) -> T:
    """The result of ``call``, in a thread of its own. Raises its exception, and TimeoutError when it takes
    longer; the thread then waits on by itself until the connection is closed."""
    answer: Future[T] = Future()

    def ask() -> None:
        try:
            answer.set_result(call())
        except BaseException as fault:  # noqa: BLE001  # raised in the thread that asked
            answer.set_exception(fault)

    threading.Thread(target=ask, name="batchmill-pool-cluster-call", daemon=True).start()
    try:
        return answer.result(seconds)
    except TimeoutError:
        if answer.done():
            raise
        raise TimeoutError(f"no answer within {seconds:g} s") from None


def known_workers(client: Any) -> dict[str, dict[str, Any]]:
    """All workers by address, with the scheduler's data about them: ``nthreads``, ``last_seen`` and more."""
    try:
        found = client.scheduler_info(n_workers=-1)
    except TypeError:  # older ones tell of all, and know no such argument
        found = client.scheduler_info()
    return dict(found["workers"])


def told_by_workers(client: Any, facts_call: bytes) -> list[OfferedWorker]:
    """The workers, with the reports of their agents; silent workers are not asked."""
    known = within(lambda: known_workers(client))
    now = _time_there(client, known)
    silence = {address: now - one["last_seen"] for address, one in known.items()}
    asked = [address for address, seconds in silence.items() if seconds < QUIET_SECONDS]
    ask = partial(client.run, workers=asked, on_error="return")
    if asked:
        versions = within(lambda: ask(distributed.versions.get_versions))
        installed = within(lambda: ask(metadata.version, "batchmill"))
        facts = within(lambda: ask(pickle.loads, facts_call))
    else:
        versions = installed = facts = {}
    return [
        _worker(
            address,
            int(one["nthreads"]),
            versions.get(address),
            installed.get(address),
            facts.get(address, TimeoutError(f"nothing has been heard of it for {silence[address]:.0f} s")),
        )
        for address, one in sorted(known.items())
    ]


def _time_there(client: Any, known: Mapping[str, Mapping[str, Any]]) -> float:
    try:
        return float(within(lambda: client.run_on_scheduler(time.time)))
    except Exception:  # noqa: BLE001  # some schedulers run nothing: then as late as the latest heartbeat
        return max((float(one["last_seen"]) for one in known.values()), default=0.0)


def _worker(address: str, seats: int, versions: Any, installed: Any, facts: Any) -> OfferedWorker:
    packages: dict[str, str | None] = {}
    if isinstance(installed, str):
        packages["batchmill"] = installed
    elif isinstance(installed, metadata.PackageNotFoundError):
        packages["batchmill"] = None
    python = ""
    if isinstance(versions, Mapping):
        python = _version(versions["host"]["python"])
        for name in ("cloudpickle", "distributed"):
            packages[name] = _version(versions["packages"].get(name)) or None
    if isinstance(facts, Mapping):
        return OfferedWorker(address, seats, python, packages, facts)
    return OfferedWorker(address, seats, python, packages, None, f"{type(facts).__name__}: {facts}")


def _version(text: Any) -> str:
    """``3.11.7`` of ``3.11.7.final.0``."""
    return ".".join(str(text or "").split(".")[:DIGITS])
