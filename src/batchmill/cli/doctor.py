"""``batchmill doctor``: what would break a run on this machine, and what to do about it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import click

from batchmill.cli import options
from batchmill.cli.exits import Exit
from batchmill.cli.json_text import as_json
from batchmill.cli.streams import print_data
from batchmill.doctor import CheckResult, examine
from batchmill.executors.remote.where import VARIABLE
from batchmill.ir.clusters import written_cluster

SCHEMA = "batchmill.doctor/1"
JOURNAL = Path(".batchmill/runs.sqlite")
MARKS = {"ok": " ", "note": "~", "problem": "!"}


@click.command("doctor", short_help="Find problems of this machine that would break a run.")
@click.option(
    "--journal",
    type=click.Path(path_type=Path),
    default=JOURNAL,
    show_default=True,
    help="The journal whose folder to check.",
)
@options.cluster
@options.json_flag("Print the findings as one JSON object.")
def command(journal: Path, cluster: str | None, json_wanted: bool) -> int:
    """Check the interpreter, the machine, the storage and the packages that runs need, and a cluster if you
    name one.

    Findings marked ! would break a run and end the command with exit code 5. Findings marked ~ make runs
    slower or disable a feature.
    """
    found = list(examine(journal, cluster or written_cluster(os.environ.get(VARIABLE))))
    problems = sum(finding.level == "problem" for finding in found)
    if json_wanted:
        told = {"schema": SCHEMA, "healthy": not problems, "findings": [asdict(one) for one in found]}
        print_data(as_json(told, 2))
    else:
        print_data("\n".join(_lines(found, problems)))
    return Exit.ENVIRONMENT if problems else Exit.SUCCESS


def _lines(found: list[CheckResult], problems: int) -> Iterator[str]:
    area = ""
    for finding in found:
        if finding.area != area:
            area = finding.area
            yield area
        yield f"  {MARKS[finding.level]} {finding.name:<18} {finding.value}"
        if finding.remedy:
            yield f"    {'':<18} -> {finding.remedy}"
    yield f"{problems} would break a run" if problems else "nothing here would break a run"
