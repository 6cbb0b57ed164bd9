"""Metrics in OpenMetrics text."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace

from batchmill.report import metrics
from batchmill.report.aggregate import report_of

LABEL = r'[a-z]+="(?:[^"\\\n]|\\[\\n"])*"'
SAMPLE = re.compile(rf"^([a-z_]+)(?:\{{({LABEL}(?:,{LABEL})*)\}})? (-?[0-9.e+-]+)\n$")


def samples(report):
    """Values by name and labels; each line must be of the format."""
    *lines, end = metrics.lines(report)
    assert end == "# EOF\n"
    found, typed = {}, []
    for line in lines:
        if line.startswith("# TYPE "):
            typed.append(line.split()[2])
            assert line.endswith(" gauge\n")
        elif not line.startswith("# HELP "):
            name, labels, value = SAMPLE.match(line).groups()
            assert name == typed[-1]  # the samples of a family stand together
            assert (name, labels) not in found
            found[name, labels] = float(value)
    assert len(typed) == len(set(typed))
    return found


def test_the_figures_are_those_of_the_report(troubled):
    found = samples(report_of(troubled.facts()))
    states = Counter(row.state for row in troubled.every_row())
    for state, count in states.items():
        assert found["batchmill_run_items", f'node="size",state="{state}"'] == count
    assert found["batchmill_run_status", 'status="degraded"'] == 1
    assert found["batchmill_run_status", 'status="success"'] == 0
    assert found["batchmill_run_wall_seconds", None] == troubled.run.wall
    assert found["batchmill_run_refusals", 'limit="size"'] > 0
    assert ("batchmill_run_success_timestamp_seconds", None) not in found
    assert not any(name.startswith("batchmill_run_llm") for name, _ in found)


def test_a_success_says_when(simulated):
    run = simulated(5, model="m", cost=0.5)
    run.run = replace(run.run, status="success")
    found = samples(report_of(run.facts()))
    assert found["batchmill_run_success_timestamp_seconds", None] == run.run.began + run.run.wall
    assert found["batchmill_run_llm_calls", 'node="size",model="m"'] == 5
    assert found["batchmill_run_llm_cost_dollars", 'node="size",model="m"'] > 0


def test_no_name_breaks_the_format(hostile):
    assert len(samples(report_of(hostile.facts()))) > 30
