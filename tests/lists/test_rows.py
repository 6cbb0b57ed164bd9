"""Rows give back what was put, whether it is in memory or in a file."""

from __future__ import annotations

import math
import os
import pickle
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchmill.lists import ABSENT, ByReference, LazyList, Rows, SpillError
from batchmill.lists.weight import weight

RUNS = st.lists(st.tuples(st.integers(0, 5), st.integers(1, 6)), max_size=8)


def filled(runs: list[tuple[int, int]], most: int, stride: int) -> tuple[Rows, dict[int, Any]]:
    """Rows with a run of values after each gap, put in from the last to the first; and what is in them."""
    rows, expected, number = Rows(most=most), {}, 0
    puts = []
    for gap, length in runs:
        number += gap * stride
        puts.append((number, [f"v{one}" for one in range(number, number + length)]))
        number += length
    for start, values in reversed(puts):
        rows.put_run(start, values)
        expected.update(enumerate(values, start))
    return rows, expected


@given(runs=RUNS, most=st.integers(0, 20), stride=st.sampled_from([1, 3000]))
def test_gaps_order_and_counts(runs: list[tuple[int, int]], most: int, stride: int) -> None:
    rows, expected = filled(runs, most, stride)
    count = rows.end + 2
    assert len(rows) == len(expected)
    assert rows.end == max(expected, default=-1) + 1
    assert list(rows.listed(count)) == [expected.get(number) for number in range(count)]
    present = [expected[number] for number in sorted(expected)]
    assert list(rows.listed_present()) == present
    assert rows.present(1, 4) == present[1:4]
    for number in (0, 1, 4095, 4096, 4097, count):
        assert rows.before(number) == sum(1 for one in expected if one < number)


@pytest.mark.parametrize("most", [0, 100])
def test_a_run_may_have_gaps(most: int) -> None:
    rows = Rows(most=most)
    rows.put_run(4094, ["a", ABSENT, "b", ABSENT])
    rows.put_run(2, [ABSENT, "c"])
    assert len(rows) == 3
    assert list(rows.listed_present()) == ["c", "a", "b"]
    assert rows.read(4093, 4098) == [None, "a", None, "b", None]
    assert rows.before(4095) == 2


def test_few_small_values_are_held_and_many_are_not() -> None:
    rows = Rows(most=10, most_bytes=10_000)
    rows.put_run(0, list(range(10)))
    assert not rows.spilled
    assert isinstance(rows.listed(10), list)
    rows.put(10, 10)
    assert rows.spilled
    assert isinstance(rows.listed(11), LazyList)
    assert rows.listed(11) == list(range(11))


def test_few_large_values_are_not_held() -> None:
    rows = Rows(most=1000, most_bytes=10_000)
    rows.put(0, {"text": "x" * 20_000})
    assert rows.spilled
    assert rows.read(0, 1) == [{"text": "x" * 20_000}]


class Odd:
    """Equal to its like; pickles."""

    def __init__(self, n: int) -> None:
        self.n = n

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Odd) and other.n == self.n

    __hash__ = None  # type: ignore[assignment]  # not needed


class OneWay:
    """Pickles, and cannot be unpickled."""

    def __init__(self, *, n: int) -> None:
        self.n = n

    def __reduce__(self) -> Any:
        return OneWay, (self.n,)


def test_values_come_back_with_their_types() -> None:
    lock, one_way = threading.Lock(), OneWay(n=1)
    values = [
        (1, [2]), {3: "x"}, {4}, b"\0", 2**70, True, None, "\ud800", 1.5, bytearray(b"a"), Odd(3),
        lock, one_way, lambda: 7, float("nan"),
    ]  # fmt: skip
    rows = Rows(most=0)
    rows.put_run(0, values)
    found = rows.read(0, len(values))
    assert found[:11] == values[:11]
    assert [type(one) for one in found[:11]] == [type(one) for one in values[:11]]
    assert found[11] is lock
    assert found[12] is one_way
    assert found[13]() == 7
    assert math.isnan(found[14])


def test_a_worker_process_reads_the_same_file() -> None:
    rows = Rows(most=0)
    rows.put_run(0, [{"n": number} for number in range(5000)])
    listed = rows.listed(5000)
    assert isinstance(listed, LazyList)
    assert len(pickle.dumps(listed)) > 20_000, "on its own it is the list"
    data = pickle.dumps(ByReference(listed))
    if os.path.isdir("/proc/self/fd"):
        assert len(data) < 2000
    code = (
        "import pickle,sys; found = pickle.load(sys.stdin.buffer); print(len(found), found[4999], found[-2:])"
    )
    done = subprocess.run([sys.executable, "-c", code], input=data, capture_output=True, check=True)
    assert done.stdout.decode().strip() == "5000 {'n': 4999} [{'n': 4998}, {'n': 4999}]"


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="elsewhere the values travel themselves")
def test_a_process_that_is_gone_is_named() -> None:
    code = (
        "import pickle,sys; from batchmill.lists import ByReference, Rows; "
        "rows = Rows(most=0); rows.put(0, 1)\n"
        "sys.stdout.buffer.write(pickle.dumps(ByReference(rows.listed(1))))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    with pytest.raises(SpillError, match="of process"):
        pickle.loads(done.stdout)


def test_no_room_is_a_readable_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    code = (
        "import resource, signal\n"
        "from batchmill.lists import Rows, SpillError\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
        "rows = Rows(most=0)\n"
        "try:\n"
        "    rows.put_run(0, ['x' * 1000 for _ in range(3000)])\n"
        "except SpillError as fault:\n"
        "    print(fault)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "File too large; set TMPDIR" in done.stdout


def test_many_threads_may_read() -> None:
    rows = Rows(most=0)
    rows.put_run(0, list(range(20_000)))
    lazy, wrong = rows.listed(20_000), []

    def read(step: int) -> None:
        wrong.extend(place for place in range(step, 20_000, 97) if lazy[place] != place)

    threads = [threading.Thread(target=read, args=(step,)) for step in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_the_weight_of_a_value_is_about_its_size() -> None:
    assert 1000 <= weight("x" * 1000) <= 1100
    assert 90_000 <= weight([["x" * 1000] for _ in range(90)]) <= 120_000
    assert weight({"a": 1}) < 1000
    assert weight([]) < 100


def test_only_what_was_looked_at_when_it_was_written_counts_as_plain() -> None:
    def are_plain(values: object) -> bool:
        return all(type(one) is int for one in values)  # type: ignore[attr-defined]

    rows = Rows(2, are_plain=are_plain)
    rows.put_run(0, [1, 2, 3, ABSENT])
    assert rows.listed(4).plain  # type: ignore[attr-defined]
    assert rows.listed_present().plain  # type: ignore[attr-defined]
    rows.put(4, "text")
    assert not rows.listed(5).plain  # type: ignore[attr-defined]
    unknown = Rows(2)
    unknown.put_run(0, [1, 2, 3])
    assert not unknown.listed(3).plain  # type: ignore[attr-defined]


def test_small_neighbours_stand_together_and_large_or_odd_ones_alone() -> None:
    odd = threading.Lock()  # cannot be written
    values: list[Any] = [{"n": n} for n in range(40)]
    values[20], values[30], values[35] = "x" * 200_000, odd, ABSENT
    rows = Rows(0)
    rows.put_run(0, values)
    expected = [None if one is ABSENT else one for one in values]
    assert rows.read(0, 40) == expected
    assert [rows.read(n, n + 1)[0] for n in range(40)] == expected
    assert rows.present(28, 36) == [{"n": 28}, {"n": 29}, odd, *({"n": n} for n in (31, 32, 33, 34, 36))]
    first, second = rows.read(3, 5)
    first["n"] = second["n"] = -1  # what was read is the reader's
    assert rows.read(3, 5) == [{"n": 3}, {"n": 4}]
