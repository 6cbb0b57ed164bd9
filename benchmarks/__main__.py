"""The suite's command line: which rows, how large, how often, and where the figures go."""

from __future__ import annotations

import argparse
import datetime
import shlex
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from benchmarks import machine, results, runner, table
from benchmarks.results import RowResult
from benchmarks.rows import PENDING, WORKLOADS, find
from benchmarks.session import ROOT
from benchmarks.workload import Size, Workload

DEFAULT_TABLE = ROOT / "docs" / "performance.md"
RESULTS = ROOT / "benchmarks" / "results"
REPEAT, QUICK_REPEAT = 5, 3


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when the rows were measured (whatever the figures), 2 for wrong options."""
    options = _options().parse_args(arguments)
    if options.list:
        _list_rows()
        return 0
    if options.table_from:
        rows, about = results.read_all(options.table_from)
        _write_table(options.table or DEFAULT_TABLE, rows, about)
        return 0
    return _measure(options)


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measure batchmill, its peers and the machine's limits side by side.",
    )
    parser.add_argument("--rows", type=_rows, default=WORKLOADS, metavar="A,B", help="only these rows")
    parser.add_argument("--quick", action="store_true", help="smaller sizes, 3 samples: about 3 minutes")
    parser.add_argument("--smoke", action="store_true", help="tiny sizes, 1 sample: does it run at all")
    parser.add_argument("--repeat", type=_positive, metavar="N", help="samples of each side (5)")
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="where the figures are kept (benchmarks/results)"
    )
    parser.add_argument("--table", type=Path, metavar="FILE", help="also write the Markdown table here")
    parser.add_argument(
        "--table-from",
        type=Path,
        nargs="+",
        metavar="FILE",
        help="make the table from kept figures and stop; rows of later files take the place of earlier ones",
    )
    parser.add_argument("--list", action="store_true", help="name the rows and their sides and stop")
    return parser


def _rows(names: str) -> tuple[Workload, ...]:
    try:
        return tuple(find(name.strip()) for name in names.split(","))
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of samples; 1 is the least")
    return int(text)


def _list_rows() -> None:
    for workload in WORKLOADS:
        print(
            f"{workload.name:18} {workload.title}\n{'':18} {', '.join(side.name for side in workload.sides)}"
        )
    for pending in PENDING:
        print(f"{pending.name:18} {pending.title}: {pending.reason}")


def _measure(options: argparse.Namespace) -> int:
    size: Size = "smoke" if options.smoke else "quick" if options.quick else "full"
    repeat = options.repeat or {"smoke": 1, "quick": QUICK_REPEAT, "full": REPEAT}[size]
    about = _about(size, repeat)
    rows = runner.run_rows(options.rows, size, repeat, _say)
    about["ended"] = _now()
    out = options.out or RESULTS / f"{about['ended'][:10]}-{size}.json"
    run = results.kept(rows, about)
    results.write(out, run)
    _say(f"kept in {out}")
    _warn(rows)
    if options.table:
        _write_table(options.table, rows, run)
    return 0


def _about(size: Size, repeat: int) -> dict[str, Any]:
    return {
        "command": shlex.join(["python", "-m", "benchmarks", *sys.argv[1:]]),
        "started": _now(),
        "size": size,
        "repeat": repeat,
        "machine": machine.machine(),
        "interpreter": machine.interpreter(),
        "versions": machine.versions(),
        "pending": [f"{row.title}: {row.reason}" for row in PENDING],
    }


def _warn(rows: Iterable[RowResult]) -> None:
    noisy = [f"{row.name} ({row.foreign_load:.0%})" for row in rows if row.noisy]
    if noisy:
        _say(f"WARNING: foreign load above {machine.FOREIGN_LIMIT:.0%}, measure again: {', '.join(noisy)}")


def _write_table(path: Path, rows: list[RowResult], about: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(table.page(rows, about), encoding="utf-8")
    _say(f"table in {path}")


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
