"""The row of a graph of commands: what else runs programs in the order of their dependencies.

The peers are told files, as they decide by those what is to be run; each command makes one. Ours makes the
same files, and needs none.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks import mappers
from benchmarks.workload import (
    OURS,
    WORKERS,
    MissingError,
    Opening,
    Ready,
    Side,
    Target,
    Workload,
    expect,
    items_per_second,
)

WIDTH = 10
"""Commands of one step; each waits for the command above it."""


def above(number: int) -> int | None:
    """The command that a command waits for."""
    return number - WIDTH if number >= WIDTH else None


def document(n: int) -> dict[str, Any]:
    """``n`` nodes that each make a file."""
    nodes = [{"id": f"n{i}", "type": "shell", "params": {"command": f": > f{i}"}} for i in range(n)]
    edges = [{"from": f"n{up}", "to": f"n{i}"} for i in range(n) if (up := above(i)) is not None]
    first = {"id": "first", "type": "echo", "params": {"message": ""}}
    begins = [{"from": "first", "to": f"n{i}"} for i in range(min(n, WIDTH))]
    return {"nodes": [first, *nodes], "edges": [*begins, *edges]}


def makefile(n: int) -> str:
    """The same for make."""
    rules = [f"all: {' '.join(f'f{i}' for i in range(n))}"]
    for i in range(n):
        up = above(i)
        rules.append(f"f{i}:{'' if up is None else f' f{up}'}\n\t@: > $@")
    return "\n".join(rules) + "\n"


def snakefile(n: int) -> str:
    """The same for Snakemake."""
    rules = [f"rule all:\n    input: {[f'f{i}' for i in range(n)]!r}"]
    for i in range(n):
        up = above(i)
        needs = "" if up is None else f"    input: 'f{up}'\n"
        rules.append(f"rule r{i}:\n{needs}    output: 'f{i}'\n    shell: ': > {{output}}'")
    return "\n".join(rules) + "\n"


def _in_a_folder(name: str, text: Callable[[int], str], command: list[str], needs: str = "") -> Opening:
    @contextmanager
    def opening(n: int) -> Iterator[Ready]:
        if needs and shutil.which(needs) is None:
            raise MissingError(f"no program {needs}")

        def work() -> None:
            with tempfile.TemporaryDirectory() as folder:
                Path(folder, name).write_text(text(n))
                subprocess.run(command, cwd=folder, check=True, capture_output=True)
                expect(sum(1 for _ in Path(folder).glob("f*")), n, "files")

        yield Ready(work)

    return opening


@contextmanager
def _ours(n: int) -> Iterator[Ready]:
    run = mappers.our_face("run")
    written = document(n)

    def work() -> None:
        with tempfile.TemporaryDirectory() as folder:
            for node in written["nodes"][1:]:
                node["params"]["cwd"] = folder
            expect(run(written, jobs=WORKERS).status, "success", "status")
            expect(sum(1 for _ in Path(folder).glob("f*")), n, "files")

    yield Ready(work)


SNAKEMAKE = [sys.executable, "-m", "snakemake", "--cores", str(WORKERS), "--quiet", "all"]

ROW = Workload(
    name="command-graph",
    title="a graph of 1,000 commands, ten side by side",
    measures="commands per second of wall time, two at once, reading the graph included",
    unit="commands/s",
    better="higher",
    score=items_per_second,
    sizes={"full": 1000, "quick": 300, "smoke": 20},
    sides=(
        Side(OURS, _ours, "ours"),
        Side(
            "Snakemake",
            _in_a_folder("Snakefile", snakefile, SNAKEMAKE),
            share=0.2,
            environment="snakemake",
        ),
        Side(
            "make",
            _in_a_folder("Makefile", makefile, ["make", "-s", "-j", str(WORKERS)], needs="make"),
            "limit",
        ),
    ),
    aim=(Target(10.0, "Snakemake"),),
    least=(Target(1.0, "Snakemake"),),
    timeout=600.0,
)

ROWS = (ROW,)
