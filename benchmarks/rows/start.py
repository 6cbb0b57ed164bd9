"""The row of the command line's start: what a user waits for before anything happens."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.workload import OURS, MissingError, Opening, Ready, Role, Sample, Side, Target, Workload

BARE_CLICK = "import click\n@click.command()\ndef main(): 'Nothing.'\nmain(['--help'])"


def repeated(command: list[str]) -> Opening:
    """A side that runs one command ``n`` times, one after another."""

    @contextmanager
    def opening(n: int) -> Iterator[Ready]:
        first = subprocess.run(command, capture_output=True, text=True, check=False)
        if first.returncode:
            raise MissingError(first.stderr.strip().splitlines()[-1])

        def work() -> None:
            for _ in range(n):
                subprocess.run(command, capture_output=True, check=True)

        yield Ready(work)

    return opening


def _our_command() -> list[str]:
    installed = Path(sys.executable).with_name("batchmill")
    if installed.exists():
        return [str(installed), "--help"]
    return [sys.executable, "-c", "from batchmill.cli.main import main\nmain()", "--help"]


def millis_each(sample: Sample) -> float:
    """Milliseconds of wall time per start."""
    return sample.wall / sample.n * 1e3


def _side(name: str, command: list[str], role: Role = "peer") -> Side:
    return Side(name, repeated(command), role)


ROW = Workload(
    name="help",
    title="batchmill --help",
    measures="wall time of one start, the mean of consecutive starts",
    unit="ms",
    better="lower",
    score=millis_each,
    sizes={"full": 20, "quick": 8, "smoke": 1},
    sides=(
        _side(OURS, _our_command(), "ours"),
        _side("click alone", [sys.executable, "-c", BARE_CLICK]),
        _side("python -c pass", [sys.executable, "-c", "pass"], "limit"),
    ),
    aim=(Target(10, "python -c pass"),),
    least=(Target(15, "python -c pass"),),
)

ROWS = (ROW,)
