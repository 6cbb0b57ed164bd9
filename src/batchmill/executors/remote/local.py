"""A cluster on this machine, in a process of its own: see :mod:`batchmill.executors.remote.host`."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from typing import Any

import distributed

from batchmill.errors import ExecutorUnavailable
from batchmill.executors.cores import usable_cores
from batchmill.executors.process.family import kill_family

HOST = "batchmill.executors.remote.host"
QUIET = "ignore:resource_tracker:UserWarning"  # of what a killed worker left, which is removed
START_SECONDS = 60.0
CLOSE_SECONDS = 5.0


class LocalHost:
    """The process, started with the given number of seats, or one per usable core. It ends with this process,
    or when you call :meth:`close`. Raises :class:`ExecutorUnavailable` if it does not start.

    Concurrency: used by one thread.
    """

    def __init__(self, seats: int = 0) -> None:
        reading, writing = os.pipe()
        self._folder = tempfile.mkdtemp(prefix="batchmill-cluster-")  # of Dask's workers
        arguments = [str(seats or usable_cores()), str(writing), self._folder]
        command = [sys.executable, "-W", QUIET, "-m", HOST, *arguments]
        environment = {**os.environ, "DASK_LOGGING__DISTRIBUTED": "critical"}
        try:
            # in a session of its own, so Ctrl-C only reaches us, and we end it
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                pass_fds=(writing,),
                start_new_session=True,
                env=environment,
            )
        except OSError as fault:
            os.close(reading)
            shutil.rmtree(self._folder, ignore_errors=True)
            raise ExecutorUnavailable(f"no local cluster can be started: {fault}") from fault
        finally:
            os.close(writing)
        told = self._first_line(reading)
        if "address" not in told:
            self.close()
            raise ExecutorUnavailable(f"the local cluster did not start: {told.get('fault', 'it ended')}")
        self.address = str(told["address"])
        self._keys = {name: str(told[name]) for name in ("ca", "cert", "key")}

    def _first_line(self, reading: int) -> dict[str, Any]:
        late = threading.Timer(START_SECONDS, self._process.kill)
        late.start()
        try:
            with open(reading, encoding="utf-8") as pipe:
                line = pipe.readline()
            told: dict[str, Any] = json.loads(line or "{}")
            return told
        finally:
            late.cancel()
            late.join()

    def security(self) -> Any:
        """The credentials for a client."""
        return distributed.Security(
            tls_ca_file=self._keys["ca"],
            tls_client_cert=self._keys["cert"],
            tls_client_key=self._keys["key"],
            require_encryption=True,
        )

    def close(self) -> None:
        """End it, with all its workers."""
        if self._process.stdin is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.close()
        try:
            self._process.wait(CLOSE_SECONDS)
        except subprocess.TimeoutExpired:
            kill_family(self._process.pid)
            self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)
