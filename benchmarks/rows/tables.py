"""Rows of tables through a ``code`` node: what a row of CSV or JSONL costs over plain Python, and Parquet in
flat memory."""

from __future__ import annotations

import csv
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks import mappers
from benchmarks.measure import grown
from benchmarks.workload import OURS, Figures, Opening, Ready, Side, Size, Target, Workload, expect, figure

SIZES: dict[Size, int] = {"full": 200_000, "quick": 50_000, "smoke": 2000}
PARQUET_SIZES: dict[Size, int] = {"full": 10_000_000, "quick": 1_000_000, "smoke": 20_000}
GROUP, PARQUET_GROUP = 1000, 10_000
ROW_GROUP = 1 << 17
WARM_ROWS = 20_000
ONE = "result = float(item['x']) * 2 + float(item['y'])"
PLAIN = {"csv": "csv.DictReader", "jsonl": "json.loads"}
MANY = "result = [float(row['x']) * 2 + float(row['y']) for row in item]"


def _node(code: str, items: dict[str, str], **more: Any) -> dict[str, Any]:
    params = {"code": code, "inputs": {"item": "${item}"}}
    return {
        "id": "each",
        "type": "code",
        "params": params,
        "batch": {"items": items, "collect": "none", **more},
    }


def _passed(path: Path, executor: str, group: int | None, limit: int | None = None) -> int:
    """The number of items that one run of the table at ``path`` had, or of its first ``limit`` rows."""
    more: dict[str, Any] = {"executor": executor}
    more |= {} if group is None else {"batch_size": group}
    more |= {} if limit is None else {"limit": limit}
    node = _node(ONE if group is None else MANY, {path.suffix[1:]: str(path)}, **more)
    return int(mappers.our_face("run")({"nodes": [node]}).outputs["success_count"])


def _plain(path: Path) -> None:
    with path.open(newline="") as file:
        for row in csv.DictReader(file) if path.suffix == ".csv" else map(json.loads, file):
            float(row["x"]) * 2 + float(row["y"])


def _write(path: Path, n: int) -> None:
    names = ("id", "name", "x", "y")
    made = ((i, f"name {i}", i % 97, i / 2) for i in range(n))
    with path.open("w", newline="") as file:
        if path.suffix == ".csv":
            csv.writer(file).writerows((names, *made))
        else:
            file.writelines(json.dumps(dict(zip(names, row, strict=True))) + "\n" for row in made)


def _cpu_of(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


def _opening(form: str, executor: str, group: int | None) -> Opening:
    @contextmanager
    def opening(n: int) -> Iterator[Ready]:
        with TemporaryDirectory() as folder:
            path = Path(folder) / f"table.{form}"
            _write(path, n)

            def measured() -> Figures:
                plain = _cpu_of(lambda: _plain(path))
                ours = _cpu_of(lambda: expect(_passed(path, executor, group), -(-n // (group or 1)), "items"))
                return {"added_us": (ours - plain) / n * 1e6}

            yield Ready(measured, before=lambda: _passed(path, executor, group, WARM_ROWS // 10))

    return opening


def _row(form: str, executor: str, group: int | None, aim: float) -> Workload:
    how = "one by one" if group is None else f"in groups of {group:,}"
    return Workload(
        name=f"{form}-{'rows' if group is None else 'groups'}-{executor}",
        title=f"rows of {form.upper()} through `code`, {how}, {executor}",
        measures=f"CPU time a row over {PLAIN[form]} and the same sum in a loop, µs",
        unit="µs",
        better="lower",
        score=figure("added_us"),
        sizes=SIZES,
        sides=(Side(OURS, _opening(form, executor, group), "ours"),),
        aim=(Target(aim),),
        least=(Target(3 * aim),),
    )


@contextmanager
def _parquet(n: int) -> Iterator[Ready]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    run = mappers.our_face("run")
    with TemporaryDirectory() as folder:
        path = Path(folder) / "table.parquet"
        schema = pa.schema([("x", pa.int64()), ("y", pa.float64())])
        with pq.ParquetWriter(path, schema) as file:
            for start in range(0, n, ROW_GROUP):
                values = list(range(start, min(start + ROW_GROUP, n)))
                file.write_table(pa.table({"x": values, "y": [one / 2 for one in values]}, schema=schema))

        def passed(limit: int) -> None:
            node = _node("result = len(item)", {"parquet": str(path)}, batch_size=PARQUET_GROUP, limit=limit)
            groups = -(-limit // PARQUET_GROUP)
            expect(run({"nodes": [{**node}]}).outputs["success_count"], groups, "groups")

        yield Ready(lambda: grown(lambda: passed(n)), before=lambda: passed(min(n, WARM_ROWS)))


PARQUET = Workload(
    name="parquet-memory",
    title=f"10,000,000 rows of Parquet through `code`, in groups of {PARQUET_GROUP:,}",
    measures="growth of the parent's peak resident memory over a run of 20,000 rows, MB",
    unit="MB",
    better="lower",
    score=figure("growth_mb"),
    sizes=PARQUET_SIZES,
    sides=(Side(OURS, _parquet, "ours"),),
    aim=(Target(20.0),),
    least=(Target(60.0),),
    fresh=True,
    timeout=600.0,
)

ROWS = (
    _row("csv", "sequential", GROUP, 3.0),
    _row("csv", "sequential", None, 12.0),
    _row("csv", "thread", None, 12.0),
    _row("jsonl", "sequential", None, 12.0),
    PARQUET,
)
