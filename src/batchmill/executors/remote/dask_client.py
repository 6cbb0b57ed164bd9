"""Dask's client, connected and quiet."""

from __future__ import annotations

import logging
import warnings
from typing import Any

import distributed
from distributed.comm import get_address_host_port

from batchmill.errors import ExecutorUnavailable

CONNECT_SECONDS = 15.0


def quiet() -> None:
    """On import, Dask sets up handlers that write every event of a worker to our stderr."""
    for name in ("distributed", "distributed.client", "bokeh", "tornado"):
        logger = logging.getLogger(name)
        for handler in list(logger.handlers):
            logger.removeHandler(handler)
        logger.propagate = False
        logger.addHandler(logging.NullHandler())
    # we report versions ourselves, and refuse incompatible ones
    warnings.filterwarnings("ignore", category=distributed.versions.VersionMismatchWarning)


def check_address(address: str) -> None:
    """Raises :class:`ExecutorUnavailable` if it has no host and port, or Dask does not know its scheme: a
    client of such an address hangs for half a minute, and again when it is closed."""
    try:
        get_address_host_port(address)
    except ValueError as fault:
        raise ExecutorUnavailable(
            f"the cluster's address {address} cannot be used: {fault}; write it as tls://host:port"
        ) from fault


def client_of(address: str, security: Any = None) -> Any:
    """A client of the scheduler at ``address``, or of the scheduler file there. Raises
    :class:`ExecutorUnavailable`."""
    where = {"scheduler_file": address} if address.endswith(".json") else {"address": address}
    given = {} if security is None else {"security": security}
    try:
        return distributed.Client(
            **where,
            **given,
            set_as_default=False,
            timeout=CONNECT_SECONDS,
            heartbeat_interval="1s",
            direct_to_workers=security is not None,  # those of others may be out of our reach
        )
    except Exception as fault:
        hint = "and the certificates that Dask's configuration names under `distributed.comm.tls`"
        if address.startswith("tcp://"):
            hint = "and write tls:// if it was started with certificates"
        raise ExecutorUnavailable(
            f"the cluster at {address} cannot be reached: {words(fault)}; "
            f"check that its scheduler runs, {hint}"
        ) from fault


def words(fault: BaseException) -> str:
    """A fault of Dask's in one line."""
    return f"{type(fault).__name__}: {fault}"
