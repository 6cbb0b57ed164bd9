"""Keyword arguments of ``map``, ``imap`` and the batch classes: forms, ranges and what is wrong with them."""

from __future__ import annotations

import inspect
import subprocess
import sys
import textwrap
import typing

import pytest

import batchmill
from batchmill import BatchFlow, BatchNode, InvalidSetting, Node, UnknownSetting
from batchmill.batch.settings import BatchSettings
from batchmill.flow import BatchOptions
from batchmill.ir.models.reading import faults_of_batch
from batchmill.mapping.keywords import (
    _OTHER_NAMES,
    DEFAULTS,
    OF_THE_FACE,
    Settings,
    plainly_fine,
    settings_of,
)


def same(item):
    return item


def refusal(call):
    with pytest.raises(InvalidSetting) as caught:
        call()
    return caught.value


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ({"memory_limit": "lots"}, ["`memory_limit` must be bytes, or text such as `512MB`", '"lots"']),
        ({"memory_limit": 10}, ["`memory_limit` must be bytes", "from 16,777,216"]),
        ({"chunk_size": "x"}, ["`chunk_size` must be `auto` or a whole number from 1", '"x"']),
        ({"chunk_size": 0}, ["`chunk_size` must be `auto` or a whole number from 1", "not 0"]),
        ({"timeout": "5s"}, ["`timeout` must be a number of seconds above 0", '"5s"']),
        ({"timeout": 0}, ["`timeout` must be a number of seconds above 0", "not 0"]),
        ({"timeout": float("nan")}, ["`timeout` must be a number of seconds", "NaN"]),
        ({"timeout": "${seconds}"}, ["`timeout` must be a number of seconds"]),
        ({"timeout": True}, ["`timeout` must be a number of seconds", "true"]),
        ({"executor": "threads"}, ["no executor 'threads'", "did you mean 'thread'?"]),
        ({"executor": ["thread"]}, ["`executor` must be the name of one"]),
        (
            {"max_concurrent": "4"},
            ["`max_concurrent` must be a whole number from 1 to 1,000, `auto`", '"4"'],
        ),
        ({"max_concurrent": 2.5}, ["`max_concurrent` must be a whole number", "2.5"]),
        ({"max_concurrent": 0}, ["`max_concurrent` must be a whole number", "not 0"]),
        ({"error_handling": "ignore"}, ["`error_handling` must be `fail_fast`, `continue`", '"ignore"']),
        ({"tolerate": 3}, ['`tolerate` must be a dictionary such as {"count": 3}', "not 3"]),
        ({"tolerate": {"cnt": 3}}, ['`tolerate`: unknown key "cnt"', "did you mean `count`?"]),
        ({"tolerate": {"count": "3"}}, ["`tolerate.count` must be a whole number", '"3"']),
        ({"rate_limit": 5}, ['`rate_limit` must be a dictionary such as {"per_second": 5}']),
        ({"rate_limit": {"per_secnd": 5}}, ['`rate_limit`: unknown key "per_secnd"', "`per_second`"]),
        ({"rate_limit": {"per_second": 0}}, ["`rate_limit.per_second` must be a number above 0"]),
        ({"retry_wait": "1"}, ["`retry_wait` must be a number of seconds from 0", '"1"']),
        ({"retry_jitter": "yes"}, ["`retry_jitter` must be true or false"]),
        ({"retry_backoff": 0.5}, ["`retry_backoff` must be a number from 1"]),
        ({"max_retries": "3"}, ["`max_retries` must be a whole number from 1 to 10", '"3"']),
        ({"retry_on": "ValueError"}, ["`retry_on` must be classes of exceptions, not 'ValueError'"]),
        ({"retry_on": [ValueError, 3]}, ["`retry_on` must be classes of exceptions, not 3"]),
        ({"on_result": []}, ["`on_result` must be a function of one result, not []"]),
        ({"progress": "yes"}, ["`progress` must be true or false, not 'yes'"]),
        ({"return_exceptions": 1}, ["`return_exceptions` must be true or false, not 1"]),
        ({"timeout": 0, "chunk_size": 0}, ["`timeout` must", "`chunk_size` must"]),
    ],
)
def test_what_is_wrong_is_said_in_words(wanted, words):
    for face in (batchmill.map, lambda *given, **more: list(batchmill.imap(*given, **more))):
        message = str(refusal(lambda face=face: face(same, [1], **wanted)))
        assert all(word in message for word in words), message
    if set(wanted) & {"max_retries", "rate_limit", *OF_THE_FACE}:  # no options of a batch node
        return
    message = str(refusal(lambda: BatchNode(**{"executor": "process", **wanted})))
    assert all(word in message for word in words), message


@pytest.mark.parametrize("executor", ["thread", "sequential"])
def test_a_limit_that_nothing_enforces_is_warned_of(executor):
    with pytest.warns(RuntimeWarning, match="`memory_limit` does nothing here") as found:
        assert list(batchmill.map(same, [1], memory_limit="512MB", executor=executor)) == [1]
    assert found[0].filename == __file__


@pytest.mark.parametrize(
    "wanted",
    [
        {"memory_limit": "512MB", "executor": "process"},
        {"memory_limit": 1 << 30, "executor": "process"},
        {"chunk_size": "auto"},
        {"chunk_size": 3.0},
        {"max_concurrent": "auto"},
        {"max_concurrent": "1-2-4"},
        {"error_handling": "fail_safe"},
        {"tolerate": {"percent": 5}, "error_handling": "continue"},
        {"rate_limit": {"per_second": 10_000, "key": "of these tests"}},
        {"timeout": 60},
    ],
)
def test_the_forms_of_a_document_are_understood(wanted):
    assert list(batchmill.map(same, [1, 2], **wanted)) == [1, 2]


def test_numbers_of_numpy_are_numbers():
    numpy = pytest.importorskip("numpy")
    done = batchmill.map(same, [1], max_concurrent=numpy.int64(3), timeout=numpy.float32(20))
    assert done.metadata["max_concurrent"] == 3


@pytest.mark.parametrize("name", sorted(_OTHER_NAMES))
def test_names_of_other_libraries_lead_to_ours(name):
    error = refusal(lambda: batchmill.map(same, [1], **{name: 1}))
    assert str(error) == f"map() has no setting `{name}`; did you mean `{_OTHER_NAMES[name]}`?"
    assert isinstance(error, TypeError)
    assert isinstance(error, ValueError)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (
            lambda: batchmill.map(same, [1], time_out=3),
            "map() has no setting `time_out`; did you mean `timeout`",
        ),
        (lambda: batchmill.map(same, [1], stream=True), "map() has no setting `stream`; it has executor, "),
        (
            lambda: batchmill.imap(same, [1], order=True),
            "imap() has no setting `order`; did you mean `ordered`",
        ),
        (
            lambda: BatchNode(max_workers=2),
            "BatchOptions() has no setting `max_workers`; did you mean `max_c",
        ),
        (
            lambda: BatchFlow(n_jobs=2),
            "BatchOptions() has no setting `n_jobs`; did you mean `max_concurrent`",
        ),
        (lambda: BatchOptions(workers=2), "BatchOptions() has no setting `workers`; did you mean `max_conc"),
    ],
)
def test_unknown_ones_are_named_with_what_was_meant(call, words):
    error = refusal(call)
    assert isinstance(error, UnknownSetting)
    assert str(error).startswith(words)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: batchmill.map([1], same), "the first argument must be a function or a node, not list"),
        (lambda: batchmill.map(BatchNode, [1]), "BatchNode is a class: give a node of it, BatchNode()"),
        (lambda: batchmill.imap(same, [1], ordered="no"), "`ordered` must be true or false, not 'no'"),
        (lambda: batchmill.imap(same, [1], indexed=1), "`indexed` must be true or false, not 1"),
        (lambda: batchmill.starmap(3, [1]), "a function is needed, not int"),
        (lambda: Node(wait="long"), "wait must be 0 or more seconds, not 'long'"),
        (lambda: Node("3"), "max_retries counts attempts in total and must be 1 or more, not '3'"),
        (lambda: BatchNode(retry_jitter="5s"), "`retry_jitter` must be true or false, not text"),
        (lambda: BatchOptions(on_failure="panic"), "on_failure must be 'cancel' or 'finish', not 'panic'"),
        (lambda: BatchOptions(isolate="yes"), "isolate must be true or false, not 'yes'"),
    ],
)
def test_arguments_that_cannot_be_meant(call, words):
    assert str(refusal(call)) == words


@pytest.mark.parametrize("face", [batchmill.map, batchmill.imap])
def test_signature_defaults_and_types_name_the_same_settings(face):
    parameters = inspect.signature(face).parameters
    named = {name: one.default for name, one in parameters.items() if one.kind is one.KEYWORD_ONLY}
    assert named.pop("ordered", True) is True
    assert named.pop("indexed", False) is False
    assert named == DEFAULTS
    assert {*typing.get_type_hints(Settings), "return_exceptions"} == set(DEFAULTS)
    for name in DEFAULTS:
        assert f"``{name}``" in batchmill.map.__doc__ or name in ("retry_backoff", "retry_jitter")


def test_defaults_are_those_of_the_settings_and_cost_no_import(run_python):
    assert settings_of(dict(DEFAULTS)) == BatchSettings(executor="thread")
    read = settings_of({**DEFAULTS, "max_concurrent": 3, "executor": "process"})
    assert read == BatchSettings(executor="process", max_concurrent=3)
    out = run_python(
        "import batchmill, sys\n"
        "batchmill.map(str, [1]); batchmill.map(str, [1], executor='sequential')\n"
        "print('pydantic' in sys.modules)"
    )
    assert out == "False\n"


@pytest.fixture
def run_python():
    import subprocess

    def run(text):
        done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=True)
        return done.stdout

    return run


def test_an_event_loop_has_no_measured_bound():
    import asyncio

    class Ask(batchmill.AsyncParallelBatchNode):
        async def prep_async(self, shared):
            return [1]

    with pytest.raises(InvalidSetting, match="max_concurrent='auto' needs an executor: give one too"):
        asyncio.run(Ask(max_concurrent="auto").run_async({}))
    asyncio.run(Ask(max_concurrent=5000).run_async({}))


def test_the_package_shows_what_is_for_others():
    assert dir(batchmill) == sorted(batchmill.__all__)
    for name in batchmill.__all__:
        assert getattr(batchmill, name) is not None


@pytest.mark.parametrize("executor", ["sequential", "thread", "process", "auto", "dask"])
@pytest.mark.parametrize(
    "wanted",
    [
        {"max_concurrent": 1},
        {"max_concurrent": 1000, "chunk_size": 1_000_000},
        {"chunk_size": 1, "error_handling": "continue"},
        {"max_retries": 10, "retry_wait": 3600},
        {"max_retries": 1, "retry_wait": 0.5, "error_handling": "fail_fast"},
        {"timeout": 86400},
        {"timeout": 0.001, "max_retries": 3},
    ],
)
def test_settings_that_are_plainly_fine_are_what_the_model_makes_of_them(executor, wanted):
    block, faults = faults_of_batch({**wanted, "executor": executor, "items": []})
    assert not faults
    assert plainly_fine(executor, wanted) == BatchSettings.of_block(block)


@pytest.mark.parametrize(
    "wanted",
    [
        {"max_concurrent": 1001},
        {"max_concurrent": 2.0},
        {"max_concurrent": True},
        {"max_concurrent": "auto"},
        {"chunk_size": 0},
        {"max_retries": 11},
        {"timeout": 0},
        {"timeout": float("nan")},
        {"timeout": float("inf")},
        {"retry_wait": -1},
        {"error_handling": ["continue"]},
        {"memory_limit": "1GB"},
        {"rate_limit": {"per_second": 1}},
    ],
)
def test_whatever_is_not_is_left_to_the_model(wanted):
    assert plainly_fine("thread", wanted) is None


def test_common_settings_do_without_pydantic():
    code = """
        import sys, batchmill
        print(*batchmill.map(abs, [-1], executor="thread", max_concurrent=2, timeout=5, max_retries=2))
        print("pydantic" in sys.modules)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=True, capture_output=True)
    assert done.stdout.split() == [b"1", b"False"]
