"""Which items of a batch are run, and in which groups."""

from __future__ import annotations

import itertools
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import batchmill
from batchmill.errors import TooFewItems
from batchmill.items.selection import Selection
from batchmill.items.sources import ChunkedIterable
from batchmill.runs.rehearse import rehearse


def pieces(*lists: list[Any]) -> ChunkedIterable:
    return ChunkedIterable(lambda: iter(lists))


KINDS = {
    "list": lambda n: list(range(n)),
    "range": range,
    "pieces": lambda n: pieces(*([k] for k in range(n))),
    "large pieces": lambda n: pieces(list(range(n // 2)), [], list(range(n // 2, n))),
    "iterator": lambda n: iter(range(n)),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("chosen", "left"),
    [
        (Selection(), list(range(10))),
        (Selection(skip=3), list(range(3, 10))),
        (Selection(skip=12), []),
        (Selection(limit=4), [0, 1, 2, 3]),
        (Selection(limit=0), []),
        (Selection(limit=99), list(range(10))),
        (Selection(skip=8, limit=1), [8]),
        (Selection(batch_size=4), [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]),
        (Selection(batch_size=5), [[0, 1, 2, 3, 4], [5, 6, 7, 8, 9]]),
        (Selection(batch_size=99), [list(range(10))]),
        (Selection(skip=1, limit=5, batch_size=3, min_items=5), [[1, 2, 3], [4, 5]]),
        (Selection(sample=99), list(range(10))),
    ],
)
def test_what_is_left(kind: str, chosen: Selection, left: list[Any]) -> None:
    assert list(chosen.of(KINDS[kind](10))) == left


@pytest.mark.parametrize("sample", [5, 0.4])
def test_a_seed_draws_the_same_items_whatever_they_come_from(sample: float) -> None:
    found = [list(Selection(sample=sample, seed=3).of(made(50))) for made in KINDS.values()]
    assert all(one == found[0] for one in found)
    assert found[0] == sorted(found[0])
    assert list(Selection(sample=sample, seed=4).of(range(50))) != found[0]


def test_every_item_is_as_likely_to_be_drawn() -> None:
    drawn = Counter(k for seed in range(2000) for k in Selection(sample=3, seed=seed).of(range(10)))
    assert all(480 < drawn[k] < 720 for k in range(10))  # 600 each, standard deviation 20.5
    shares = [len(list(Selection(sample=0.2, seed=seed).of(range(100)))) for seed in range(200)]
    assert 3800 < sum(shares) < 4200


def test_nothing_is_read_beyond_the_limit() -> None:
    read: list[int] = []

    def endless() -> Any:
        for k in itertools.count():
            read.append(k)
            yield [k]

    assert list(Selection(limit=3, batch_size=2, min_items=1).of(ChunkedIterable(endless))) == [[0, 1], [2]]
    assert read == [0, 1, 2]


def test_a_large_range_is_grouped_without_being_made() -> None:
    groups = Selection(batch_size=1000).of(range(10**9))
    assert len(groups) == 10**6  # type: ignore[arg-type]  # of what has a length
    assert groups[999_999][-1] == 10**9 - 1  # type: ignore[index]


@pytest.mark.parametrize("kind", KINDS)
def test_too_few_items_run_none(kind: str) -> None:
    with pytest.raises(TooFewItems, match="there are 10 items, and `min_items` wants at least 11"):
        list(Selection(min_items=11, batch_size=2).of(KINDS[kind](10)))
    assert len(list(Selection(min_items=10).of(KINDS[kind](10)))) == 10


def document(items: Any, **chosen: Any) -> dict[str, Any]:
    params = {"code": "result = item", "inputs": {"item": "${item}"}}
    batch = {"items": items, **chosen}
    outputs = {"found": {"source": "${a.results[*].result}"}}
    return {"nodes": [{"id": "a", "type": "code", "params": params, "batch": batch}], "outputs": outputs}


@pytest.mark.parametrize("executor", ["sequential", "thread", "process"])
def test_groups_are_the_same_on_all_executors(executor: str, tmp_path: Path) -> None:
    (tmp_path / "lines").write_text("\n".join(map(str, range(7))))
    for items in ({"lines": str(tmp_path / "lines")}, [str(k) for k in range(7)]):
        done = batchmill.run(document(items, executor=executor, batch_size=3, skip=1))
        assert done.outputs["found"] == [["1", "2", "3"], ["4", "5", "6"]]


def test_too_few_items_fail_the_node_also_when_resumed(tmp_path: Path) -> None:
    journal, lines = tmp_path / "runs.sqlite", tmp_path / "lines"
    lines.write_text("a\nb\n")
    failed = batchmill.run(document({"lines": str(lines)}, min_items=3), journal=journal)
    assert failed.status == "failed"
    assert "`min_items` wants at least 3" in failed.errors[0]["message"]
    lines.write_text("")
    assert batchmill.resume(journal=journal).status == "failed"
    lines.write_text("a\nb\nc\n")
    assert batchmill.resume(journal=journal).outputs["found"] == ["a", "b", "c"]


def test_a_run_with_a_limit_goes_on_with_a_larger_one(tmp_path: Path) -> None:
    journal = tmp_path / "runs.sqlite"
    first = batchmill.run(document({"range": [9]}), journal=journal, limit=2)
    assert first.outputs["found"] == [0, 1]
    assert first.run is not None
    assert batchmill.resume(first.run, journal=journal).outputs["found"] == [0, 1]
    more = batchmill.resume(first.run, journal=journal, limit=4)
    assert more.outputs["found"] == [0, 1, 2, 3]
    assert more.resumed["kept"] == 2


def limited(done: Any) -> list[str]:
    return [one["message"] for one in done.warnings if one["code"] == "limited"]


def test_a_run_with_a_limit_does_not_look_complete(tmp_path: Path) -> None:
    journal = tmp_path / "runs.sqlite"
    first = batchmill.run(document({"range": [9]}), journal=journal, limit=2)
    assert limited(first) == ["no more than the first 2 items were run, as `--limit 2` asks for"]
    again = batchmill.resume(first.run, journal=journal)
    assert (again.untouched, limited(again)) == (True, limited(first))
    assert rehearse(first.run, journal=journal).limit == 2
    assert rehearse(first.run, journal=journal, limit=5).counts.new == 3
    assert rehearse(first.run, journal=journal, limit="all").counts.new == 7
    every = batchmill.resume(first.run, journal=journal, limit="all")
    assert (every.outputs["found"], every.resumed["kept"], limited(every)) == (list(range(9)), 2, [])
    done = batchmill.resume(first.run, journal=journal)  # the limit is gone for good
    assert (done.untouched, done.outputs["found"]) == (True, list(range(9)))


@pytest.mark.parametrize(
    ("chosen", "limit", "told"),
    [
        ({}, 9, False),
        ({}, 8, True),
        ({"limit": 3}, 3, False),
        ({"limit": 3}, 2, True),
        ({"batch_size": 4}, 5, True),
        ({"batch_size": 3}, 7, True),
        ({"batch_size": 3, "skip": 4}, 7, False),
    ],
)
def test_only_a_limit_that_leaves_out_something_is_told_of(
    chosen: dict[str, int], limit: int, told: bool
) -> None:
    assert bool(limited(batchmill.run(document({"range": [8]}, **chosen), limit=limit))) is told


def test_a_limit_of_the_run_makes_no_items_too_few() -> None:
    done = batchmill.run(document({"range": [9]}, min_items=5), limit=2)
    assert (done.status, done.outputs["found"]) == ("success", [0, 1])
    assert batchmill.run(document({"range": [4]}, min_items=5), limit=2).status == "failed"


def test_a_limit_that_is_none_is_refused(tmp_path: Path) -> None:
    journal = tmp_path / "runs.sqlite"
    first = batchmill.run(document({"range": [9]}), journal=journal, limit=2)
    for wrong in (0, "some", True):
        with pytest.raises(batchmill.InvalidSetting, match="limit must be a whole number from 1"):
            batchmill.resume(first.run, journal=journal, limit=wrong)  # type: ignore[arg-type]  # which is tested


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("limit", -1, "a whole number from 0"),
        ("batch_size", 0, "a whole number from 1"),
        ("sample", 1.5, "a whole number of items from 1, or a share of them"),
        ("sample", 0, "a whole number of items from 1, or a share of them"),
        ("min_items", "3", "a whole number from 0"),
    ],
)
def test_what_is_out_of_range_is_told(key: str, value: Any, words: str) -> None:
    with pytest.raises(batchmill.InvalidDocument, match=words):
        batchmill.run(document([1], **{key: value}))


@pytest.mark.parametrize("executor", ["sequential", "thread", "process"])
@pytest.mark.parametrize(
    "chosen",
    [
        {"batch_size": 3},
        {"batch_size": 3, "skip": 1, "limit": 6},
        {"limit": 0},
        {"skip": 20},
        {"sample": 4, "seed": 2, "batch_size": 3},
        {"sample": 0.5, "min_items": 1},
        {"min_items": 10, "batch_size": 10},
        {"min_items": 11},
    ],
)
def test_what_streams_in_is_chosen_from_as_what_is_there(executor: str, chosen: dict[str, Any]) -> None:
    def run(**stream: bool) -> Any:
        first = document({"range": [10]}, executor=executor)["nodes"][0]
        batch = {"items": "${a.results}", "executor": executor, **chosen, **stream}
        second = {**first, "id": "b", "batch": batch}
        outputs = {"found": {"source": "${b.results}"}}
        return batchmill.run({"nodes": [first, second], "outputs": outputs})

    streamed, whole = run(stream=True), run()
    assert (streamed.status, streamed.outputs) == (whole.status, whole.outputs)
    told = [(one["type"], one["message"]) for one in streamed.errors]
    assert told == [(one["type"], one["message"]) for one in whole.errors]
    assert streamed.nodes["b"].get("count", 0) == whole.nodes["b"].get("count", 0)


def test_a_stage_of_groups_keeps_what_is_done_when_it_is_resumed(tmp_path: Path) -> None:
    flag, journal = tmp_path / "flag", tmp_path / "runs.sqlite"
    first = document({"range": [10]}, executor="thread")["nodes"][0]
    code = f"import os\nassert item[0]['result'] < 6 or os.path.exists({str(flag)!r})\nresult = len(item)"
    batch = {"items": "${a.results}", "executor": "thread", "batch_size": 3, "stream": True}
    batch["error_handling"], batch["tolerate"] = "continue", {"percent": 0}
    second = {"id": "b", "type": "code", "batch": batch, "params": {**first["params"], "code": code}}
    outputs = {"found": {"source": "${b.results[*].result}"}}
    failed = batchmill.run({"nodes": [first, second], "outputs": outputs}, journal=journal)
    assert failed.status == "failed"
    flag.touch()
    done = batchmill.resume(failed.run, journal=journal)
    assert done.outputs["found"] == [3, 3, 3, 1]
    assert done.resumed["kept"] == 12
