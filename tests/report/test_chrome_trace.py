"""The trace in Chrome's format."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from dataclasses import replace
from itertools import islice, pairwise

import pytest

from batchmill.report import chrome_trace
from batchmill.report.plain import Plain
from batchmill.report.rows import DeathRow, LimitStep


def events(facts, *kinds):
    told = json.loads("".join(chrome_trace.pieces(facts)))
    return [one for one in told["traceEvents"] if not kinds or one["ph"] in kinds]


def test_every_attempt_is_a_slice_on_the_track_of_its_slot(troubled):
    slices = [one for one in events(troubled.facts(), "X") if one["pid"] == 2 and one["tid"] > 1]
    rows = list(troubled.every_row())
    assert len(slices) == sum(row.attempts for row in rows)
    last = Counter(one["args"]["state"] for one in slices)
    assert last.pop("tried again") == sum(row.attempts - 1 for row in rows)
    assert last == Counter(row.state for row in rows)
    assert sum(one["dur"] for one in slices) / 1e6 == pytest.approx(
        sum(one.wall for row in rows for one in row.tried) + sum(row.wall for row in rows if not row.tried),
        rel=1e-3,
    )


def test_slices_of_a_track_never_overlap(troubled):
    tracks = defaultdict(list)
    for one in events(troubled.facts(), "X"):
        tracks[one["pid"], one["tid"]].append((one["ts"], one["ts"] + one["dur"]))
    assert len(tracks) == 16 + 2
    for spans in tracks.values():
        spans.sort()
        assert all(end <= begin for (_, end), (begin, _) in pairwise(spans))


def test_processes_and_tracks_have_names(troubled):
    named = {
        (one["pid"], one["tid"]): one["args"]["name"]
        for one in events(troubled.facts(), "M")
        if "name" in one["args"]
    }
    assert named[1, 0] == "run 7f3a"
    assert (named[2, 0], named[2, 1], named[2, 2], named[2, 17]) == ("size", "under way", "slot 0", "slot 15")
    used = {(one["pid"], one["tid"]) for one in events(troubled.facts(), "X") if one["tid"] > 1}
    assert used <= named.keys()


def test_limits_refusals_and_deaths_are_marked(troubled):
    troubled.more |= {
        "limits": [LimitStep(2.0, "size", 4, None), LimitStep(1.0, "size", 8, 2.5)],
        "deaths": [DeathRow(3.0, "size", 7, signal=9)],
    }
    steps = events(troubled.facts(), "C")
    assert [(one["ts"], one["args"]) for one in steps if one["name"] == "limit size"] == [
        (1_000_000, {"at once": 8, "a second": 2.5}),
        (2_000_000, {"at once": 4}),
    ]
    first = next(iter(troubled.facts().samples()))
    assert next(one["args"] for one in steps if one["name"] == "cores") == {"cores": round(first.cores, 3)}
    assert next(one["args"] for one in steps if one["name"] == "memory") == {"memory": first.rss}
    marks = Counter(one["name"] for one in events(troubled.facts(), "i"))
    refused = sum(one.status == 429 for row in troubled.every_row() for one in row.tried)
    assert marks == {"a worker died": 1, "refused by size": refused}


def test_items_without_a_slot_may_overlap_and_those_without_a_time_are_left_out(simulated):
    run = simulated(50)
    slotless = replace(run.facts(), rows=lambda: (replace(row, slot=None) for row in run.every_row()))
    begins, ends = (events(slotless, kind) for kind in "be")
    assert [one["id"] for one in begins] == [one["id"] for one in ends]
    assert len({one["id"] for one in begins}) == 50
    untimed = replace(run.facts(), rows=lambda: (replace(row, start=None) for row in run.every_row()))
    assert [one["name"] for one in events(untimed, "X", "b")] == ["pass 1", "size"]


def test_no_text_breaks_it_and_no_value_is_in_it(hostile, troubled):
    told = "".join(chrome_trace.pieces(hostile.facts()))
    told.encode("ascii")
    assert len(events(hostile.facts(), "X")) == 2 * len(hostile.rows)
    assert "example.org" not in "".join(chrome_trace.pieces(troubled.facts()))


def test_it_is_written_item_by_item(simulated):
    def endless():
        while True:
            yield from rows

    run = simulated(10)
    rows = list(run.every_row())
    assert len(list(islice(chrome_trace.pieces(replace(run.facts(), rows=endless)), 100))) == 100


def test_items_in_columns_are_the_same_events_as_one_by_one(troubled):
    starts, walls, slots = [0.5, 0.75, 1.0000004, 9.0], [0.25, 0.25, 0.5, 0.000001], [3, 3, 3, 0]
    for turn, waited in (("", None), ("", [0.0, 0.125, 0.0, 0.0]), ('a"b, turn 2', None)):
        plain = Plain("size", [7, 8, 9, 10], starts, walls, slots, waited, turn=turn, base=7)
        told = [
            events(
                replace(troubled.facts(), rows=lambda rows=rows: rows, in_pages=lambda _, rows=rows: [rows])
            )
            for rows in ([plain], list(plain.rows()))
        ]
        in_columns, one_by_one = (
            sorted(map(json.dumps, [dict(sorted(one.items())) for one in every])) for every in told
        )
        assert in_columns == one_by_one
