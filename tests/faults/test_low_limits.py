"""Systems with little to give: slower, never stuck, and every result right."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import os, resource, sys, time
import batchmill
from batchmill.executors.process import folders, pool


def short(item):
    time.sleep(0.002)
    return item


def large(item):
    return bytes([item]) * (3 << 20)


def deadly(item):
    if item % 10 == 3:
        os.kill(os.getpid(), 9)
    return item


def hanging(item):
    if item == 3:
        time.sleep(60)
    return item


def check(**settings):
    assert batchmill.map(short, range(120), **settings) == list(range(120))
    sizes = [len(value) for value in batchmill.map(large, range(12), **settings)]
    assert sizes == [3 << 20] * 12
    assert list(batchmill.imap(short, iter(range(120)), **settings)) == list(range(120))
    if settings["executor"] == "process":
        deaths = batchmill.map(deadly, range(20), error_handling="continue", **settings).errors
        assert [(e["index"], e["kind"]) for e in deaths] == [(3, "worker_died"), (13, "worker_died")], deaths
        for seconds in (0.3, 3, 30):  # others may be late on a busy machine
            given = dict(settings, error_handling="continue", timeout=seconds)
            late = batchmill.map(hanging, range(8), **given).errors
            if len(late) == 1:
                break
        assert [(e["index"], e["kind"]) for e in late] == [(3, "timeout")], late


if __name__ == "__main__":
    {limit}
    for executor in {executors}:
        for most in {most}:
            check(executor=executor, max_concurrent=most)
    if "process" in {executors}:  # the last item may have cost the only worker
        batchmill.map(short, range(120), executor="process", max_concurrent=most)
    print("workers", len(pool.shared_pool().processes()) if "process" in {executors} else 0)
"""


ONLY = "('process',)"


def run(tmp_path: Path, limit: str, *before: str, most: str = "(1, 4, 16)", executors: str = ONLY) -> str:
    """Run the script's checks under ``limit``; what it printed."""
    script = tmp_path / "script.py"
    script.write_text(SCRIPT.format(limit=limit, most=most, executors=executors))
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    done = subprocess.run(
        [*before, sys.executable, str(script)],
        capture_output=True,
        text=True,
        timeout=110,
        env={**os.environ, "TMPDIR": str(temporary)},
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert list(temporary.iterdir()) == []
    return done.stdout


def in_memory_of(size: str, command: str) -> list[str]:
    """A command prefix: a shared memory of its own, of ``size``, with ``command`` run before."""
    unshare = shutil.which("unshare")
    mount = "mount -t tmpfs -o size={} tmpfs /dev/shm"
    allowed = (
        unshare
        and not subprocess.run(
            [unshare, "-m", "sh", "-c", mount.format("1m")], capture_output=True
        ).returncode
    )
    if not allowed:
        pytest.skip("needs the right to mount, which a container or a user may lack")
    return [str(unshare), "-m", "sh", "-c", f'{mount.format(size)}; {command}; exec "$@"', "sh"]


@pytest.mark.parametrize("files", [64, pytest.param(40, marks=pytest.mark.slow)])
def test_few_open_files(files: int, tmp_path: Path) -> None:
    limit = f"resource.setrlimit(resource.RLIMIT_NOFILE, ({files}, {files}))"
    workers = int(run(tmp_path, limit, most="(16,)").split()[1])
    assert 1 <= workers < 16


@pytest.mark.slow
def test_few_open_files_on_threads(tmp_path: Path) -> None:
    limit = "resource.setrlimit(resource.RLIMIT_NOFILE, (32, 32))"
    run(tmp_path, limit, most="(16,)", executors="('thread', 'sequential')")


@pytest.mark.slow
def test_too_few_open_files_for_any_worker_is_said(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    limit = "import ctypes; gcc = ctypes.CDLL('libgcc_s.so.1'); "  # or a thread's end would
    limit += "resource.setrlimit(resource.RLIMIT_NOFILE, (16, 16))"
    script.write_text(SCRIPT.format(limit=limit, most="(2,)", executors="('process',)"))
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "ExecutorUnavailable: no worker process can be started: " in done.stderr
    assert "ulimit -n" in done.stderr


AUTO = """
import os, resource, sys, time
import batchmill
from batchmill.executors.auto import executor as auto
from batchmill.executors.contract import Choice


def work(item):
    time.sleep(0.001)
    return item


if __name__ == "__main__":
    auto.choose = lambda seen, machine, shipping: Choice("process", "so says the test", machine.n_processes)
    {limit}
    done = batchmill.map(work, range(300), executor="auto")
    assert done == list(range(300))
    assert done.metadata["executor"] == "thread", done.metadata
    print(done.metadata["reason"])
    try:
        batchmill.map(work, range(300), executor="process")
    except batchmill.ExecutorUnavailable as fault:
        print(fault)
"""
NO_DESCRIPTORS = """import ctypes; gcc = ctypes.CDLL("libgcc_s.so.1")  # or a thread's end would
    resource.setrlimit(resource.RLIMIT_NOFILE, (16, 16))"""
NO_FOLDER = """import tempfile; from batchmill.executors.process import folders
    tempfile.tempdir = folders.MEMORY_FOLDER = "/nowhere\""""
NO_PYTHON = "os.environ['PYTHONPATH'] = os.path.dirname(__file__) + '/broken'"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("limit", "words"),
    [
        (NO_DESCRIPTORS, "no worker process can be started: OSError: [Errno 24] Too many open files"),
        (NO_FOLDER, "no worker process can be started: FileNotFoundError"),
        (NO_PYTHON, "worker processes end before they can work: the last one exited with code 3"),
    ],
    ids=["descriptors", "folders", "broken"],
)
def test_auto_goes_on_with_threads_where_no_worker_process_can_be_started(
    limit: str, words: str, tmp_path: Path
) -> None:
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "sitecustomize.py").write_text("import os; os._exit(3)")
    script = tmp_path / "script.py"
    script.write_text(AUTO.format(limit=limit))
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    chosen, refused = done.stdout.splitlines()
    assert chosen.startswith(f"auto chose thread: {words}")
    assert chosen.endswith("; so threads run what processes would do faster")
    assert refused.startswith(words)


@pytest.mark.slow
def test_one_core(tmp_path: Path) -> None:
    limit = "import psutil; me = psutil.Process(); me.cpu_affinity(me.cpu_affinity()[:1])"
    assert run(tmp_path, limit, most="(None,)") == "workers 1\n"


@pytest.mark.slow
def test_full_shared_memory(tmp_path: Path) -> None:
    fill = "dd if=/dev/zero of=/dev/shm/fill bs=4096 2>/dev/null"
    run(tmp_path, "pass", *in_memory_of("2m", fill), most="(2,)")


@pytest.mark.slow
@pytest.mark.parametrize("size", ["16k", "600k", "3m"])
def test_little_shared_memory(size: str, tmp_path: Path) -> None:
    run(tmp_path, "pass", *in_memory_of(size, "true"), most="(3,)")


@pytest.mark.slow
def test_shared_memory_that_cannot_be_written(tmp_path: Path) -> None:
    run(tmp_path, "pass", *in_memory_of("1m", "mount -o remount,ro /dev/shm"), most="(2,)")


@pytest.mark.slow
def test_no_shared_memory_at_all(tmp_path: Path) -> None:
    run(tmp_path, "folders.MEMORY_FOLDER = '/nowhere'", most="(2,)")
