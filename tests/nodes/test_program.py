"""Python text compiled and run."""

from __future__ import annotations

import linecache
import threading
import traceback

import pytest

from batchmill.errors import InvalidParams, NodeError
from batchmill.nodes import program
from batchmill.nodes.program import Program, check_code


def ran(text, **names):
    return Program.of(text).run(names)


def test_names_go_in_and_the_result_comes_out():
    done = ran("result = a + b", a=1, b=2)
    assert (done.result, done.action) == (3, "default")


def test_without_a_result_it_is_none():
    assert ran("x = 1").result is None


def test_next_names_the_action_and_the_builtin_stays():
    assert ran("result = next(iter([5]))\nif result > 4:\n    next: str = 'big'").action == "big"
    assert ran("result = next(iter([5]))").action == "default"


@pytest.mark.parametrize("value", ["''", "5", "None", "print"])
def test_next_must_be_text(value):
    with pytest.raises(NodeError, match="`next` names the action to follow"):
        ran(f"next = {value}")


def test_functions_and_classes_see_the_names_around_them():
    text = """
import dataclasses
factor = n
def times(x): return [x * factor for _ in range(2)]
@dataclasses.dataclass
class Point:
    x: int
    y: Any = None
    def far(self): return times(self.x)
result = Point(4).far()
"""
    assert ran(text, n=10).result == [40, 40]


def test_every_run_has_a_fresh_namespace():
    text = "result = 'seen' in globals()\nseen = 1"
    assert [ran(text).result for _ in range(3)] == [False, False, False]


def test_annotations_are_never_evaluated():
    text = (
        "rows: list[Unknown.Thing]\nx: 1/0 = 3\ndef f(a: Missing) -> Missing: return a\nresult: Nope = f(x)"
    )
    assert ran(text, rows=[1]).result == 3


def test_any_is_there_without_an_import():
    assert ran("result: Any = Any is typing.Any and Optional is typing.Optional").result is True


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        ("int", 5, "5"),
        ("int", 0, True),
        ("int", 5, 5.0),
        ("float", 5, True),
        ("float", 5.5, "5.5"),
        ("str", "", 5),
        ("bool", True, 1),
        ("list", [1], (1,)),
        ("list[dict[str, Any]]", [1], {}),
        ("dict", {}, []),
        ("'dict[str, int]'", {}, None),
        ("tuple", (), []),
        ("set", set(), []),
        ("frozenset", frozenset(), set()),
        ("bytes", b"", ""),
    ],
)
def test_plain_types_are_checked_going_in_and_coming_out(kind, good, bad):
    text = f"value: {kind}\nresult: {kind} = value"
    assert ran(text, value=good).result == good
    with pytest.raises(InvalidParams, match="input 'value' is declared") as caught:
        ran(text, value=bad)
    assert type(bad).__name__ in str(caught.value)
    with pytest.raises(NodeError, match="`result` is declared"):
        ran(f"result: {kind} = given", given=bad)


@pytest.mark.parametrize(
    "kind", ["Any", "Optional[int]", "int | None", "list[int] | str", "Row", "np.ndarray"]
)
def test_other_annotations_say_nothing(kind):
    assert ran(f"value: {kind}\nresult: {kind} = value", value="x").result == "x"


def test_a_declared_name_need_not_be_given_and_a_given_one_need_not_be_declared():
    assert ran("n: int\nresult = extra", extra=1).result == 1


def test_a_declaration_with_a_value_or_inside_a_function_is_no_input():
    assert ran("x: int = len(x)\ndef f():\n    y: int\nresult = x, y", x="abc", y="s").result == (3, "s")


def test_results_declared_in_branches_may_differ():
    text = (
        "if n:\n    result: int = 1\nelse:\n    try:\n        result: str = 'a'\n    finally:\n        pass"
    )
    assert [ran(text, n=n).result for n in (0, 1)] == ["a", 1]
    with pytest.raises(NodeError, match="declared int or str, not float"):
        ran(text + "\nresult = 1.5", n=1)


def test_a_declared_result_that_is_not_set_is_an_error():
    with pytest.raises(NodeError, match="did not set it") as caught:
        ran("print('so far')\nresult: int")
    assert caught.value.outputs["stdout"] == "so far\n"


def test_what_the_code_raises_comes_out_as_it_is_with_its_line():
    with pytest.raises(ZeroDivisionError) as caught:
        ran("def deep(x):\n    return x / 0  # the culprit\n\ndeep(1)")
    text = "".join(traceback.format_exception(caught.value))
    assert "return x / 0  # the culprit" in text
    assert "line 2, in deep" in text


@pytest.mark.parametrize("given", ["", "0", "3", "'why'"])
def test_sys_exit_ends_the_code_and_no_more(given):
    with pytest.raises(NodeError, match=r"called sys\.exit\(") as caught:
        ran(f"import sys\nprint('p')\nsys.exit({given})")
    assert caught.value.type_name == "SystemExit"
    assert caught.value.outputs["stdout"] == "p\n"


def test_an_input_cannot_take_the_place_of_next():
    with pytest.raises(InvalidParams, match="'next'"):
        ran("result = 1", next="big")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x = 1\ny = (", "line 2: '(' was never closed: y = ("),
        ("if 1:\nx = 1", "line 2"),
        ("return 5", "outside function"),
        ("x = '\0'", "null bytes"),
    ],
)
def test_what_is_no_python_is_refused_with_line_and_message(text, words):
    with pytest.raises(InvalidParams) as caught:
        ran(text)
    assert words in str(caught.value)
    assert not caught.value.retryable
    assert words in check_code(text)[0][1]


@pytest.mark.parametrize("text", ["(" * 5000, "-" * 200_000 + "1", "x = " + "[" * 100_000])
def test_nesting_beyond_all_bounds_is_refused(text):
    assert check_code(text)[0][0] == "code"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("x = 1\ny = ${item.name}", 2),
        ("x = '${item}'", 1),
        ("def f():\n  return ['a', 'b ${x.y[0]} c']", 2),
        ("name = '''\n${item}\n'''", 1),
    ],
)
def test_templates_in_code_are_pointed_out(text, line):
    param, message = check_code(text)[0]
    assert param == "code"
    assert message.startswith(
        f"line {line}: templates are not expanded in code: declare the value under `inputs`"
    )


@pytest.mark.parametrize(
    "text", ["x = f'${price:.2f}'", "'''Costs ${x}.'''", "# ${item}\nx = '$' + '{x}'", "x='$5'"]
)
def test_dollars_that_are_no_templates_are_left_alone(text):
    assert check_code(text) == []


def test_a_text_is_compiled_once_however_many_ask_at_once(monkeypatch):
    made = []
    original = Program.__init__

    def counted(self, text):
        made.append(text)
        original(self, text)

    monkeypatch.setattr(Program, "__init__", counted)
    text = "result = 'compiled once'"
    barrier = threading.Barrier(16)

    def work():
        barrier.wait()
        Program.of(text)

    threads = [threading.Thread(target=work) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert made == [text]


def test_the_oldest_program_is_forgotten_with_its_lines():
    programs = program._Programs(2)
    first, second = programs.get("result = 1"), programs.get("result = 2")
    programs.get("result = 3")
    assert first.filename not in linecache.cache
    assert second.filename in linecache.cache
    assert programs.get("result = 2") is second
    assert programs.get("result = 1") is not first


def test_a_known_program_needs_no_lock():
    programs = program._Programs(2)
    known = programs.get("result = 1")
    with programs._lock:
        assert programs.get("result = 1") is known
