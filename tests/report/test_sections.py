"""Sections: the figures of the model as text."""

from __future__ import annotations

from dataclasses import replace

from batchmill.report.aggregate import report_of
from batchmill.report.parts import Pass
from batchmill.report.sections import TITLES, sections


def by_key(report):
    return {section.key: section for section in sections(report)}


def test_every_section_shows_its_figures(troubled):
    troubled.batches[0] = replace(troubled.batches[0], model="m")
    began = troubled.run.began
    troubled.more["passes"] = [
        Pass(began, 0.0, 1.0, "killed"),
        Pass(began + 60, 1.0, 9.0, "finished", kept=3),
    ]
    report = report_of(troubled.facts())
    found = by_key(report)
    assert list(found) == [key for key in TITLES if key != "provenance"]
    (nodes,) = found["nodes"].tables
    told = dict(zip(nodes.head, nodes.rows[0], strict=True))
    assert (told["node"], told["items"], told["failed"]) == ("size", "2,000", str(report.failed))
    assert sum(int(row[3]) for row in found["failures"].tables[0].rows) == report.failed
    over_time = found["timeline"].tables[0]
    assert len(over_time.rows) == 20
    assert sum(int(row[1].replace(",", "")) for row in over_time.rows) == report.counts["ok"]
    assert found["passes"].tables[0].rows[1][4] == "3"


def test_all_rows_of_a_table_have_its_columns(troubled, hostile):
    for run in (troubled, hostile):
        for section in sections(report_of(run.facts())):
            for table in section.tables:
                assert {len(row) for row in table.rows} == {len(table.head)}
                assert all(cell.isprintable() for row in table.rows for cell in row)


def test_a_section_without_figures_says_why_or_is_not_there(simulated):
    run = simulated(10)
    assert "calls" not in by_key(report_of(run.facts()))
    run.more["missing"] = {"calls": "Nobody noted calls."}
    section = by_key(report_of(run.facts()))["calls"]
    assert (section.missing, section.sentences, list(section.tables)) == ("Nobody noted calls.", [], [])
