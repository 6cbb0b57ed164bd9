"""Templates are read in one pass, and nothing but TemplateSyntaxError ever comes of it."""

from __future__ import annotations

import copy
import pickle
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchmill.errors import TemplateSyntaxError
from batchmill.template import EVERY, Expression, Filter, Literal, Path, parse


def only(text: str) -> Expression:
    """The one expression that ``text`` is."""
    (part,) = parse(text).parts
    assert isinstance(part, Expression)
    return part


def path(text: str) -> Path:
    """The one path of the one expression that ``text`` is."""
    (found,) = only(text).alternatives
    assert isinstance(found, Path)
    return found


@pytest.mark.parametrize(
    ("text", "root", "segments"),
    [
        ("${a}", "a", ()),
        ("${ a }", "a", ()),
        ("${a.b.c}", "a", ("b", "c")),
        ("${a.b[0].c}", "a", ("b", 0, "c")),
        ("${a[-1]}", "a", (-1,)),
        ("${a.results[*].score}", "a", ("results", EVERY, "score")),
        ("${a[*][*]}", "a", (EVERY, EVERY)),
        ('${a["any key"].b}', "a", ("any key", "b")),
        ("${a['it\\'s'].b}", "a", ("it's", "b")),
        ('${a["}"]}', "a", ("}",)),
        ("${my-node.a_b-c}", "my-node", ("a_b-c",)),
        ("${a.0}", "a", ("0",)),
        ("${1st.x}", "1st", ("x",)),
        ("${__index__}", "__index__", ()),
        ("${größe.naïve}", "größe", ("naïve",)),
        ("${nullable}", "nullable", ()),
        ("${null.x}", "null", ("x",)),
    ],
)
def test_paths(text: str, root: str, segments: tuple[object, ...]) -> None:
    found = path(text)
    assert (found.root, found.segments) == (root, segments)


def test_a_path_knows_how_it_was_written() -> None:
    assert path('${ a["b c"][-1] }').text == 'a["b c"][-1]'


def test_a_path_as_an_index() -> None:
    found = path("${a[${ b.c[${i}] }].d}")
    assert [one.text for one in found.walk()] == ["a[${ b.c[${i}] }].d", "b.c[${i}]", "i"]
    inner = found.segments[0]
    assert isinstance(inner, Path)
    assert (inner.root, found.segments[1]) == ("b", "d")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('${"a b"}', "a b"),
        ("${-1.5e3}", -1500.0),
        ("${0}", 0),
        ("${true}", True),
        ("${false}", False),
        ("${null}", None),
        ('${[1, {"a": "}"}]}', [1, {"a": "}"}]),
        ("${{}}", {}),
        ('${"${x}"}', "${x}"),
    ],
)
def test_json_values(text: str, value: object) -> None:
    assert only(text).alternatives == (Literal(value),)


def test_alternatives_and_filters() -> None:
    found = only("${a.b ?? c ?? [0] | join:', ' | url}")
    assert [type(one) for one in found.alternatives] == [Path, Path, Literal]
    assert found.filters == (Filter("join", ", "), Filter("url"))
    assert found.optional
    assert not found.raw
    assert only("${a | raw}").raw
    assert only('${a|join:"\\n"}').filters == (Filter("join", "\n"),)
    assert only("${a | join:'\\n\\t'}").filters == (Filter("join", "\n\t"),)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", ()),
        ("plain", ("plain",)),
        ("$HOME $(date) $1 $ {", ("$HOME $(date) $1 $ {",)),
        ("$", ("$",)),
        ("$${x}", ("${x}",)),
        ("$$${x}", ("$${x}",)),
        ("a$${x}b$${y}", ("a${x}b${y}",)),
        ("{x}} $}", ("{x}} $}",)),
    ],
)
def test_text(text: str, parts: tuple[str, ...]) -> None:
    assert parse(text).parts == parts


def test_text_and_expressions_in_turn() -> None:
    template = parse("a ${b} c $${d} ${e}${f}")
    texts = [part if isinstance(part, str) else part.text for part in template.parts]
    assert texts == ["a ", "${b}", " c ${d} ", "${e}", "${f}"]
    assert [one.position for one in template.expressions] == [2, 15, 19]
    assert [one.text for one in template.references] == ["b", "e", "f"]


def test_references_of_every_kind() -> None:
    template = parse('${a[${i}].x ?? b ?? "c" | count}')
    assert [one.text for one in template.references] == ["a[${i}].x", "i", "b"]


@pytest.mark.parametrize(
    ("text", "position", "message"),
    [
        ("ab ${", 5, "a name or a JSON value is expected"),
        ("ab ${x", 3, "never closed"),
        ("${}", 2, "for the shell's own"),
        ("${a.}", 4, "a key is expected"),
        ("${a..b}", 4, "a key is expected"),
        ("${a[}", 4, "is expected between"),
        ("${a[b]}", 4, "is expected between"),
        ("${a[0}", 4, "is expected between"),
        ("${a[*}", 5, "a ] is missing"),
        ("${a[1.5]}", 4, "is expected between"),
        ("${a['x}", 4, "never closed"),
        ('${a["x}', 4, "Unterminated string"),
        ("${a[${b ?? c}]}", 8, r"\?\? and filters are not for indices"),
        ("${a b}", 4, "not expected in a template"),
        ("${HOME:-x}", 6, "for the shell's own"),
        ("${#a}", 2, "for the shell's own"),
        ("${a ??}", 6, "a name or a JSON value is expected"),
        ("${a ?? NaN0 x}", 12, "not expected"),
        ("${[NaN]}", 2, "NaN is not JSON"),
        ("${[1 2]}", 5, "JSON value cannot be read"),
        ("${01}", 3, "not expected"),
        ("${a |}", 5, "a filter is expected"),
        ("${a | cuont}", 6, "did you mean 'count'"),
        ("${a | exec}", 6, "there are json, parse"),
        ("${a | join}", 6, "needs a text after it"),
        ("${a | join:3}", 6, "needs a text after it"),
        ("${a | first:'x'}", 6, "takes nothing after it"),
        ("${-a}", 2, "a name or a JSON value"),
    ],
)
def test_faults_are_placed_and_explained(text: str, position: int, message: str) -> None:
    with pytest.raises(TemplateSyntaxError, match=message) as caught:
        parse(text)
    assert caught.value.position == position
    assert caught.value.text == text


@given(st.text())
def test_nothing_but_syntax_errors(text: str) -> None:
    try:
        parse(text)
    except TemplateSyntaxError as error:
        assert 0 <= error.position <= len(text)  # noqa: PT017  # most texts raise nothing


@given(st.text(alphabet="${}[]\"'.?|:*-0a b\\\n"))
def test_nothing_but_syntax_errors_from_what_looks_like_templates(text: str) -> None:
    try:
        template = parse(text)
    except TemplateSyntaxError as error:
        assert 0 <= error.position <= len(text)  # noqa: PT017  # see above
    else:
        written = [
            part.replace("${", "$${") if isinstance(part, str) else part.text for part in template.parts
        ]
        assert "".join(written) == text


@given(st.text())
def test_escaped_text_comes_back(text: str) -> None:
    escaped = text.replace("${", "$${")
    if "$${" in text:
        return  # it holds an escape already
    assert "".join(map(str, parse(escaped).parts)) == text


ADVERSARIES = [
    "${" * 20_000,
    "${[" + "[" * 20_000,
    '${{"a":' * 10_000,
    "${a" + "[${a" * 20_000,
    "${a" + "[0]" * 20_000,
    "${a" + ".b" * 20_000,
    "${a" + " " * 20_000,
    "${a" + " ?? a" * 20_000,
    "${a" + " | first" * 20_000,
    "${'" + "\\'" * 20_000,
    "${a['" + "\\" * 20_001,
    '${"' + '\\"' * 20_000,
    "${" + "1" * 20_000 + "x",
    "${" + "9" * 20_000,
    "${a[" + "9" * 20_000,
    "$" * 40_000,
    "$${" * 20_000,
    "${a}" * 20_000,
    "${a['b" + "]" * 20_000,
]


@pytest.mark.slow
@pytest.mark.parametrize("text", ADVERSARIES, ids=lambda text: text[:12])
def test_time_is_linear(text: str) -> None:
    """Counted in lines run and in characters matched, not in seconds: twice the text, twice the steps."""
    half, whole = _steps(text[: len(text) // 2]), _steps(text)
    assert whole <= 2.5 * half + 500


def _steps(text: str) -> int:
    steps = 0

    def count(frame: object, event: str, argument: object) -> object:
        nonlocal steps
        steps += 1
        return count

    before = sys.gettrace()
    sys.settrace(count)  # type: ignore[arg-type]  # the stubs ask for a protocol that a function meets
    try:
        parse(text)
    except TemplateSyntaxError:
        pass  # most of them are no templates
    finally:
        sys.settrace(before)
    return steps


def test_copies_are_the_template_itself() -> None:
    template = parse("a ${b[${c}] ?? {} | json}")
    assert copy.deepcopy(template) is template
    assert copy.copy(template) is template
    assert pickle.loads(pickle.dumps(template)) == template
    every = path("${a[*]}")
    assert pickle.loads(pickle.dumps(every)).segments[0] is EVERY


@pytest.mark.parametrize(
    ("written", "remedy"),
    [
        ("length", "did you mean 'count'?"),
        ("tojson", "did you mean 'json'?"),
        ("cuont", "did you mean 'count'?"),
        ("reverse", "a `code` node can do the rest"),
    ],
)
def test_a_filter_of_another_tool_gets_its_name_here(written: str, remedy: str) -> None:
    with pytest.raises(TemplateSyntaxError) as caught:
        parse(f"${{a | {written}}}")
    place, _, hint = str(caught.value).partition("; ")
    assert place == f"there is no filter '{written}' at character 7, near '${{a | {written}}}'"
    assert hint.endswith(remedy)
