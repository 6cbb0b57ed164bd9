"""Results as lines: in input order whatever order they come in, and a valid beginning at any moment."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from batchmill.batch import jsonl
from batchmill.batch.collected import Collected
from batchmill.batch.jsonl import JsonlResults
from batchmill.errors import StorageError
from batchmill.outcome import Block, ErrorInfo, Outcome, cancelled
from batchmill.plain import shown


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


def lines_of(kinds: str) -> list[tuple[int, bool]]:
    """Index and success of each line that is expected of items of these kinds."""
    return [(index, kind == "o") for index, kind in enumerate(kinds.rstrip("c"))]


def read(path: Path) -> list[tuple[int, bool]]:
    whole = path.read_text()
    assert not whole or whole.endswith("\n")
    found = [json.loads(line) for line in whole.splitlines()]
    return [(one.get("n", one.get("index")), "n" in one) for one in found]


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
    path = tmp_path / "folder" / "out.jsonl"
    results = JsonlResults(str(path), shown)
    done = Collected(results)
    arrived: set[int] = set()
    for one in blocks:
        done.add(one)
        arrived.update(range(one.start, one.start + len(one)))
        beginning = next((index for index in range(len(kinds)) if index not in arrived), len(kinds))
        assert read(path) == lines_of(kinds[:beginning])
    results.close()
    results.close()
    assert read(path) == lines_of(kinds)


def test_values_json_does_not_have_are_shown(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    results = JsonlResults(str(path), shown)
    values = [{"a": {1, 2}, "item": float("nan")}, {"a": b"x", "item": "\ud800é"}]
    Collected(results).add(Block(0, values, [0.0, 0.0], {}, [1, 2]))
    results.close()
    assert [json.loads(line) for line in path.read_text().splitlines()] == [
        {"a": [1, 2], "item": None},
        {"a": "eA==", "item": "\ud800é"},
    ]


@pytest.mark.parametrize("path", ["/proc/nowhere/out.jsonl", "a\0b", "/"])
def test_a_file_that_cannot_be_made(path: str) -> None:
    with pytest.raises(StorageError, match="results cannot be written to"):
        JsonlResults(path, shown)


def test_a_disk_that_is_full() -> None:
    if not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full here")
    results = JsonlResults("/dev/full", shown)
    with pytest.raises(StorageError, match="No space left"):
        results.add(block(0, "o"), {})
    results.close()
