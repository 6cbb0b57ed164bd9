"""Comparisons in templates, and what joins them."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchmill.errors import ConditionError, TemplateError, TemplateSyntaxError, UnresolvedReference
from batchmill.template import Scope, compile_value, parse

VALUES: dict[str, Any] = {
    "n": 3,
    "f": 3.0,
    "t": "text",
    "nine": "9",
    "e": "",
    "l": [1, 2, "x"],
    "o": {"a": 1, "b": None},
    "yes": True,
    "no": False,
    "null_": None,
    "not": "a name",
    "in": {"and": 1},
}


def value(text: str, **scope: Any) -> Any:
    return compile_value(f"${{{text}}}").resolve(Scope({**VALUES, **scope}))


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("n == 3", True),
        ("n == f", True),
        ("n != 3", False),
        ("n < 4 and n >= 3", True),
        ("n <= 2 or n > 2.5", True),
        ('t == "text"', True),
        ("t == 'text'", True),
        ("t < 'u'", True),
        ("yes == true", True),
        ("yes == 1", False),
        ("null_ == null", True),
        ("e == null", False),
        ('o == {"b": null, "a": 1.0}', True),
        ('l == [1, 2, "x"]', True),
        ('l == [true, 2, "x"]', False),
        ("2 in l", True),
        ("true in l", False),
        ("'x' not in l", False),
        ("'a' in o", True),
        ("3 in o", False),
        ("'ex' in t", True),
        ("not n", False),
        ("not e", True),
        ("not not e", False),
        ("not n == 4", True),
        ("not(n == 4) and yes", True),
        ("n == 4 or n == 3 and no", False),
        ("(n == 4 or n == 3) and yes", True),
        ("yes and n", True),
        ("no or e", False),
        ("missing ?? 3 == n", True),
        ("n == missing ?? 3", True),
        ("l | count == 3", True),
        ("nine | number > 8", True),
        ("no and missing", False),
        ("yes or missing.a.b == 3", True),
        ("missing | default:0 == 0", True),
        ("not", "a name"),
        ("not == 'a name'", True),
        ("not | count > 3", True),
        ("in.and == 1", True),
        ("n==3 and yes", True),
        ("(n)", 3),
        ("(missing ?? 'x')", "x"),
    ],
)
def test_what_conditions_come_to(text: str, wanted: Any) -> None:
    found = value(text)
    assert found == wanted
    assert type(found) is type(wanted)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("nine == 9", "compares the text '9' with the number 9; write | number"),
        ("9.0 != nine", "compares the text '9' with the number 9"),
        ("t < 3", "cannot compare text with a number by <; write | number"),
        ("yes < no", "cannot put a boolean in order"),
        ("null_ >= null", "cannot put null in order"),
        ("nine < '10'", "have another order as numbers"),
        ("3 in t", "cannot look for a number in text"),
        ("3 in n", "`in` needs a list, an object or text behind it, not a number"),
        ("n == 3 and missing", "there is no 'missing'"),
        ("n = 3", "'=' is written '==' here"),
        ("n == 3 && yes", "'&&' is written 'and' here"),
        ("n == 3 || yes", r"'\|\|' is written 'or' here"),
        ("!n", "a name or a JSON value is expected"),
        ("(n == 3", r"a \) is missing"),
        ("n == 3)", "this is not expected"),
        ("n ==", "a name or a JSON value is expected"),
        ("1 < n < 5", "this is not expected"),
        ("n | default", "needs a value after it"),
        ("(" * 40 + "n" + ")" * 40, "nested more than 16 deep"),
        ("not " * 40 + "n", "nested more than 16 deep"),
    ],
)
def test_what_is_wrong_is_told(text: str, words: str) -> None:
    with pytest.raises(TemplateError, match=words):
        value(text)


def test_in_text_a_condition_is_a_boolean_as_text() -> None:
    assert compile_value("is it? ${n == 3}").resolve(Scope(VALUES)) == "is it? True"


def test_a_permissive_scope_leaves_a_condition_that_does_not_resolve() -> None:
    scope = Scope(VALUES, permissive=True)
    assert compile_value("${missing == 3 and n}").resolve(scope) == "${missing == 3 and n}"
    assert scope.unresolved == ["${missing == 3 and n}"]


def test_every_path_of_a_condition_is_a_reference() -> None:
    expression = parse("${not a.b == c[0] and (d ?? e | count) in f[${g.h}]}").expressions[0]
    assert [path.text for path in expression.references] == ["a.b", "c[0]", "d", "e", "f[${g.h}]", "g.h"]
    assert not expression.optional
    assert parse("${a ?? 1 == b | default:0}").expressions[0].optional


@pytest.mark.slow
def test_what_is_long_is_read_in_linear_time() -> None:
    began = time.process_time()
    assert value(" or ".join(["n == 4"] * 20_000)) is False
    assert value("n " + "and n == 3 " * 20_000) is True
    with pytest.raises(TemplateSyntaxError):
        parse("${" + "a == " * 20_000)
    assert time.process_time() - began < 20  # quadratic takes minutes


@given(
    st.recursive(
        st.sampled_from(["n", "e", "n == 3", "t == 'x'", "2 in l"]),
        lambda one: st.one_of(
            st.builds("not ({})".format, one),
            st.builds("({}) and ({})".format, one, one),
            st.builds("({}) or ({})".format, one, one),
        ),
        max_leaves=5,
    )
)
def test_conditions_agree_with_those_of_python(text: str) -> None:
    wanted = eval(text, {}, dict(VALUES))  # noqa: S307  # made above
    assert bool(value(text)) is bool(wanted)


def test_an_error_of_a_comparison_is_not_tried_again() -> None:
    assert not ConditionError("x").retryable
    with pytest.raises(UnresolvedReference):
        value("missing < 3")
