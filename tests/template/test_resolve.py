"""What templates give: values with their types, text, defaults, and words for what is missing."""

from __future__ import annotations

import math
from typing import Any

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchmill.errors import TemplateError, UnresolvedReference
from batchmill.template import Scope, compile_value

VALUES: dict[str, Any] = {
    "v": {
        "t": True,
        "f": False,
        "z": 0,
        "n": None,
        "e": "",
        "l": [],
        "d": {"a": "é"},
        "fl": 1.5,
        "js": '{"k": [1, {"deep": "[10, 20]"}]}',
        "num": "42",
        "any key": 1,
        "0": "zero",
    },
    "rows": {"results": [{"score": 1, "tags": ["a"]}, None, {"score": None, "tags": ["b", "c"]}]},
    "names": ["ann", "bob", "cem"],
    "i": 1,
    "which": "d",
    "text": "2",
}


def resolve(template: Any, **options: Any) -> Any:
    return compile_value(template).resolve(Scope(VALUES, **options))


RESOLVED: list[tuple[Any, Any]] = [
    ("${v.t}", True),
    ("${v.n}", None),
    ("${v.l}", []),
    ("${v.fl}", 1.5),
    ("${v.num}", "42"),
    ("${v.js}", '{"k": [1, {"deep": "[10, 20]"}]}'),
    ("${v.js | parse}", {"k": [1, {"deep": "[10, 20]"}]}),
    (" ${v.js}", ' {"k": [1, {"deep": "[10, 20]"}]}'),
    ("${v.js.k[0]}", 1),
    ("${v.js.k[1].deep[-1]}", 20),
    ("${v.js.k | count}", 2),
    ("${v.js | count}", 32),
    ("${v.js | json}", '"{\\"k\\": [1, {\\"deep\\": \\"[10, 20]\\"}]}"'),
    ('${v["any key"]}', 1),
    ("${v[0]}", "zero"),
    ("${v.0}", "zero"),
    ("${names[0]}", "ann"),
    ("${names[-3]}", "ann"),
    ("${names[${i}]}", "bob"),
    ("${names[${text}]}", "cem"),
    ("${v[${which}].a}", "é"),
    ("${rows.results[*].tags}", [["a"], ["b", "c"]]),
    ("${rows.results[*].tags[0]}", ["a", "b"]),
    ("${rows.results[*].tags[*]}", [["a"], ["b", "c"]]),
    ("${rows.results[*].score}", [1, None]),
    ("${rows.results[*]}", [{"score": 1, "tags": ["a"]}, {"score": None, "tags": ["b", "c"]}]),
    ("${v.l[*].x}", []),
    ("[${v.t}|${v.f}|${v.z}|${v.n}|${v.e}|${v.l}|${v.d}|${v.fl}]", '[True|False|0|||[]|{"a": "é"}|1.5]'),
    ("$${v.t} $HOME", "${v.t} $HOME"),
    ('${v.missing ?? "dflt"}', "dflt"),
    ("${v.missing ?? 0}", 0),
    ("${v.missing ?? nothing ?? v.z}", 0),
    ("${v.n ?? 5}", None),
    ("${v.e ?? 5}", ""),
    ("${v.n.x ?? 5}", 5),
    ("${v.num.x ?? 5}", 5),
    ("${names[9] ?? 5}", 5),
    ("${rows.results[*].none ?? [7]}", [7]),
    ("${v.missing ?? [1, 2] | sum}", 3),
    ("a${v.missing ?? null}b", "ab"),
    ({"a": ["${i}", {"${i}": "${v.z}"}], "b": 3}, {"a": [1, {"1": 0}], "b": 3}),
]


def test_values() -> None:
    for template, value in RESOLVED:
        result = resolve(template)
        assert result == value, template
        assert type(result) is type(value), template


MISSING = [
    ("${nams}", "there is no 'nams'; did you mean 'names'"),
    ("${q}", "there is no 'q'; there is v, rows, names, i, which, ..."),
    ("${HOME}", r"if the shell's own variable is meant, write \$\${HOME}"),
    ("${v.fll}", "'v' has no key 'fll'; did you mean 'fl'"),
    ("${v.d.q}", "'v.d' has no key 'q'; there is a"),
    ("${names[3]}", "'names' has 3 elements, so none at 3"),
    ("${names.first}", r"'names' is a list and has no key 'first'; write \[0\] or \[\*\] first"),
    ("${i.x}", "'i' is a number, so it has no 'x'"),
    ("${v.n.x}", "'v.n' is null, so it has no 'x'"),
    ("${v.num.x}", "'v.num' is text that is not a JSON object or list"),
    ("${v.d[*]}", r"'v.d' is an object, and \[\*\] needs a list"),
    ("${rows.results[*].scor}", r"'rows.results\[0\]' has no key 'scor'; did you mean 'score'"),
    ("${names[${j}]}", r"its index \$\{j\} is missing: there is no 'j'"),
    ("${v.missing ?? other}", "'v' has no key 'missing'"),
    ("a ${v.l.append} b", "has no key 'append'"),
    ("${names[${v.t}]}", "'names' is a list and has no key True"),
]


def test_what_is_missing() -> None:
    for template, message in MISSING:
        with pytest.raises(UnresolvedReference, match=message) as caught:
            resolve(template)
        assert caught.value.reference in template


class Sly:
    """What templates must not get into."""

    hidden = "attribute"

    def __getitem__(self, key: object) -> str:
        return "item"


@pytest.mark.parametrize(
    "template", ["${o.hidden}", "${o.__class__}", "${o['x']}", "${o[0]}", "${s.upper}", "${l.append}"]
)
def test_attributes_and_other_objects_are_closed(template: str) -> None:
    with pytest.raises(UnresolvedReference):
        compile_value(template).resolve(Scope({"o": Sly(), "s": "text", "l": [1]}))


def test_a_value_is_not_scanned_again() -> None:
    scope = Scope({"a": "${b}", "b": "secret", "c": ["${b}"]})
    assert compile_value("${a}").resolve(scope) == "${b}"
    assert compile_value("x${a}${c}").resolve(scope) == 'x${b}["${b}"]'


@given(st.text())
def test_any_text_goes_through_text_unchanged(text: str) -> None:
    assert compile_value("<${a}>").resolve(Scope({"a": text})) == f"<{text}>"


def test_defaults_are_fresh() -> None:
    compiled = compile_value("${a ?? [[]]}")
    compiled.resolve(Scope({}))[0].append(1)
    assert compiled.resolve(Scope({})) == [[]]


def test_outputs_of_a_failed_node_are_passed_over_in_a_chain() -> None:
    scope = Scope({"a": {"stdout": "x", "stderr": "bad"}, "b": 1}, failed={"a": frozenset({"stderr"})})

    def value(template: str) -> Any:
        return compile_value(template).resolve(scope)

    assert value("${a.stdout ?? b}") == 1
    assert value("${a ?? b}") == 1
    assert value("${a.stderr ?? b}") == "bad"
    assert value("${a.stdout}") == "x"
    assert value("${a.stdout ?? a.stderr}") == "bad"
    with pytest.raises(UnresolvedReference, match="'a' failed"):
        value("${a.stdout ?? c}")
    assert compile_value("${a.x ?? b}").resolve(scope.child({"a": {"x": 5}})) == 5


def test_a_permissive_scope_keeps_what_does_not_resolve() -> None:
    scope = Scope(VALUES, permissive=True)
    compiled = compile_value({"a": "${gone | count}", "b": "x ${v.gone[0]} ${i}", "c": "${HOME}"})
    assert compiled.resolve(scope) == {"a": "${gone | count}", "b": "x ${v.gone[0]} 1", "c": "${HOME}"}
    assert scope.unresolved == ["${gone | count}", "${v.gone[0]}", "${HOME}"]


def test_text_that_grows_without_end_is_stopped() -> None:
    value: Any = "0123456789"
    scope_values = {"a": value}
    for _ in range(30):
        scope_values = {"a": [scope_values["a"]] * 10}
    for template in ("x${a}", "${a | json}", "${a | join:''}"):
        with pytest.raises(TemplateError, match="more than 67,108,864 characters"):
            compile_value(template).resolve(Scope(scope_values))
    big = "x" * (40 * 1024 * 1024)
    with pytest.raises(TemplateError, match="more than"):
        compile_value("${a}${a}").resolve(Scope({"a": big}))


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, numpy.float64("nan"), numpy.float32("inf")])
def test_a_number_that_json_has_not_is_null_inside_text_too(value: Any) -> None:
    scope = Scope({"a": value, "none": None})
    assert compile_value("x${a}").resolve(scope) == compile_value("x${none}").resolve(scope) == "x"
    assert compile_value("x${a|json}").resolve(scope) == "xnull"


def test_values_without_a_text() -> None:
    deep: Any = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(TemplateError, match="nested too deep"):
        compile_value("x${a}").resolve(Scope({"a": deep}))
    with pytest.raises(TemplateError, match="cannot be written as text"):
        compile_value("x${a}").resolve(Scope({"a": 10**5000}))
    with pytest.raises(TemplateError, match=r"value.0. is an object, which has no form"):
        compile_value("x${a}").resolve(Scope({"a": [object()]}))
    assert compile_value("${a}").resolve(Scope({"a": "[" * 100_000})) == "[" * 100_000
