"""The process of a local cluster: ``python -m batchmill.executors.remote.host SEATS DESCRIPTOR FOLDER``.

A scheduler and a nanny with one worker, on the loopback interface. The certificates are made here and written
only to the descriptor, together with the address. It ends when its standard input does.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import shutil
import sys
import tempfile
import threading
from typing import Any

import dask
import distributed

from batchmill.executors.process.family import kill_descendants
from batchmill.executors.process.folders import MEMORY_FOLDER, remove_abandoned

END_SECONDS = 0.7  # running items use all of it, and a killed parent must leave nothing after 2 s


def main() -> None:
    """See the module."""
    seats, writing, folder = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    os.set_inheritable(writing, False)
    try:
        asyncio.run(_serve(seats, writing, folder))
    finally:
        _end(folder)


async def _serve(seats: int, writing: int, folder: str) -> None:
    over = asyncio.Event()
    loop = asyncio.get_running_loop()
    threading.Thread(target=_wait_for_the_end, args=(loop, over), daemon=True).start()
    with open(writing, "w", encoding="utf-8") as pipe:
        try:
            cluster, told = await _started(seats, folder)
        except Exception as fault:  # noqa: BLE001  # told to who started us
            pipe.write(json.dumps({"fault": f"{type(fault).__name__}: {fault}"}) + "\n")
            return
        pipe.write(json.dumps(told) + "\n")
    await over.wait()
    with contextlib.suppress(Exception):
        await asyncio.wait_for(_closed(cluster), END_SECONDS)


_SETTINGS = {
    "distributed.scheduler.http.routes": [],
    "distributed.worker.http.routes": [],
    "distributed.scheduler.allowed-failures": 0,
    "distributed.scheduler.worker-saturation": 2.0,
    "distributed.worker.memory.pause": False,
    "distributed.worker.memory.spill": False,
    "distributed.worker.memory.target": False,
    "distributed.worker.memory.terminate": False,
    # Dask's measurements for its web pages, which nobody opens here, take 3 % of two cores.
    "distributed.worker.profile.enabled": False,
    "distributed.admin.tick.interval": "1s",
    "distributed.admin.system-monitor.interval": "10s",
}


async def _started(seats: int, folder: str) -> tuple[list[Any], dict[str, str]]:
    logging.disable(logging.CRITICAL)  # who is connected hears of all that matters
    dask.config.set(_SETTINGS)
    security = distributed.Security.temporary()
    scheduler = await distributed.Scheduler(
        host="127.0.0.1",
        port=0,
        protocol="tls",
        security=security,
        dashboard=False,
        dashboard_address="127.0.0.1:0",
    )
    nanny = await distributed.Nanny(
        scheduler.address,
        nthreads=seats,
        local_directory=folder,
        host="127.0.0.1",
        protocol="tls",
        security=security,
        memory_limit=0,
        dashboard=False,
        config=_SETTINGS,
    )
    told = {
        "address": scheduler.address,
        "ca": security.tls_ca_file,
        "cert": security.tls_client_cert,
        "key": security.tls_client_key,
    }
    return [nanny, scheduler], told


async def _closed(cluster: list[Any]) -> None:
    for part in cluster:
        await part.close()


def _wait_for_the_end(loop: asyncio.AbstractEventLoop, over: asyncio.Event) -> None:
    with contextlib.suppress(OSError):
        while os.read(0, 4096):
            pass
    loop.call_soon_threadsafe(over.set)


def _end(folder: str) -> None:
    """End what is left, and this process, without waiting for anybody."""
    kill_descendants(os.getpid(), lambda process: False)
    shutil.rmtree(folder, ignore_errors=True)
    remove_abandoned([MEMORY_FOLDER, tempfile.gettempdir()], grace=0.0)
    os._exit(0)


if __name__ == "__main__":
    main()
