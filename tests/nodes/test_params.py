"""Binding params: defaults, types, ranges, names."""

from __future__ import annotations

import pytest

from batchmill.errors import InvalidParams
from batchmill.nodes import Node, NodeResult, Param, bind, check_params
from batchmill.template.shell import ShellCommand


class Sample(Node):
    type = "sample"
    summary = "For tests."
    params = (
        Param("name", "string", "who", required=True),
        Param("size", "number", "how much", default=1.5, minimum=0),
        Param("count", "integer", "how many"),
        Param("mode", "string", "how", default="fast", choices=("fast", "slow")),
        Param("rows", "array|object", "which"),
        Param("flag", "boolean", "whether", default=False),
        Param("value", "any", "what"),
        Param("maybe", "string|null", "perhaps", default="x"),
        Param("command", "string|array", "run", templates="shell"),
    )

    def run(self, params, attempt):
        return NodeResult(dict(params))


class Open(Sample):
    open_params = True


def test_defaults_are_filled_in_and_given_values_kept():
    bound = bind(Sample, {"name": "ann", "size": 3})
    assert bound["size"] == 3
    assert bound["mode"] == "fast"
    assert bound["count"] is None
    assert bound["flag"] is False


def test_the_given_params_are_not_changed():
    given = {"name": "ann", "mode": None}
    assert bind(Sample, given)["mode"] == "fast"
    assert given == {"name": "ann", "mode": None}


@pytest.mark.parametrize(
    "params",
    [
        {"name": "", "size": 0},
        {"name": "a", "rows": []},
        {"name": "a", "rows": {}},
        {"name": "a", "rows": ()},
        {"name": "a", "value": object()},
        {"name": "a", "value": None},
        {"name": "a", "maybe": None},
        {"name": "a", "count": 10**30},
        {"name": "a", "command": ShellCommand(script="true")},
        {"name": "a", "mode": "slow", "flag": True},
    ],
)
def test_values_of_the_declared_type_pass(params):
    assert bind(Sample, params).items() >= {k: v for k, v in params.items() if v is not None}.items()


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({}, ["'name' is required", "who"]),
        ({"name": 5}, ["'name' must be text, not 5"]),
        ({"name": None}, ["'name' must be text, not None"]),
        ({"name": "a", "size": "3"}, ["'size' must be a number, not '3'"]),
        ({"name": "a", "size": -0.1}, ["'size' must be 0 or more, not -0.1"]),
        ({"name": "a", "size": float("nan")}, ["'size' must be 0 or more, not nan"]),
        ({"name": "a", "size": True}, ["'size' must be a number, not True"]),
        ({"name": "a", "count": True}, ["'count' must be a whole number"]),
        ({"name": "a", "count": 1.0}, ["'count' must be a whole number, not 1.0"]),
        ({"name": "a", "flag": 1}, ["'flag' must be true or false, not 1"]),
        ({"name": "a", "mode": "fats"}, ["one of fast, slow", "did you mean 'fast'?"]),
        ({"name": "a", "rows": "x"}, ["'rows' must be a list or an object, not 'x'"]),
        ({"name": "a", "command": 5.5}, ["'command' must be text or a list"]),
        ({"name": "a", "rows": ShellCommand(script="true")}, ["'rows' must be a list or an object"]),
        ({"nm": "a"}, ["no param 'nm'; did you mean 'name'?"]),
        ({"name": "a", "sise": 1}, ["no param 'sise'; did you mean 'size'?"]),
        ({"name": "a", "zzz": 1}, ["no param 'zzz'; there are name, size"]),
        ({"name": 5, "size": "x"}, ["'name' must be text", "'size' must be a number"]),
    ],
)
def test_faults_name_the_param_what_was_expected_and_what_was_given(params, words):
    with pytest.raises(InvalidParams) as caught:
        bind(Sample, params)
    assert str(caught.value).startswith("sample: ")
    assert not caught.value.retryable
    for word in words:
        assert word in str(caught.value)


def test_long_values_are_shortened():
    with pytest.raises(InvalidParams) as caught:
        bind(Sample, {"name": "a", "count": "x" * 1000})
    assert len(str(caught.value)) < 200


def test_open_params_take_any_name_and_check_the_declared_ones():
    assert bind(Open, {"name": "a", "extra": {1}})["extra"] == {1}
    with pytest.raises(InvalidParams):
        bind(Open, {"name": 1, "extra": 2})


def test_subclasses_of_json_types_pass():
    class Text(str):
        pass

    assert bind(Sample, {"name": Text("a")})["name"] == "a"


def test_values_not_known_yet_are_passed_over_and_all_faults_come_in_order():
    faults = check_params(
        Sample, {"size": "${x}", "count": "x", "other": 1}, lambda value: "${" in str(value)
    )
    assert [name for name, _ in faults] == ["count", "other", "name"]
