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
        ("dict", [{"a": 1, "b": 1}, None, {"b": 2}], {"a": 1, "b": 2}, 2),
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


def test_custom_needs_code(run, check):
    with pytest.raises(InvalidParams, match="custom needs `code`"):
        run("merge", mode="custom", inputs=[])
    assert check("merge", mode="custom", inputs=[]) == [("code", "mode custom needs `code`")]
    assert check("merge", mode="custom", code="1 +", inputs=[])[0][0] == "code"
    assert check("merge", inputs=[]) == []
    with pytest.raises(InvalidParams, match="did you mean 'concat'"):
        run("merge", mode="concatt", inputs=[])
