"""A slot whose worker, or whose end, is not as it should be: nothing waits for ever, nothing is left."""

from __future__ import annotations

import errno
import logging
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import cloudpickle
import psutil
import pytest

import batchmill
from batchmill.executors.process.family import kill_family
from batchmill.executors.process.pool import Pool
from batchmill.executors.process.shared_area import Region
from batchmill.executors.process.slot import Slot

cloudpickle.register_pickle_by_value(sys.modules[__name__])


@pytest.fixture
def pool() -> Iterator[Pool]:
    own = Pool()
    yield own
    own.close()


def files_of(slot: Slot) -> list[str]:
    folder, name = os.path.split(slot.area.path)
    return [one for one in os.listdir(folder) if one.startswith(name)]


def test_a_step_of_closing_that_fails_keeps_no_other_from_being_done(
    pool: Pool, caplog: pytest.LogCaptureFixture
) -> None:
    slot = pool.lease()
    os.close(os.dup2(os.open(os.devnull, os.O_RDONLY), slot._wire.fileno()))  # as a program that closes all
    slot.close()
    assert not psutil.pid_exists(slot.pid)
    assert files_of(slot) == []
    (record,) = caplog.records
    assert record.getMessage() == f"worker process {slot.pid} left something behind"
    assert record.exc_info is not None
    assert isinstance(record.exc_info[1], OSError)


def test_a_file_that_cannot_be_deleted_keeps_no_other(
    pool: Pool, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    slot = pool.lease()
    really_remove = Region.remove

    def remove(region: Region) -> None:
        if region.path.endswith("in0"):
            raise PermissionError(errno.EACCES, "not yours", region.path)
        really_remove(region)

    monkeypatch.setattr(Region, "remove", remove)
    slot.close()
    assert [name.partition("-in0")[1] for name in files_of(slot)] == ["-in0"]
    assert "left something behind" in caplog.text
    assert "not yours" in caplog.text


def test_the_thread_of_a_pool_survives_what_it_calls_and_tells(
    pool: Pool, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> None:
        raise OSError("cannot be listed")

    with caplog.at_level(logging.WARNING, "batchmill.pool"):
        pool._calls.put((fail, None))
        assert psutil.pid_exists(pool.lease().pid)
    assert "could not tidy up" in caplog.text
    assert "cannot be listed" in caplog.text


def write_into_every_socket(item: int) -> int:
    if item == 3:
        for number in map(int, os.listdir("/proc/self/fd")):
            try:
                if stat.S_ISSOCK(os.fstat(number).st_mode):
                    os.write(number, (4).to_bytes(8, sys.byteorder) + b"none")
            except OSError:
                continue
    return item


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="where descriptors cannot be listed")
def test_a_worker_that_sends_what_is_no_reply_is_ended(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("batchmill.executors.process.slot.LOOK_SECONDS", 0)  # that it has to end by itself
    result = batchmill.map(
        write_into_every_socket,
        range(6),
        executor="process",
        max_concurrent=2,
        chunk_size=1,
        error_handling="continue",
    )
    failed = [error["index"] for error in result.errors]
    assert failed in ([], [3])  # whose own result was there before, or was not
    assert [*filter(None, result)] == [n for n in range(1, 6) if n not in failed]
    assert "is ended: what it sent is no reply" in caplog.text


def close_all_and_wait(item: int) -> int:
    if item == 1:
        os.closerange(3, 256)
        time.sleep(600)
    return item


def test_a_worker_that_closed_its_pipe_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("batchmill.executors.process.slot.LOOK_SECONDS", 0)  # that it has to end by itself
    result = batchmill.map(
        close_all_and_wait, range(3), executor="process", max_concurrent=1, error_handling="continue"
    )
    assert list(result) == [0, None, 2]
    assert result.errors[0]["kind"] == "worker_died"


def test_a_family_that_cannot_be_looked_at_is_killed_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a descriptor left, psutil fails between stopping a process and killing it."""

    def refuse(process: psutil.Process) -> Any:
        raise OSError(errno.EMFILE, "Too many open files")

    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        monkeypatch.setattr(psutil.Process, "kill", refuse)
        kill_family(process.pid)
        assert process.wait(30) == -signal.SIGKILL


def test_a_worker_is_ended_where_no_thread_can_be_started_for_it(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    slot = pool.lease()

    def refuse(*_: Any, **__: Any) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr("batchmill.executors.process.slot.has_children", lambda pid: True)
    monkeypatch.setattr(
        "batchmill.executors.process.slot.threading",
        SimpleNamespace(Thread=lambda **_: SimpleNamespace(start=refuse)),
    )
    slot.kill("cancelled")
    monkeypatch.undo()
    assert slot._ends_within(30)
    assert slot._exit_code() == -signal.SIGKILL
    pool.release(slot)
