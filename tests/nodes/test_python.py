"""The python node."""

from __future__ import annotations

import sys

import pytest

from batchmill.errors import InvalidParams, NodeError, outputs_of

SOURCE = """
import sys
def add(a, b=1, *, c=0):
    print("adding")
    return a + b + c
async def later(x):
    return x * 2
class Space:
    @staticmethod
    def inner(): return "inner"
def leave(): sys.exit(4)
def fail():
    print("looking")
    raise LookupError("no such row")
def rows():
    yield from (1, 2)
number = 5
"""


@pytest.fixture(autouse=True)
def module(tmp_path, monkeypatch):
    (tmp_path / "sums_of_mine.py").write_text(SOURCE)
    (tmp_path / "broken_of_mine.py").write_text("import nothing_of_this_name")
    monkeypatch.syspath_prepend(tmp_path)
    yield
    sys.modules.pop("sums_of_mine", None)


def test_it_calls_the_function(run):
    outputs = run("python", function="sums_of_mine:add", args=[1], inputs={"b": 2, "c": 3}).outputs
    assert outputs == {"result": 6, "stdout": "adding\n", "stderr": ""}


def test_a_function_may_stand_inside_something(run):
    assert run("python", function="sums_of_mine:Space.inner").outputs["result"] == "inner"
    assert run("python", function="os.path:join", args=["a", "b"]).outputs["result"] == "a/b"


def test_an_async_function_is_awaited(run):
    assert run("python", function="sums_of_mine:later", inputs={"x": 4}).outputs["result"] == 8


def test_a_function_that_yields_gives_a_list(run):
    assert run("python", function="sums_of_mine:rows").outputs["result"] == [1, 2]


def test_what_a_failing_function_printed_is_told(run):
    with pytest.raises(LookupError) as caught:
        run("python", function="sums_of_mine:fail")
    assert outputs_of(caught.value) == {"stdout": "looking\n", "stderr": ""}


def test_what_it_raises_comes_out_and_sys_exit_does_not(run):
    with pytest.raises(LookupError, match="no such row"):
        run("python", function="sums_of_mine:fail")
    with pytest.raises(NodeError, match=r"sums_of_mine:leave called sys\.exit\(4\)"):
        run("python", function="sums_of_mine:leave")


@pytest.mark.parametrize(
    ("function", "words"),
    [
        ("sums_of_mine.add", "did you mean 'sums_of_mine:add'?"),
        ("sums_of_mine:", "is written package.module:name"),
        (":add", "is written package.module:name"),
        ("a b:c", "is written package.module:name"),
        ("sums_of_mine:gone", "there is no 'gone' in 'sums_of_mine'"),
        ("sums_of_mine:number", "is a int, which cannot be called"),
        ("nothing_of_this_name:f", "No module named 'nothing_of_this_name'"),
        ("broken_of_mine:f", "cannot import 'broken_of_mine'"),
    ],
)
def test_a_function_that_is_not_there_says_why_and_is_not_tried_again(run, function, words):
    with pytest.raises(NodeError) as caught:
        run("python", function=function)
    assert words in caught.value.message
    assert not caught.value.retryable


def test_checking_imports_nothing(check):
    assert check("python", function="nothing_of_this_name:f") == []
    assert check("python", function="${which}") == []
    assert check("python", function="sums_of_mine.add")[0][0] == "function"
    assert "sums_of_mine" not in sys.modules


def test_wrong_arguments_are_the_functions_own_error(run):
    with pytest.raises(TypeError, match="unexpected keyword argument 'zz'"):
        run("python", function="sums_of_mine:add", inputs={"a": 1, "zz": 2})
    with pytest.raises(InvalidParams, match="'args' must be a list"):
        run("python", function="sums_of_mine:add", args={"a": 1})
