"""The place of the workers: the value of ``cluster``, and this process's one carrier to each place."""

from __future__ import annotations

import importlib
import os
import pickle
import threading
from collections.abc import Mapping
from concurrent.futures import Executor
from typing import Any

from batchmill.errors import ExecutorUnavailable, MissingExtra
from batchmill.executors.cores import usable_cores
from batchmill.executors.remote.calls import FactsCall
from batchmill.executors.remote.contract import Carrier
from batchmill.executors.remote.folder_probe import Probe
from batchmill.executors.remote.futures import FuturesCarrier
from batchmill.executors.remote.offer import Offer
from batchmill.ir.clusters import checked_cluster, written_cluster

VARIABLE = "BATCHMILL_CLUSTER"

_lock = threading.Lock()
_carriers: dict[tuple[int, str, str], Carrier] = {}  # by process, kind and place


def said_of(cluster: str | Mapping[str, Any] | None) -> str | Mapping[str, Any] | None:
    """``cluster``, or if it is None the value of :data:`VARIABLE`. Raises
    :class:`~batchmill.errors.InvalidSetting`."""
    found: str | Mapping[str, Any] | None = cluster
    if found is None:
        found = written_cluster(os.environ.get(VARIABLE))
    checked_cluster(found)
    return found


def carrier_at(cluster: str | Mapping[str, Any] | None) -> Carrier:
    """The carrier to the workers at ``cluster``, connected on first use; None for those of :data:`VARIABLE`,
    else of Dask's configuration, else of a local cluster.

    Raises :class:`~batchmill.errors.InvalidSetting`, :class:`~batchmill.errors.ExecutorUnavailable` and
    :class:`~batchmill.errors.MissingExtra`.
    """
    kind, place = _place(cluster)
    key = os.getpid(), kind, place
    with _lock:  # also while it connects: another batch waits for the same
        carrier = _carriers.get(key)
        if carrier is not None and carrier.gone:
            carrier.close()
            carrier = None
        if carrier is None:
            carrier = _carriers[key] = _connected(kind, place)
        return carrier


def offer_at(cluster: str | Mapping[str, Any] | None, probe: Probe | None = None) -> Offer:
    """The present workers of the cluster at ``cluster``, over a connection of its own; see
    :func:`carrier_at`. Workers report whether they see the ``probe``. A local cluster is started for it.

    Raises the errors of :func:`carrier_at`.
    """
    kind, place = _place(cluster)
    carrier = _connected(kind, place, whatever=True)
    try:
        return carrier.offer(pickle.dumps(FactsCall(probe), 5))
    finally:
        carrier.close()


def local_seats(cluster: str | Mapping[str, Any] | None) -> int | None:
    """How many processes the local cluster has that would be started for ``cluster``, None if that names
    another one. Raises :class:`~batchmill.errors.MissingExtra` and
    :class:`~batchmill.errors.InvalidSetting`."""
    kind, place = _place(cluster)
    if kind == "python":
        return None
    head, _, seats = _dask().named_place(place).partition(":")
    return None if head != "local" else int(seats or usable_cores())


def disconnect() -> None:
    """Close all carriers of this process, and with them a local cluster."""
    with _lock:
        mine = [key for key in _carriers if key[0] == os.getpid()]
        closing = [_carriers.pop(key) for key in mine]
    for carrier in closing:
        carrier.close()


def _place(cluster: str | Mapping[str, Any] | None) -> tuple[str, str]:
    """The kind of connection, ``python`` or ``dask``, and the place in words; empty without one."""
    cluster = said_of(cluster)
    if cluster is None:
        return "dask", ""
    if isinstance(cluster, str):
        return "dask", _address(cluster)
    python = cluster.get("python")
    return ("dask", _address(str(cluster["address"]))) if python is None else ("python", str(python))


def _address(text: str) -> str:
    """The full address: without a scheme it is one of TLS."""
    head, _, tail = text.partition(":")
    return f"tls://{text}" if head != "local" and tail.isdigit() else text


def _connected(kind: str, place: str, *, whatever: bool = False) -> Carrier:
    if kind == "python":
        return FuturesCarrier(_made(place))
    carrier: Carrier = _dask().connect(place, whatever=whatever)
    return carrier


def _dask() -> Any:
    """Import the module that needs the extra. Raises :class:`~batchmill.errors.MissingExtra`."""
    try:
        return importlib.import_module("batchmill.executors.remote.dask_carrier")
    except ImportError as fault:
        if (fault.name or "").partition(".")[0] not in ("distributed", "dask"):
            raise
        raise MissingExtra("dask", "the executor 'dask'") from fault


def _made(place: str) -> Executor:
    """The return value of the function at ``place``."""
    module, _, name = place.partition(":")
    try:
        made = getattr(importlib.import_module(module), name)()
    except Exception as fault:
        raise ExecutorUnavailable(
            f"`python` of `cluster`: {place} fails: {type(fault).__name__}: {fault}"
        ) from fault
    if not callable(getattr(made, "submit", None)):
        raise ExecutorUnavailable(
            f"`python` of `cluster`: {place} gives {type(made).__name__}, not an executor: it has no `submit`"
        )
    executor: Executor = made
    return executor
