"""The batch block: defaults, what they imply, and the policies it turns into."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from batchmill.ir.models import BatchSpec
from batchmill.policy import FailurePolicy, RetryPolicy


def batch(**keys):
    return BatchSpec.model_validate({"items": [1, 2], **keys})


def test_the_defaults_are_those_of_the_format():
    spec = batch()
    assert (spec.as_, spec.parallel, spec.executor_name, spec.max_concurrent) == (
        "item",
        False,
        "sequential",
        None,
    )
    assert (spec.chunk_size, spec.fixed_chunk_size, spec.timeout, spec.tolerate) == ("auto", None, None, None)
    assert (spec.stream, spec.collect, spec.rate_limit, spec.goes_on) == (False, "results", None, False)
    assert spec.retry_policy() == RetryPolicy(1, 0.0, 1.0, 60.0, True)
    assert spec.failure_policy() == FailurePolicy()


@pytest.mark.parametrize(
    ("keys", "name"),
    [
        ({"parallel": True}, "thread"),
        ({"executor": "process"}, "process"),
        ({"executor": "thread", "parallel": True}, "thread"),
        ({"executor": "sequential"}, "sequential"),
        ({"parallel": True, "executor": "process"}, "process"),
    ],
)
def test_naming_an_executor_implies_parallel(keys, name):
    assert batch(**keys).executor_name == name


def test_retries_become_a_policy():
    spec = batch(max_retries=4, retry_wait=2, retry_backoff=3, retry_max_wait=5, retry_jitter=False)
    assert spec.retry_policy() == RetryPolicy(4, 2.0, 3.0, 5.0, False)


@pytest.mark.parametrize("word", ["continue", "fail_safe"])
def test_error_handling_becomes_a_policy(word):
    assert batch(error_handling=word).failure_policy() == FailurePolicy(fail_fast=False)
    spec = batch(error_handling=word, tolerate={"count": 2, "percent": 10})
    assert spec.failure_policy() == FailurePolicy(False, 2, 10.0)


@pytest.mark.parametrize(
    ("items", "kind", "value"),
    [
        ("${a.results}", "reference", "${a.results}"),
        ([1, "${x}"], "list", [1, "${x}"]),
        ({"glob": "*.txt"}, "glob", "*.txt"),
        ({"lines": "a.txt"}, "lines", "a.txt"),
        ({"jsonl": "a.jsonl"}, "jsonl", "a.jsonl"),
        ({"csv": "a.csv"}, "csv", "a.csv"),
        ({"range": [0, "${n}", 2]}, "range", [0, "${n}", 2]),
        ({"range": [5]}, "range", [5]),
        ({"stdin": "jsonl"}, "stdin", "jsonl"),
    ],
)
def test_every_way_to_write_items(items, kind, value):
    spec = BatchSpec.model_validate({"items": items})
    assert spec.items_kind == kind
    assert spec.items_value == value


@pytest.mark.parametrize(
    "items",
    [
        None,
        5,
        True,
        "plain",
        {},
        {"glob": 1},
        {"glob": ""},
        {"glob": "a", "lines": "b"},
        {"files": "a"},
        {"range": []},
        {"range": [1, 2, 3, 4]},
        {"range": 5},
        {"range": ["x"]},
        {"range": [True]},
        {"stdin": "csv"},
        {"csv": "a", "delimiter": ";;"},
        {"csv": "a", "delimiter": "\n"},
        {"csv": "a", "quote": ""},
        {"csv": "a", "columns": []},
        {"csv": "a", "columns": ["x", "x"]},
        {"csv": "a", "skip": -1},
        {"csv": "a", "comment": ""},
        {"csv": "a", "header": "no"},
        {"csv": "a", "encoding": ""},
        {"jsonl": "a", "delimiter": ";"},
    ],
)
def test_what_is_no_items(items):
    with pytest.raises(ValidationError):
        BatchSpec.model_validate({"items": items})


def test_options_beside_csv():
    options = {"delimiter": ";", "quote": None, "columns": ["a"], "header": False, "skip": 2, "comment": "#"}
    spec = BatchSpec.model_validate({"items": {**options, "csv": "a.csv", "encoding": "latin-1"}})
    assert (spec.items_kind, spec.items_value) == ("csv", "a.csv")
    assert spec.items_options == {**options, "encoding": "latin-1"}
    assert BatchSpec.model_validate({"items": {"csv": "a.csv"}}).items_options == {}
    assert BatchSpec.model_validate({"items": [1]}).items_options == {}


def test_sizes_of_memory_are_bytes():
    assert batch(memory_limit="512MB").memory_limit == 512_000_000
    assert batch(memory_limit=2**30).memory_limit == 2**30
    with pytest.raises(ValidationError):
        batch(memory_limit=1)


def test_a_fixed_chunk_size():
    assert batch(chunk_size=5).fixed_chunk_size == 5
