"""Groups of rows, which the journal does not store: shown, written and matched nevertheless."""

from __future__ import annotations

import json
import sqlite3

import pytest

import batchmill
from batchmill.journal.journal import Journal

ROWS = 60
NOTE = "k7Qz-4vR" * 8  # so that groups of twenty rows are longer than what is stored with each outcome


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write("rows.csv")
    return tmp_path


def write(name, rows=ROWS, first=0):
    with open(name, "w") as file:
        file.write("n,note\n" + "".join(f"{n},{NOTE}\n" for n in range(first, first + rows)))


def document(code="result = sum(int(row['n']) for row in rows)", **batch):
    given = {"items": {"csv": "rows.csv"}, "batch_size": 20, "error_handling": "continue", **batch}
    params = {"code": code, "inputs": {"rows": "${item}"}}
    return {"nodes": [{"id": "sum", "type": "code", "params": params, "batch": given}]}


def run(**given):
    return batchmill.run(document(**given), journal=Journal(".batchmill/runs.sqlite"))


def stored():
    connection = sqlite3.connect(".batchmill/runs.sqlite")
    found = [row[0] for row in connection.execute("SELECT item FROM outcome ORDER BY id")]
    connection.close()
    return found


@pytest.fixture
def shown(batchmill_command):
    def run(*command):
        code, out, err = batchmill_command(*command)
        assert code == 0
        return json.loads(out), err

    return run


def rows(first, last):
    return [{"n": str(n), "note": NOTE} for n in range(first, last)]


def test_the_text_of_a_group_is_not_stored_but_shown(folder, shown):
    run()
    assert stored() == [None] * 3
    found, err = shown("show", "--item", "1")
    assert (found["item"], err) == (rows(20, 40), "")
    assert found["place"] == f"{folder}/rows.csv, rows 21 to 40"
    entries, err = shown("results")
    assert ([one["item"] for one in entries], err) == ([rows(at, at + 20) for at in (0, 20, 40)], "")


def test_a_group_that_failed_is_stored(folder, shown):
    run(code="result = 1 / int(rows[0]['n'])")
    assert [text is None for text in stored()] == [False, True, True]
    (folder / "rows.csv").unlink()
    found, err = shown("show", "--item", "0")
    assert (found["item"], err) == (rows(0, 20), "")


@pytest.mark.parametrize(
    ("batch", "kept"),
    [({"where": "${item.note != ''}"}, True), ({"batch_size": 2}, True), ({"skip": 1, "limit": 35}, False)],
    ids=["a condition chose", "short", "skip and limit"],
)
def test_what_is_stored(folder, batch, kept):
    run(**batch)
    assert all((text is not None) == kept for text in stored())


def test_a_source_that_has_changed_is_noticed(folder, shown):
    run()
    write("rows.csv", first=1)
    found, err = shown("show", "--item", "2")
    assert found["item"] is None
    assert "rows 41 to 60, has changed since the run" in err
    (folder / "rows.csv").unlink()
    entries, err = shown("results")
    assert [one["item"] for one in entries] == [None] * 3
    assert err.count("note:") == 1
    assert "item 0 of sum is missing here: the source cannot be read again" in err


def test_groups_are_matched_by_content(folder, shown):
    run()
    text = (folder / "rows.csv").read_text().splitlines()
    text[30] = "7," + NOTE
    (folder / "rows.csv").write_text("\n".join(text) + "\n")
    result = batchmill.resume("last", journal=Journal(".batchmill/runs.sqlite"))
    assert result.resumed["kept"] == 2
    assert result.resumed["changed"] == 1
    assert set(stored()) == {None}
    assert shown("show", "--item", "1")[0]["item"][9] == {"n": "7", "note": NOTE}


def test_secrets_are_masked_where_a_group_has_them(folder):
    flow = {**document(), "inputs": {"key": {"type": "string", "secret": True}}}
    flow["nodes"][0]["params"]["inputs"]["key"] = "${key}"
    batchmill.run(flow, {"key": NOTE}, journal=Journal(".batchmill/runs.sqlite"))
    assert all(text is not None and NOTE not in text for text in stored())
