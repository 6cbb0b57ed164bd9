"""A cluster of threads in this process, in the place of the one that the executor `dask` finds by itself."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

import batchmill
from batchmill.executors.remote import where
from batchmill.executors.remote.certificates import make_certificates
from batchmill.executors.remote.futures import LoopCarrier

Use = Callable[[LoopCarrier], LoopCarrier]


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch) -> Iterator[Use]:
    """``use(carrier)``: what batches of the executor `dask` are sent over; closed after the test."""
    monkeypatch.delenv(where.VARIABLE, raising=False)
    key = os.getpid(), "dask", ""
    used: list[LoopCarrier] = []

    def put(carrier: LoopCarrier) -> LoopCarrier:
        used.append(carrier)
        monkeypatch.setitem(where._carriers, key, carrier)
        return carrier

    yield put
    for carrier in used:
        carrier.close()


@pytest.fixture
def loop(use: Use) -> LoopCarrier:
    """A carrier with two seats."""
    return use(LoopCarrier(2))


class Cluster:
    """A scheduler and workers, each a process of its own, with certificates, on the loopback interface."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = folder / "log"
        self.certificates = make_certificates(str(folder / "certs"))
        self.processes: list[subprocess.Popen[bytes]] = []
        self.workers: list[subprocess.Popen[bytes]] = []
        file = folder / "scheduler.json"
        options = ["--port", "0", "--no-dashboard", "--scheduler-file", str(file)]
        self.scheduler = self._start("scheduler", "--protocol", "tls", *options)
        wait_for(file.exists)
        wait_for(file.read_text)
        self.address: str = json.loads(file.read_text())["address"]

    def _start(self, *arguments: str, **how: Any) -> subprocess.Popen[bytes]:
        made = self.certificates
        files = [
            "--tls-ca-file",
            str(made.ca),
            "--tls-cert",
            str(made.cert),
            "--tls-key",
            str(made.key),
            "--host",
            "127.0.0.1",
        ]
        command = [*how.pop("dask", [sys.executable, "-m", "dask"]), *arguments, *files]
        with open(self.log, "ab") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True, **how)
        self.processes.append(process)
        return process

    def worker(self, *options: str, seats: int = 2, **how: Any) -> subprocess.Popen[bytes]:
        """Start one, with a nanny; it is there once :meth:`wait` says so."""
        spill = self.folder / "spill"
        spill.mkdir(exist_ok=True)
        given = ["--nworkers", "1", "--nthreads", str(seats), "--no-dashboard", *options]
        return self._start("worker", self.address, *given, "--local-directory", str(spill), **how)

    def settings(self) -> dict[str, Any]:
        """Dask's configuration of a client that is let in."""
        made = self.certificates
        tls = {"ca-file": str(made.ca), "client.cert": str(made.cert), "client.key": str(made.key)}
        return {f"distributed.comm.tls.{name}": path for name, path in tls.items()}

    def known(self) -> contextlib.AbstractContextManager[Any]:
        """This process is a client that is let in."""
        import dask
        import distributed  # noqa: F401  # its own settings go into the configuration at its import

        known: contextlib.AbstractContextManager[Any] = dask.config.set(self.settings())
        return known

    def environment(self) -> dict[str, str]:
        """The same for another process."""
        return {
            f"DASK_{name.upper().replace('.', '__').replace('-', '_')}": path
            for name, path in self.settings().items()
        }

    def wait(self, seats: int) -> None:
        """Until so many seats are there."""
        from distributed import Client

        with Client(self.address, set_as_default=False) as client:
            wait_for(lambda: sum(client.nthreads().values()) == seats)

    def family(self, process: subprocess.Popen[bytes]) -> list[psutil.Process]:
        """All processes below one of ours."""
        try:
            return psutil.Process(process.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            return []

    def worker_of(self, nanny: subprocess.Popen[bytes]) -> psutil.Process:
        """The process of the worker itself, below its nanny."""
        mine = psutil.Process(nanny.pid).children()
        (found,) = [one for one in mine if "spawn_main" in " ".join(one.cmdline())]
        return found

    def close(self) -> None:
        """Kill all of it."""
        for process in self.processes[::-1]:
            for one in [*self.family(process), process]:
                with contextlib.suppress(psutil.NoSuchProcess):
                    one.kill()
            process.wait()


def wait_for(there: Callable[[], Any]) -> None:
    """Until it is true; processes of a cluster take seconds to start where little else runs."""
    end = time.monotonic() + 110
    while not there():
        assert time.monotonic() < end
        time.sleep(0.02)


@contextlib.contextmanager
def started(folder: Path, workers: int) -> Iterator[Cluster]:
    """A cluster of separate processes whose workers have two seats each."""
    pytest.importorskip("distributed", reason="the extra `dask` is not installed")
    cluster = Cluster(folder)
    try:
        cluster.workers = [cluster.worker() for _ in range(workers)]
        with cluster.known():
            cluster.wait(2 * workers)
        yield cluster
    finally:
        cluster.close()


@contextlib.contextmanager
def used(cluster: Cluster) -> Iterator[None]:
    """Batches of the executor `dask` are sent to it."""
    with cluster.known(), pytest.MonkeyPatch.context() as patch:
        patch.setenv(where.VARIABLE, cluster.address)
        try:
            yield
        finally:
            batchmill.shutdown()


@pytest.fixture
def separate(nothing_left: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A cluster of the test's own with two workers of two seats each, to be broken at will."""
    with started(tmp_path_factory.mktemp("cluster"), 2) as cluster, used(cluster):
        yield cluster


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """The same for all tests of a module that leave it whole."""

    def host_of(item: int) -> int:
        time.sleep(0.01)
        return os.getppid()

    with started(tmp_path_factory.mktemp("cluster"), 2) as cluster, used(cluster):
        # a worker has its pool and folders from its first item on, so that a test that brings it leaves them
        warm: set[int] = set()
        wait_for(lambda: warm.update(batchmill.map(host_of, range(64), executor="dask")) or len(warm) == 2)
        yield cluster


@pytest.fixture
def one_worker(
    nothing_left: None, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[], contextlib.AbstractContextManager[Cluster]]:
    """Makes clusters of one worker with two seats, to be used one after another."""

    @contextlib.contextmanager
    def make() -> Iterator[Cluster]:
        with started(tmp_path_factory.mktemp("cluster"), 1) as cluster, used(cluster):
            yield cluster

    return make


@pytest.fixture
def when() -> Iterator[Callable[[Callable[[], object], Callable[[], object]], None]]:
    """``when(there, then)``: does the second in a thread, once the first is true."""
    threads: list[threading.Thread] = []

    def begin(there: Callable[[], object], then: Callable[[], object]) -> None:
        def wait() -> None:
            wait_for(there)
            then()

        threads.append(threading.Thread(target=wait))
        threads[-1].start()

    yield begin
    for thread in threads:
        thread.join()


@pytest.fixture
def clusters() -> Any:
    """``with clusters(folder, workers)``: one of the test's own making."""
    return started
