"""The rule by which values become plain JSON."""

from __future__ import annotations

import collections
import datetime
import enum
import json
import uuid
from collections import OrderedDict, namedtuple
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from pathlib import PurePosixPath
from typing import Any

import numpy
import pytest

from batchmill.lists import JoinedList
from batchmill.values import MAX_DEPTH, MAX_DIGITS, NotPlain, is_true, noted, plain, shown

Point = namedtuple("Point", "x y")


class Colour(enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    HIGH = 3


@dataclass
class Row:
    name: str
    tags: set[str]


class Odd:
    def __repr__(self) -> str:
        return "<odd>"


class Broken:
    """Nothing of it can be looked at."""

    def __repr__(self) -> str:
        raise RuntimeError("no")

    def tolist(self) -> list[int]:
        raise RuntimeError("gone")


class Text(str):
    __slots__ = ()


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        (True, True),
        (3, 3),
        (1.5, 1.5),
        ("é", "é"),
        (float("nan"), None),
        (float("-inf"), None),
        ((1, (2,)), [1, [2]]),
        (Point(1, 2), [1, 2]),
        (range(3), [0, 1, 2]),
        ({3, 1, 2}, [1, 2, 3]),
        (frozenset({"b", "a"}), ["a", "b"]),
        (b"\x00\xff", "AP8="),
        (bytearray(b"a"), "YQ=="),
        ({1: "a", None: "b", False: "c", 1.5: "d"}, {"1": "a", "null": "b", "false": "c", "1.5": "d"}),
        (
            {datetime.date(2024, 1, 2): 1, numpy.int64(3): 2, Colour.RED: 3},
            {"2024-01-02": 1, "3": 2, "red": 3},
        ),
        (OrderedDict(a=(1,)), {"a": [1]}),
        (PurePosixPath("a/b"), "a/b"),
        (Decimal("1.10"), "1.10"),
        (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (datetime.date(2024, 1, 2), "2024-01-02"),
        (datetime.datetime(2024, 1, 2, 3, 4), "2024-01-02T03:04:00"),
        (Colour.RED, "red"),
        (Level.HIGH, 3),
        (Row("a", {"x"}), {"name": "a", "tags": ["x"]}),
        (collections.UserString("ab"), "ab"),
        ({"a": 1}.values(), [1]),
        (Decimal("NaN"), None),
        (Fraction(1, 3), "1/3"),
        (datetime.time(3, 4), "03:04:00"),
        (datetime.timedelta(days=1, hours=2, seconds=3.5), "P1DT2H3.5S"),
        (datetime.timedelta(seconds=-90), "-PT1M30S"),
        (datetime.timedelta(), "PT0S"),
        ({2.5, float("nan")}, [2.5, None]),
        ({(2, 1), (1, 2)}, [[1, 2], [2, 1]]),
        (numpy.int64(4), 4),
        (numpy.float64("nan"), None),
        (numpy.array([[1, 2], [3, 4]]), [[1, 2], [3, 4]]),
        (numpy.arange(3000), list(range(3000))),
        (numpy.array(7), 7),
        (numpy.bool_(True), True),
        (numpy.array([1.5, float("inf")]), [1.5, None]),
        (numpy.ma.array([1, 2], mask=[False, True]), [1, None]),
        (numpy.array(["2024-01-02", "NaT"], dtype="M8[ns]"), ["2024-01-02T00:00:00.000000000", None]),
        (numpy.datetime64("2024-01-02T03:04"), "2024-01-02T03:04"),
        (numpy.array([90], dtype="m8[s]"), ["PT1M30S"]),
        (
            numpy.array([(1, "x"), (2, "y")], dtype=[("n", int), ("t", "U1")]),
            [{"n": 1, "t": "x"}, {"n": 2, "t": "y"}],
        ),
        (numpy.array([(1, "x")], dtype=[("n", int), ("t", "U1")])[0], {"n": 1, "t": "x"}),
    ],
)
def test_a_value_becomes(value: Any, expected: Any) -> None:
    result = plain(value)
    assert result == expected
    assert json.loads(json.dumps(result, allow_nan=False)) == result


def test_a_text_of_another_class_becomes_plain_text() -> None:
    assert type(plain(Text("a"))) is str
    assert type(plain({Text("a"): 1}).popitem()[0]) is str


def test_members_of_a_set_that_do_not_compare_have_a_stable_order() -> None:
    assert plain({"a", 1, None}) == plain({None, 1, "a"})


def test_a_value_that_holds_itself_is_named() -> None:
    loop: list[Any] = []
    loop.append(loop)
    with pytest.raises(NotPlain, match="output 'x' holds itself"):
        plain(loop, "output 'x'")


def test_nesting_up_to_the_limit_is_kept() -> None:
    value: Any = [datetime.date(2024, 1, 2)]
    for _ in range(MAX_DEPTH - 1):
        value = [value]
    shallower = plain(value)
    for _ in range(MAX_DEPTH - 1):
        (shallower,) = shallower
    assert shallower == ["2024-01-02"]
    with pytest.raises(NotPlain, match="deeper than 200 levels"):
        plain([value])


@pytest.mark.parametrize(
    ("value", "message", "path"),
    [
        (Odd(), "it is an? .*Odd, which has no form in JSON", ()),
        ({"rows": [1, {"f": Odd()}]}, r"it\.rows\[1\]\.f is an? .*Odd", ("rows", 1, "f")),
        ([{"any key": lambda: 0}], r'it\[0\]\["any key"\] is a function', (0, "any key")),
        ({"a": {(1, 2): 3}}, "it.a has a key that is a tuple", ("a",)),
        ({"a": {1: "a", "1": "b"}}, "it.a has two keys that are '1' as text", ("a",)),
        ([1, 10**MAX_DIGITS], r"it\[1\] is an integer of more than 4,300 digits", (1,)),
        ({"x": 1 + 2j}, "it.x is a complex", ("x",)),
        ({"x": (one for one in ())}, "it.x is a generator", ("x",)),
        (Row("a", {"x"}).__class__, "it is a type", ()),
        ([Broken()], "it.0. is a .*Broken that cannot be read: RuntimeError: gone", (0,)),
        ({"x": numpy.longdouble(1)}, "it.x is a numpy", ("x",)),
        ({"x": numpy.array([90], dtype="m8[ns]")}, "in nanoseconds", ("x",)),
        ({"x": (3, {"y": {Odd()}})}, "it.x.1..y.0. is an? .*Odd", ("x", 1, "y", 0)),
    ],
)
def test_what_has_no_form_is_named_with_its_place(value: Any, message: str, path: tuple[Any, ...]) -> None:
    with pytest.raises(NotPlain, match=message) as caught:
        plain(value, "it")
    assert caught.value.path == path


def test_noted_shows_what_has_no_form_and_refuses_what_cannot_be_shown() -> None:
    assert noted({"a": [Odd(), b"x"], (1, 2): 3}) == {"a": ["<odd>", "eA=="], "(1, 2)": 3}
    deep: list[Any] = []
    for _ in range(MAX_DEPTH):
        deep = [deep]
    for value, message in (
        ({"x": [Odd(), 10**MAX_DIGITS]}, "value.x.1. is an integer of more than 4,300 digits"),
        ({10**MAX_DIGITS: Odd()}, "is an integer of more than"),
        ([0, Broken()], "value.1. is a .*Broken that cannot be read"),
        ({"x": deep}, "nests deeper than 200 levels"),
    ):
        with pytest.raises(NotPlain, match=message):
            noted(value)


def test_shown_never_fails_and_shortens_what_has_no_form() -> None:
    assert shown({"a": [Odd(), b"x"], 1: 2, (1, 2): 3}) == {"a": ["<odd>", "eA=="], "1": 2, "(1, 2)": 3}
    assert shown([Broken()]) == ["<Broken>"]
    assert shown({1: "a", "1": "b"}) == {"1": "a", "'1'": "b"}
    assert len(shown(10**MAX_DIGITS)) <= 1003
    loop: list[Any] = []
    loop.append(loop)
    assert shown(loop) == "[[...]]"


def test_elements_that_are_read_later_are_refused_when_they_are() -> None:
    lazy = plain({"rows": JoinedList([[1], [Odd()]])}, "it")
    with pytest.raises(NotPlain, match="Odd, which has no form"):
        list(lazy["rows"])


class Frame:
    """What polars' frames have in common with this."""

    def to_dicts(self) -> list[dict[str, Any]]:
        return [{"a": 1, "b": None}, {"a": 2, "b": datetime.date(2024, 1, 2)}]


def test_a_table_is_a_list_of_its_rows() -> None:
    assert plain(Frame()) == [{"a": 1, "b": None}, {"a": 2, "b": "2024-01-02"}]


def test_a_frame_of_polars_is_a_list_of_its_rows() -> None:
    polars = pytest.importorskip("polars")
    frame = polars.DataFrame({"a": [1, None], "d": [datetime.date(2024, 1, 2)] * 2})
    assert plain(frame) == [{"a": 1, "d": "2024-01-02"}, {"a": None, "d": "2024-01-02"}]
    assert plain(frame["a"]) == [1, None]


def test_a_frame_of_pandas_is_a_list_of_its_rows() -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"a": range(1000), "b": [1.5, None] * 500})
    assert plain(frame) == [{"a": n, "b": 1.5 if n % 2 == 0 else None} for n in range(1000)]
    assert plain(frame[frame.a > 998]) == [{"a": 999, "b": None}]
    assert plain(frame.a[:2]) == [0, 1]
    named = frame[:1].set_index("a")
    assert plain(named) == [{"a": 0, "b": 1.5}]
    assert plain(named.b) == [{"a": 0, "b": 1.5}]
    times = pandas.Series([pandas.Timestamp("2024-01-02"), pandas.NaT])
    assert plain(times) == ["2024-01-02T00:00:00", None]
    assert plain(pandas.array([1, pandas.NA])) == [1, None]
    with pytest.raises(NotPlain, match="two columns are called 'a'"):
        plain(pandas.concat([frame, frame], axis=1))


@pytest.mark.parametrize(
    "value", [None, False, 0, 0.0, "", [], {}, (), set(), Decimal(0), numpy.bool_(False), JoinedList([])]
)
def test_what_counts_as_false(value: Any) -> None:
    assert is_true(value) is False


@pytest.mark.parametrize(
    "value", [True, 1, -1, "0", "false", "no", "null", " ", "[]", [0], {"a": None}, numpy.array([0, 0])]
)
def test_what_counts_as_true(value: Any) -> None:
    assert is_true(value) is True
