"""Every error survives pickling and copying with its text and fields."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest

from batchmill import errors
from batchmill.errors import Problem
from batchmill.warned import Warned

EXAMPLES: dict[str, tuple[Any, ...]] = {
    "InvalidDocument": (
        (Problem("$.nodes[0]", "wrong", "do so", 3, 4),),
        "flow.json",
        (Warned("dead-action", "no"),),
    ),
    "ItemFailed": ("WorkerDied", "it was killed", "worker_died"),
    "KeyCollision": ("a", "${x}", "${y}", "headers"),
    "MissingExtra": ("dask", "the dask executor"),
    "TemplateSyntaxError": ("unclosed", "a ${b", 2),
    "UnresolvedReference": ("a.b", "there is no b"),
    "UnknownNodeType": ("shel", ("shell",)),
    "BrokenNodeType": ("mine", "no module"),
    "BatchFailed": ("2 items failed", [1, None]),
    "Interrupted": (2,),
}
KINDS = [
    kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, errors.BatchmillError)
]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_it_survives_pickling(kind: type[errors.BatchmillError]) -> None:
    error = kind(*EXAMPLES.get(kind.__name__, ("what went wrong",)))
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        again = pickle.loads(pickle.dumps(error, protocol))
        assert type(again) is kind
        assert str(again) == str(error)
        assert vars(again) == vars(error)
    assert str(copy.deepcopy(error)) == str(error)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_it_says_when_it_is_raised(kind: type[errors.BatchmillError]) -> None:
    assert kind.__doc__ is not None
    assert kind.__doc__.startswith(("Raised ", "Base of "))


@pytest.mark.parametrize("kind", [errors.NodeError, errors.InvalidParams])
def test_an_error_result_keeps_its_fields(kind: type[errors.NodeError]) -> None:
    error = kind(
        "exit code 3", outputs={"stderr": "no"}, retryable=False, retry_after=2.5, type_name="ShellError"
    )
    again = pickle.loads(pickle.dumps(error))
    assert vars(again) == vars(error)
    assert (again.outputs, again.retryable, again.retry_after) == ({"stderr": "no"}, False, 2.5)
    assert again.type_name == "ShellError"


def test_the_outputs_of_an_error_are_its_own() -> None:
    given = {"stdout": "x"}
    error = errors.NodeError("no", outputs=given)
    given["stdout"] = "y"
    assert error.outputs == {"stdout": "x"}


def test_invalid_params_are_not_tried_again() -> None:
    assert not errors.InvalidParams("wrong").retryable
    assert errors.NodeError("wrong").retryable


def test_texts_say_what_where_and_how() -> None:
    problem = Problem("$.nodes[2].batch.executor", "there is no 'proces'", "did you mean 'process'?", 7, 3)
    assert str(problem) == (
        "$.nodes[2].batch.executor (line 7, column 3): there is no 'proces'; did you mean 'process'?"
    )
    assert str(Problem("$", "wrong", line=1, column=1)) == "the document (line 1, column 1): wrong"
    assert str(Problem("$", "wrong", source="sub.json")) == "sub.json: the document: wrong"
    assert str(errors.InvalidDocument((problem, problem), "f.json")).startswith("f.json: 2 problems\n  $")
    assert str(errors.InvalidDocument((problem,))).startswith("document: 1 problem\n")
    assert "pip install 'batchmill[dask]'" in str(errors.MissingExtra("dask", "the dask executor"))
    assert str(errors.UnknownNodeType("shel", ("shell",))).endswith("did you mean 'shell'?")
    assert str(errors.UnknownNodeType("x")).endswith("`batchmill nodes` lists all")
    assert str(errors.TemplateSyntaxError("unclosed", "a ${b", 2)) == "unclosed at character 3, near 'a ${b'"


def test_standard_classes_catch_what_they_should() -> None:
    assert issubclass(errors.InvalidSetting, ValueError)
    assert issubclass(errors.AttemptTimeout, TimeoutError)
    assert issubclass(errors.MissingExtra, ImportError)
