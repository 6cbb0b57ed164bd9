"""Rows of tables through a ``code`` node: what a row of CSV costs over plain Python, and Parquet in flat
memory."""

from __future__ import annotations

import csv
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
    found = mappers.our_face("run")(
        {"nodes": [_node(ONE if group is None else MANY, {"csv": str(path)}, **more)]}
    )
    return int(found.outputs["success_count"])


def _plain(path: Path) -> None:
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            float(row["x"]) * 2 + float(row["y"])


def _cpu_of(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


def _opening(executor: str, group: int | None) -> Opening:
    @contextmanager
    def opening(n: int) -> Iterator[Ready]:
        with TemporaryDirectory() as folder:
            path = Path(folder) / "table.csv"
            with path.open("w", newline="") as file:
                rows = csv.writer(file)
                rows.writerow(("id", "name", "x", "y"))
                rows.writerows((i, f"name {i}", i % 97, i / 2) for i in range(n))

            def measured() -> Figures:
                plain = _cpu_of(lambda: _plain(path))
                ours = _cpu_of(lambda: expect(_passed(path, executor, group), -(-n // (group or 1)), "items"))
                return {"added_us": (ours - plain) / n * 1e6}

            yield Ready(measured, before=lambda: _passed(path, executor, group, WARM_ROWS // 10))

    return opening


def _csv_row(executor: str, group: int | None, aim: float) -> Workload:
    how = "one by one" if group is None else f"in groups of {group:,}"
    return Workload(
        name=f"csv-{'rows' if group is None else 'groups'}-{executor}",
        title=f"rows of CSV through `code`, {how}, {executor}",
        measures="CPU time a row over csv.DictReader and the same sum in a loop, µs",
        unit="µs",
        better="lower",
        score=figure("added_us"),
        sizes=SIZES,
        sides=(Side(OURS, _opening(executor, group), "ours"),),
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
    _csv_row("sequential", GROUP, 3.0),
    _csv_row("sequential", None, 12.0),
    _csv_row("thread", None, 12.0),
    PARQUET,
)
