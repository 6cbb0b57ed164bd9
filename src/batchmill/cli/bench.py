"""``batchmill bench``: the same work under several executors: what they cost to start, and what an item
costs."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from batchmill.bench.case import Case, RunSeries, RunStep
from batchmill.bench.compare import Measure, MeasureOrder, WorkloadComparison, cases_of, compare, ordered
from batchmill.bench.measure import build_of, measure, this_interpreter
from batchmill.bench.plot import page, svg
from batchmill.bench.scratch import Scratch
from batchmill.bench.table import remarks, tables_of
from batchmill.bench.workload import BUILTIN_NAMES, Workload, builtin, builtin_named, of_file
from batchmill.cli import options
from batchmill.cli.clashes import written
from batchmill.cli.exits import Exit
from batchmill.cli.given import given
from batchmill.cli.json_text import as_json
from batchmill.cli.streams import print_data
from batchmill.errors import StorageError
from batchmill.executors.cores import usable_cores
from batchmill.executors.registry import KINDS
from batchmill.graph.compile.check import check
from batchmill.ir.loading import load
from batchmill.nodes.registry import default_registry
from batchmill.values.words import count, duration

SCHEMA = "batchmill.bench/2"
DEFAULT_EXECUTORS = ("sequential", "thread", "process")
BUSY = 0.5  # processes a core that run before anything is measured
PICTURES = (".html", ".svg")

# generic only for type checkers; before 8.4, click has a plain class
if TYPE_CHECKING:
    ParamType = click.ParamType[Any]
else:
    ParamType = click.ParamType


class Listed(ParamType):
    """Words between commas, each of which is checked."""

    name = "list"

    def __init__(self, kind: ParamType) -> None:
        self.kind = kind

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[Any, ...]:
        if isinstance(value, tuple):
            return value
        words = [word.strip() for word in str(value).split(",")]
        return tuple(dict.fromkeys(self.kind.convert(word, param, ctx) for word in words))


class Picture(ParamType):
    """The path of a picture; its suffix selects the format."""

    name = "file"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        path = Path(value)
        if path.suffix not in PICTURES:
            self.fail(f"{value!r} must end in .html or .svg", param, ctx)
        if not path.absolute().parent.is_dir():
            self.fail(f"there is no folder {str(path.parent)!r}", param, ctx)
        return path


@click.command("bench", short_help="Compare executors on a document.")
@click.argument("file", metavar="[FILE]", required=False)
@options.inputs
@click.option(
    "--executors",
    type=Listed(click.Choice(tuple(KINDS))),
    default=DEFAULT_EXECUTORS,
    metavar="LIST",
    help=f"Executors to compare, of {', '.join(KINDS)}.  [default: {','.join(DEFAULT_EXECUTORS)}]",
)
@click.option(
    "-j",
    "--jobs",
    type=Listed(click.IntRange(1, options.MOST_JOBS)),
    metavar="LIST",
    help="Items in flight to try, such as 1,2,4; by default as in the document or of the executor.",
)
@click.option(
    "--counts",
    type=Listed(click.IntRange(1)),
    metavar="LIST",
    help="Numbers of items to measure, such as 10,100,1000; by default as many as --seconds allow.",
)
@click.option(
    "--items",
    type=click.IntRange(1),
    metavar="N",
    help="Advise for N items; by default for those of the document.",
)
@click.option(
    "--seconds",
    type=click.FloatRange(1, 86_400),
    default=60.0,
    metavar="S",
    help="Time that measuring may take, about.  [default: 60]",
)
@click.option(
    "--repeat", type=click.IntRange(1, 1000), default=3, show_default=True, help="Rounds to measure."
)
@click.option("--builtin", "builtin_wanted", is_flag=True, help="Run the built-in workloads instead of FILE.")
@click.option(
    "--workloads",
    type=Listed(click.Choice(BUILTIN_NAMES)),
    metavar="LIST",
    help=f"Only these built-in workloads: {', '.join(BUILTIN_NAMES)}.",
)
@click.option(
    "--scale",
    type=click.FloatRange(0.001, 1000),
    default=1.0,
    show_default=True,
    help="Factor on the numbers of items of the built-in workloads.",
)
@click.option(
    "--interpreter",
    "interpreters",
    multiple=True,
    metavar="PATH",
    help="Also run everything with this Python, which must have batchmill; repeatable.",
)
@click.option("--in-place", is_flag=True, help="Let runs write in the working folder, not in copies of it.")
@click.option("--plot", type=Picture(), metavar="FILE", help="Draw the comparison, as .html or .svg.")
@options.json_flag("Print the comparison as one JSON object.")
@click.option("-q", "--quiet", is_flag=True, help="Do not show progress.")
def command(**wanted: Any) -> int:
    """Run the workflow document FILE under several executors, with several numbers of items, and compare.

    Show the cost of starting each executor, its cost per item, and the number of items from which it is
    faster than sequential. Each executor runs in new processes. Documents with nodes that may write run in
    scratch copies of the working folder.
    """
    if wanted["builtin_wanted"] or wanted["workloads"]:
        if wanted["in_place"]:
            raise click.UsageError("--in-place is for a document, and built-in workloads write nothing")
    elif written("scale"):
        raise click.UsageError("--scale is for the built-in workloads: use --counts, or add --builtin")
    return _bench(BenchRequest(**wanted))


@dataclass(frozen=True, slots=True)
class BenchRequest:
    """The arguments of one call of ``batchmill bench``."""

    file: str | None
    inputs: tuple[str, ...]
    params_file: Path | None
    set_json: tuple[str, ...]
    executors: tuple[str, ...]
    jobs: tuple[int, ...] | None
    counts: tuple[int, ...] | None
    items: int | None
    seconds: float
    repeat: int
    builtin_wanted: bool
    workloads: tuple[str, ...] | None
    scale: float
    interpreters: tuple[str, ...]
    in_place: bool
    plot: Path | None
    json_wanted: bool
    quiet: bool


def _bench(request: BenchRequest) -> int:
    workloads, load = _workloads(request), _load()
    with Scratch(Path.cwd()) as scratch:
        found = _compared(workloads, request, None if request.in_place else scratch)
    if request.plot is not None:
        _draw(found, request.plot)
    if request.json_wanted:
        print_data(as_json(_told(found, request, load), 2))
    else:
        _show(found)
        if load is not None and load > BUSY * usable_cores():
            print_data(
                f"The machine was busy before this began (load {load:.1f}, {count(usable_cores(), 'core')}): "
                "measure again when it is not."
            )
    return _verdict(found)


def _compared(
    workloads: Sequence[Workload], request: BenchRequest, scratch: Scratch | None
) -> list[WorkloadComparison]:
    builds = {path: build_of(path) for path in (this_interpreter(), *request.interpreters)}
    cases = cases_of(request.executors, request.jobs or (None,), builds)

    def tell(line: str) -> None:
        if not request.quiet:
            click.echo(line, err=True)

    def run(workload: Workload, case: Case, steps: Sequence[RunStep]) -> RunSeries:
        return measure(workload, case, steps, scratch)

    tell(f"looking at {', '.join(one.name for one in workloads)} for a moment")
    orders = [_order(one, cases, request, request.seconds / len(workloads), run) for one in workloads]
    tell(_estimate(orders))
    return [compare(order, tell, run) for order in orders]


def _order(
    workload: Workload, cases: Sequence[Case], request: BenchRequest, seconds: float, run: Measure
) -> MeasureOrder:
    return ordered(workload, cases, request.repeat, seconds, request.counts, request.items, run)


def _estimate(orders: Sequence[MeasureOrder]) -> str:
    """The duration of the benchmark, and the number of runs in that time."""
    took = duration(sum(order.seconds for order in orders))
    told = [f"measuring takes about {took}, with {count(len(orders[0].cases), 'case')} in each round"]
    for order in orders:
        *few, most = order.counts or (0,)
        numbers = ", ".join([*(f"{items:,}" for items in few), count(most, "item")])
        each = f" of each of {order.probe.batches} batches" if order.probe.batches > 1 else ""
        more = f", then {count(order.starts, 'more start')} of worker processes" if order.starts else ""
        told.append(f"{order.workload.name} with {numbers}{each} in {count(order.rounds, 'round')}{more}")
    return "; ".join(told)


def _workloads(request: BenchRequest) -> list[Workload]:
    """The workloads to run, all checked before any runs."""
    if request.builtin_wanted or request.workloads:
        if request.file is not None:
            raise click.UsageError(f"either --builtin or a document, not both; got {request.file!r}")
        if request.workloads:
            return builtin_named(list(request.workloads), request.scale)
        return builtin(request.scale)
    if request.file is None:
        raise click.UsageError("a document is missing; or give --builtin for the built-in workloads")
    draft = load(request.file)
    check(draft, default_registry())
    inputs = given(request.inputs, request.set_json, request.params_file)
    return [of_file(request.file, draft.raw, inputs.values, inputs.text)]


def _machine() -> str:
    return f"{platform.system()} {platform.machine()}, {usable_cores()} cores."


def _draw(found: list[WorkloadComparison], path: Path) -> None:
    text = page(found, _machine()) if path.suffix == ".html" else svg(found, _machine())
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise StorageError(f"{path} cannot be written: {error.strerror}") from error


def _load() -> float | None:
    """The mean number of processes that ran or waited to run in the last minute, None if the system does not
    tell."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else None


def _told(found: list[WorkloadComparison], request: BenchRequest, load: float | None) -> dict[str, Any]:
    machine = {
        "system": platform.system(),
        "architecture": platform.machine(),
        "cores": usable_cores(),
        "load": load,
    }
    workloads = [one.as_json() for one in found]
    return {"schema": SCHEMA, "machine": machine, "repeat": request.repeat, "workloads": workloads}


def _show(found: list[WorkloadComparison]) -> None:
    from rich.console import Console  # 40 ms, not with --json

    from_terminal = sys.stdout is not None and sys.stdout.isatty()
    console = Console(no_color=bool(os.environ.get("NO_COLOR")), width=None if from_terminal else 200)
    for one in found:
        for table in tables_of(one, console.width):
            console.print(table)
        for line in remarks(one):
            console.print(line, markup=False, highlight=False, soft_wrap=True)


def _verdict(found: list[WorkloadComparison]) -> int:
    """Failed where outputs differ between executors or a run failed: such figures compare nothing."""
    failed = any(figures.status == "failed" for one in found for figures in one.figures)
    return Exit.FAILED if failed or any(one.differing for one in found) else Exit.SUCCESS
