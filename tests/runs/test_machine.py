"""What all processes of a run take."""

from __future__ import annotations

import subprocess
import sys

from batchmill.runs.machine import MachineMeter

COMPUTING = "import time\nwhile time.process_time() < {}: pass\nprint(flush=True)\ninput()"


def test_processes_below_are_counted_while_they_run_and_when_they_have_ended():
    machine = MachineMeter()
    before = machine.look()
    code = COMPUTING.format(0.3)
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        child.stdout.readline()
        running = machine.look()
        child.communicate(b"\n")
    ended = machine.look()
    assert running.processes == before.processes + 1
    assert running.rss > before.rss
    assert 0.2 < running.cpu < 60
    assert ended.processes == before.processes
    assert ended.cpu < 0.25  # what it had used was told already
    assert 0 < ended.seconds < 600
