"""Tracebacks of the user's code: what is left out, and which line is told."""

from __future__ import annotations

import asyncio
import json
import linecache
import os

import pytest

import batchmill
from batchmill.concurrency.event_loop import run_coroutine
from batchmill.values.tracebacks import at_own_line, code_file, own_line, trimmed, without_our_frames

HERE = __file__
LIBRARY = os.path.dirname(json.__file__)
HEAD = "Traceback (most recent call last):\n"


def caught(call, *args):
    try:
        call(*args)
    except BaseException as error:
        return error
    raise AssertionError("nothing was raised")


def helper(row):
    return row["price"]


def work(row):
    return helper(row)


async def later(row):
    await asyncio.sleep(0)
    return helper(row)


def chained(row):
    try:
        return helper(row)
    except KeyError as error:
        raise ValueError("no price") from error


def reads(text):
    return json.loads(text)


def files(text):
    return [line.split('"')[1] for line in text.splitlines() if line.lstrip(" |").startswith("File ")]


@pytest.mark.parametrize("function", [work, later, chained])
@pytest.mark.parametrize("executor", ["sequential", "thread", "process", "auto"])
def test_only_the_users_frames_are_there_whatever_ran_it(function, executor):
    done = batchmill.map(function, [{}], executor=executor, error_handling="continue")
    text = done.errors[0]["traceback"]
    assert set(files(text)) == {HERE}
    assert 'return row["price"]' in text
    reference = batchmill.map(function, [{}], executor="sequential", error_handling="continue")
    assert text == reference.errors[0]["traceback"]


def test_frames_of_libraries_stay_below_those_that_called_them():
    text = trimmed(caught(reads, "{"))
    assert files(text)[0].endswith("test_tracebacks.py") or "test_tracebacks" in text
    assert files(text)[-1].startswith(LIBRARY)
    assert own_line(text).endswith("in reads")


def test_a_function_of_a_library_is_shown_where_nothing_else_is():
    done = batchmill.map(json.loads, ["{"], error_handling="continue")
    text = done.errors[0]["traceback"]
    assert files(text)[0] == json.__file__
    assert own_line(text).startswith(LIBRARY)


def test_what_ours_alone_raised_has_only_a_last_line():
    error = caught(run_coroutine, lambda: _ours(), None, 0.01)
    assert files(trimmed(error))[-1:] != [__file__]


def test_frames_of_a_library_between_ours_are_not_of_an_error_of_ours():
    done = batchmill.run(
        {
            "nodes": [
                {
                    "id": "a",
                    "type": "shell",
                    "params": {"command": "exit ${item}"},
                    "batch": {"items": ["x", 0], "error_handling": "continue"},
                }
            ]
        }
    )
    assert done.errors[0]["type"] == "UnsafeValue"
    assert files(done.errors[0]["traceback"]) == []


def test_the_causes_of_an_error_of_ours_are_only_shown_with_the_users_frames():
    text = {"id": "s", "type": "echo", "params": {"message": "abc"}}
    number = {"id": "n", "type": "echo", "params": {"message": "${s.echo | number}"}}
    done = batchmill.run({"nodes": [text, number]})
    (line,) = done.errors[0]["traceback"].splitlines()
    assert line.startswith("batchmill.errors.documents.FilterError: ")

    def fails():
        try:
            helper({})
        except KeyError as cause:
            raise batchmill.NodeError("no price") from cause

    assert "KeyError: 'price'" in trimmed(caught(fails))


async def _ours():
    await asyncio.sleep(30)


def test_a_fault_of_ours_keeps_its_frames():
    error = caught(without_our_frames, None)  # an AttributeError, below the frame of `caught`
    text = trimmed(error.with_traceback(error.__traceback__.tb_next))
    assert "in without_our_frames" in text
    own = caught(own_line, None)  # a TypeError may be due to what we were given
    assert trimmed(own.with_traceback(own.__traceback__.tb_next)).startswith("TypeError: ")


def test_groups_and_chains_are_trimmed_in_every_part():
    def several(rows):
        raise ExceptionGroup("all", [caught(chained, row) for row in rows])

    text = trimmed(caught(several, [{}, {}]))
    assert set(files(text)) == {HERE}
    assert text.count("KeyError: 'price'") == 2
    assert own_line(text)


def test_code_has_one_name_whatever_its_number():
    name = code_file(7)
    linecache.cache[name] = (0, None, ["def f():\n", "    1 / 0\n", "f()\n"], name)
    error = caught(exec, compile("def f():\n    1 / 0\nf()", name, "exec"), {})
    text = trimmed(error)
    assert '  File "<code>", line 2, in f\n    1 / 0\n' in text
    assert own_line(text) == "line 2 of the code, in f"
    del linecache.cache[name]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", ""),
        ("ValueError: x\n", ""),
        (
            HEAD + '  File "/a/b.py", line 3, in f\n    x\nE: y\n',
            "/a/b.py:3, in f",
        ),
        (HEAD + '  File "/a.py", line 3, in <module>\nE: y\n', "/a.py:3"),
        (
            HEAD + '  File "<code>", line 3, in <module>\nE\n',
            "line 3 of the code",
        ),
        (
            f'{HEAD}  File "/a.py", line 1, in f\n  File "/v/site-packages/m/n.py", line 9, in g\nE: y\n',
            "/a.py:1, in f",
        ),
        (
            HEAD
            + '  File "/a.py", line 1, in f\nE: y\n\nDuring handling:\n\n'
            + HEAD
            + '  File "/b.py", line 2, in g\nE: z\n',
            "/b.py:2, in g",
        ),
    ],
)
def test_the_line_is_the_last_one_of_the_users(text, line):
    assert own_line(text) == line
    assert at_own_line(text) == (f" ({line})" if line else "")


def test_a_file_below_this_folder_is_named_from_here(monkeypatch, tmp_path):
    text = HEAD + f'  File "{tmp_path}/a.py", line 3, in f\nE: y\n'
    assert own_line(text) == f"{tmp_path}/a.py:3, in f"
    monkeypatch.chdir(tmp_path)
    assert own_line(text) == "a.py:3, in f"


def test_the_frames_of_an_exception_begin_with_the_users():
    error = caught(batchmill.map, work, [{}])
    assert error.__cause__ is not None
    assert error.__cause__.__traceback__.tb_frame.f_code is work.__code__
    assert without_our_frames(ValueError("never raised")).__traceback__ is None
