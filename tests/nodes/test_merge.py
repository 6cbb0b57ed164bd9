"""The merge node."""

from __future__ import annotations

import pytest

from batchmill.errors import InvalidParams


@pytest.mark.parametrize(
    ("mode", "inputs", "result", "count"),
    [
        ("array", [1, None, [2]], [1, [2]], 2),
        ("array", {"a": 1, "b": None, "c": 3}, [1, 3], 2),
        ("array", [], [], 0),
        ("dict", [{"a": 1, "b": 1}, None, {"c": 2, "b": 1}], {"a": 1, "b": 1, "c": 2}, 2),
        ("dict", {"a": 1, "b": None}, {"a": 1}, 1),
        ("concat", [[1], [2, 3]], [1, 2, 3], 2),
        ("concat", ["a", None, 5], "a5", 2),
        ("concat", [], "", 0),
        ("first", [None, False, 1], False, 2),
        ("first", {"big": None, "small": "s"}, "s", 1),
        ("first", [None], None, 0),
    ],
)
def test_modes(run, mode, inputs, result, count):
    assert run("merge", mode=mode, inputs=inputs).outputs == {"result": result, "count": count}


def test_text_is_joined_by_the_separator(run):
    assert (
        run("merge", mode="concat", inputs=["a", {"b": 1}], separator=", ").outputs["result"] == 'a, {"b": 1}'
    )


def test_custom_code_sees_the_inputs_and_may_choose_the_action(run):
    code = "result = sum(inputs)\nif result > 2: next = 'big'"
    result = run("merge", mode="custom", inputs=[1, None, 2], code=code)
    assert result.outputs == {"result": 3, "count": 2}
    assert result.action == "big"


def test_a_list_of_other_things_is_no_dict(run):
    with pytest.raises(InvalidParams, match=r"value 1 is a int; give `inputs` as an object"):
        run("merge", mode="dict", inputs=[{"a": 1}, 2])


def conflicting(run, on_conflict, *objects):
    return run("merge", mode="dict", inputs=list(objects), on_conflict=on_conflict).outputs["result"]


@pytest.mark.parametrize(
    ("on_conflict", "result"),
    [
        ("first", {"a": 1, "b": 1, "c": 3}),
        ("last", {"a": 1, "b": 2, "c": 3}),
        ("deep", {"a": 1, "b": 2, "c": 3}),
    ],
)
def test_conflicts_are_settled_as_asked(run, on_conflict, result):
    objects = {"a": 1, "b": 1}, {"b": 2, "c": 3}
    assert conflicting(run, on_conflict, *objects) == result
    assert objects == ({"a": 1, "b": 1}, {"b": 2, "c": 3})


def test_a_conflict_is_an_error_that_names_both_values(run):
    with pytest.raises(
        InvalidParams, match=r"values 0 and 2 have different values under 'b', 1 and True; set"
    ):
        run("merge", mode="dict", inputs=[{"b": 1}, {"b": 1}, {"b": True}])


def test_deep_merges_objects_and_puts_lists_together(run):
    one = {"x": {"a": [1], "b": {"c": 1}, "same": [0]}, "kind": [1]}
    other = {"x": {"a": [2, 3], "b": {"d": 2}, "same": [0]}, "kind": "text"}
    assert conflicting(run, "deep", one, other) == {
        "x": {"a": [1, 2, 3], "b": {"c": 1, "d": 2}, "same": [0, 0]},
        "kind": "text",
    }
    assert one["x"] == {"a": [1], "b": {"c": 1}, "same": [0]}


def test_on_conflict_is_for_listed_objects(check):
    fault = ("on_conflict", "named values cannot conflict; list them to merge what is in them")
    assert check("merge", mode="dict", inputs={"a": "${a}"}, on_conflict="last") == [fault]
    assert check("merge", mode="dict", inputs=["${a}"], on_conflict="last") == []


def test_a_function_may_merge(run):
    outputs = run("merge", mode="custom", inputs=[3, None, 1], function="builtins:sorted").outputs
    assert outputs == {"result": [1, 3], "count": 2}
    assert run("merge", mode="custom", inputs={"a": 1}, function="builtins:len").outputs["result"] == 1
    with pytest.raises(InvalidParams, match="merge: there is no 'nothing' in 'builtins'"):
        run("merge", mode="custom", inputs=[], function="builtins:nothing")


def test_custom_needs_a_function_or_code(run, check):
    for params in ({}, {"code": "result = 1", "function": "builtins:len"}):
        with pytest.raises(InvalidParams, match="custom needs either `function` or `code`"):
            run("merge", mode="custom", inputs=[], **params)
        fault = ("mode", "mode custom needs either `function` or `code`")
        assert check("merge", mode="custom", inputs=[], **params) == [fault]
    assert check("merge", mode="custom", code="1 +", inputs=[])[0][0] == "code"
    assert check("merge", mode="custom", function="builtins.len", inputs=[])[0][0] == "function"
    assert check("merge", inputs=[]) == []
    with pytest.raises(InvalidParams, match="did you mean 'concat'"):
        run("merge", mode="concatt", inputs=[])


@pytest.mark.parametrize(
    "code",
    [
        "async def f(): return sum(inputs)\nresult = f()",
        "result = sum(inputs)",
        "def g(): yield sum(inputs)\nresult, = g()",
    ],
)
def test_custom_code_may_await_or_yield(run, code):
    assert run("merge", mode="custom", inputs=[1, 2], code=code).outputs["result"] == 3
