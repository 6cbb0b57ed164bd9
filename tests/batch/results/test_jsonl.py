"""Results as lines: in input order whatever order they come in, and a valid beginning at any moment."""

from __future__ import annotations

import itertools
import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from batchmill.batch.results import jsonl
from batchmill.batch.results.collector import ResultCollector
from batchmill.batch.results.jsonl import JsonlResults
from batchmill.batch.results.staged import StagedFile
from batchmill.block import Block
from batchmill.errors import StorageError
from batchmill.outcome import ErrorInfo, Outcome, cancelled
from batchmill.values import to_json


def block(start: int, kinds: str) -> Block:
    """A block of items: ``o`` succeeded, ``f`` failed, ``c`` never started."""
    special: dict[int, Outcome] = {}
    for offset, kind in enumerate(kinds):
        index = start + offset
        if kind == "f":
            special[offset] = Outcome(index, error=ErrorInfo("E", "no"))
        elif kind == "c":
            special[offset] = cancelled(index)
    values: list[Any] = [
        {"n": start + k, "item": start + k} if one == "o" else None for k, one in enumerate(kinds)
    ]
    return Block(start, values, [0.0] * len(kinds), special, range(start, start + len(kinds)))


def lines_of(kinds: str, kind: str) -> list[int]:
    """Indexes of the lines that are expected in the file of the items of a kind."""
    return [index for index, one in enumerate(kinds) if one == kind]


def read(path: Path) -> list[int]:
    whole = path.read_text()
    assert not whole or whole.endswith("\n")
    found = [json.loads(line) for line in whole.splitlines()]
    return [one.get("n", one.get("index")) for one in found]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    kinds=st.text("ofc", max_size=30),
    cuts=st.sets(st.integers(1, 29)),
    random=st.randoms(),
    few=st.booleans(),
)
def test_lines_are_in_input_order(
    tmp_path: Path, kinds: str, cuts: set[int], random: Any, few: bool, monkeypatch: Any
) -> None:
    monkeypatch.setattr(jsonl, "EARLY_BYTES", 60 if few else 1 << 20)
    bounds = [0, *sorted(cut for cut in cuts if cut < len(kinds)), len(kinds)]
    blocks = [block(a, kinds[a:b]) for a, b in itertools.pairwise(bounds)]
    random.shuffle(blocks)
    folder = tmp_path / "folder"
    path, errors = folder / "out.jsonl", folder / "no.jsonl"
    results = JsonlResults(StagedFile(str(path)), str(errors), to_json)
    done = ResultCollector(results)
    arrived: set[int] = set()
    for one in blocks:
        done.add(one)
        arrived.update(range(one.start, one.start + len(one)))
        beginning = next((index for index in range(len(kinds)) if index not in arrived), len(kinds))
        assert read(folder / "out.jsonl.partial") == lines_of(kinds[:beginning], "o")
        assert read(folder / "no.jsonl.partial") == lines_of(kinds[:beginning], "f")
    results.close(complete=True)
    results.close(complete=True)
    assert (read(path), read(errors)) == (lines_of(kinds, "o"), lines_of(kinds, "f"))
    assert sorted(os.listdir(folder)) == ["no.jsonl", "out.jsonl"]


def test_failed_items_are_left_out_where_nobody_wants_their_errors(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    results = JsonlResults(StagedFile(str(path)), None, to_json)
    ResultCollector(results).add(block(0, "ofoc"))
    results.close(complete=True)
    assert read(path) == [0, 2]
    assert results.outputs(4, complete=False) == {"results_path": str(path)}


def test_where_they_are_when_they_are_not_complete(tmp_path: Path) -> None:
    path, errors = str(tmp_path / "out.jsonl"), str(tmp_path / "no.jsonl")
    Path(path).write_text("old\n")
    results = JsonlResults(StagedFile(path), errors, to_json)
    ResultCollector(results).add(block(0, "of"))
    results.close(complete=False)
    assert results.outputs(2, complete=False) == {
        "results_path": f"{path}.partial",
        "errors_path": f"{errors}.partial",
    }
    assert Path(path).read_text() == "old\n"
    assert read(Path(f"{path}.partial")) == [0]
    assert not Path(errors).exists()


def test_halves_of_surrogate_pairs_are_written_as_escapes(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    results = JsonlResults(StagedFile(str(path)), None, to_json)
    ResultCollector(results).add(Block(0, [{"a": "\ud800é"}], [0.0], {}, [1]))
    results.close(complete=True)
    assert path.read_text() == '{"a": "\\ud800\\u00e9"}\n'


@pytest.mark.parametrize("path", ["/proc/nowhere/out.jsonl", "a\0b", "/"])
def test_a_file_that_cannot_be_made(path: str, tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="results cannot be written to"):
        JsonlResults(StagedFile(path), None, to_json)
    with pytest.raises(StorageError, match="results cannot be written to"):
        JsonlResults(StagedFile(str(tmp_path / "out")), path, to_json)


def test_a_disk_that_is_full() -> None:
    if not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full here")
    results = JsonlResults(StagedFile("/dev/full"), None, to_json)
    with pytest.raises(StorageError, match="No space left"):
        results.add(block(0, "o"), {})
    results.close(complete=False)
