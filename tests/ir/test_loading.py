"""Documents from files and objects: what is read, what is refused, and where things stand."""

from __future__ import annotations

import json
import os
import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from batchmill.errors import InvalidDocument, StorageError
from batchmill.ir import loading
from batchmill.ir.faults import Fault
from batchmill.ir.loading import load
from batchmill.ir.positions import NOWHERE

DOCUMENT = {"nodes": [{"id": "a", "type": "echo"}]}


@pytest.fixture
def write(tmp_path):
    def write_file(content, name="flow.json"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write_file


def problems_of(source):
    with pytest.raises(InvalidDocument) as caught:
        load(source)
    return caught.value.problems


@pytest.mark.parametrize("name", ["flow.json", "flow.txt", "flow"])
def test_json_is_read(write, name):
    path = write(json.dumps(DOCUMENT), name)
    draft = load(path)
    assert draft.raw == DOCUMENT
    assert draft.source == str(path)
    assert draft.folder == path.parent
    assert load(str(path)).raw == DOCUMENT


def place_in(draft, path, *, key=False):
    (problem,) = draft.problems([Fault(path, "wrong", on_key=key)])
    return problem.line, problem.column


@pytest.mark.parametrize("name", ["flow.yaml", "flow.YML"])
def test_yaml_is_read(write, name):
    assert load(write("nodes:\n- {id: a, type: echo}\n", name)).raw == DOCUMENT


def test_a_byte_order_mark_is_passed_over(write):
    draft = load(write(b"\xef\xbb\xbf" + json.dumps(DOCUMENT).encode()))
    assert draft.raw == DOCUMENT
    assert place_in(draft, ("nodes",)) == (1, 11)


def test_a_dictionary_is_taken_as_a_copy():
    given_document = {"nodes": [{"id": "a", "type": "echo"}]}
    draft = load(given_document)
    given_document["nodes"].append("later")
    assert draft.raw == DOCUMENT
    assert place_in(draft, ("nodes", 0)) == NOWHERE


@pytest.mark.parametrize(
    ("content", "position", "words"),
    [
        ("", (0, 0), "empty"),
        (" \n\n", (0, 0), "empty"),
        ("{", (1, 2), "key in double quotes"),
        ('{"a": 1,}', (1, 9), "comma|key in double quotes"),
        ('{"a": 1\n "b": 2}', (2, 2), "comma"),
        ('{"a" 1}', (1, 6), "colon"),
        ('{"a": nil}', (1, 7), "value must come"),
        ('{"a": "x\t"}', (1, 9), "line break"),
        ('{"a": "x', (1, 7), "closing quote"),
        ("{} {}", (1, 4), "follows after the end"),
        ("{'a': 1}", (1, 2), "double quotes"),
    ],
)
def test_a_text_that_is_no_json_is_refused_with_its_place(write, content, position, words):
    (problem,) = problems_of(write(content))
    assert problem.path == "$"
    # The place of a trailing comma differs by one between Python versions.
    assert problem.line == position[0]
    assert abs(problem.column - position[1]) <= 2
    assert re.search(words, problem.message + problem.hint)


def test_a_text_that_is_no_yaml_is_refused_with_its_place(write):
    (problem,) = problems_of(write("nodes:\n  - id: a\n bad: [", "flow.yaml"))
    assert problem.line >= 3
    assert "not YAML" in problem.message


def test_bad_utf8_is_refused_with_its_place(write):
    (problem,) = problems_of(write('{"é":\n "é'.encode() + b"\xff" + b'"}'))
    assert (problem.line, problem.column) == (2, 4)
    assert "0xff" in problem.message


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32"])
def test_other_encodings_are_refused(write, encoding):
    text = ("\ufeff" if encoding == "utf-16-le" else "") + json.dumps(DOCUMENT)
    (problem,) = problems_of(write(text.encode(encoding)))
    assert problem.hint == "save it as UTF-8"


@pytest.mark.parametrize("name", ["flow.json", "flow.yaml"])
@pytest.mark.parametrize("pair", ["[]", "{}"])
def test_ten_thousand_levels_do_not_crash(write, name, pair):
    opening = "[" if pair == "[]" else '{"a":'
    text = '{"nodes": ' + opening * 10_000 + "1" + pair[1] * 10_000 + "}"
    (problem,) = problems_of(write(text, name))
    assert "nest" in problem.message
    assert len(problem.path) < 200


def test_a_little_too_deep_is_refused_with_its_place(write):
    text = '{"nodes":\n' + "[" * 222 + "]" * 222 + "}"
    (problem,) = problems_of(write(text))
    assert problem.line == 2
    assert problem.column == 200


def test_size_has_a_limit(write, monkeypatch):
    monkeypatch.setattr(loading, "MAX_JSON_BYTES", 2**20)
    (problem,) = problems_of(write(b" " * (2**20 + 1)))
    assert "larger than 1 MiB" in problem.message


def test_an_endless_file_is_not_read_to_its_end(monkeypatch):
    monkeypatch.setattr(loading, "MAX_JSON_BYTES", 2**20)
    (problem,) = problems_of("/dev/zero")
    assert "larger" in problem.message


def test_a_missing_file_and_a_folder_are_no_documents(tmp_path):
    assert "no such file" in problems_of(tmp_path / "none.json")[0].message
    assert "directory" in problems_of(tmp_path)[0].message.lower()
    assert problems_of("a\0b")[0].message


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every file")
def test_a_file_that_may_not_be_read_is_a_fault_of_the_environment(write):
    path = write("{}")
    path.chmod(0)
    with pytest.raises(StorageError, match="cannot be read"):
        load(path)


def test_an_error_of_reading_is_a_fault_of_the_environment(write, monkeypatch):
    def refuse(self, mode):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(loading.Path, "open", refuse)
    with pytest.raises(StorageError, match="Permission denied"):
        load("flow.json")


def places(draft):
    return [(problem.path, problem.line, problem.column) for problem in draft.problems([])]


def test_duplicate_keys_are_problems_and_the_rest_is_read(write):
    draft = load(write('{"a": 1,\n "b": {"c": 1, "c": 2},\n "a": 3}'))
    assert draft.raw == {"a": 3, "b": {"c": 2}}
    assert places(draft) == [("$.b.c", 2, 16), ("$.a", 3, 2)]
    assert places(load(write("a: 1\na: 2\n", "flow.yaml"))) == [("$.a", 2, 1)]


@pytest.mark.parametrize("word", ["NaN", "Infinity", "-Infinity", "1e999", "3.14159265358979323846"])
def test_numbers_that_json_does_not_have_are_problems(write, word):
    draft = load(write(f'{{"a":\n [1, {word}]}}'))
    assert places(draft) == [("$.a[1]", 2, 6)]


def test_a_number_without_end_is_a_problem(write):
    draft = load(write('{"a": ' + "9" * 5000 + "}"))
    ((_, line, column),) = places(draft)
    assert (line, column) == (1, 7)


def test_half_a_surrogate_pair_is_text_as_it_is_everywhere(write):
    assert load(write('{"a": "\\udce9"}')).raw == {"a": "\udce9"}
    assert load(write('{"a": "\\ud83d\\ude00"}')).raw == {"a": "😀"}


def test_what_is_no_json_in_an_object_is_a_problem():
    draft = load({"nodes": {1, 2}, "inputs": {"f": print}})
    assert [problem.path for problem in draft.problems([])] == ["$.nodes", "$.inputs.f"]


def test_an_object_within_itself_is_refused():
    loop = {}
    loop["a"] = loop
    assert "nested deeper" in problems_of(loop)[0].message


def test_an_alias_bomb_is_refused(write, monkeypatch):
    monkeypatch.setattr("batchmill.ir.screening.MAX_VALUES", 100_000)
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    assert "values" in problems_of(write("\n".join(lines), "flow.yaml"))[0].message


def test_a_place_that_is_not_in_the_text_is_that_of_what_is_around_it(write):
    draft = load(write('{"a":\n {"b": 1}}'))
    assert place_in(draft, ("a", "b")) == (2, 8)
    assert place_in(draft, ("a", "b"), key=True) == (2, 3)
    assert place_in(draft, ("a", "none", "deeper")) == (2, 2)
    assert place_in(draft, ("none",)) == (1, 1)


def test_problems_are_in_text_order_and_said_once(write):
    draft = load(write('{"a": NaN,\n "b": 1,\n "c": 2}'))
    faults = [Fault(("c",), "x"), Fault(("b",), "y"), Fault(("c",), "x"), Fault(("a",), "not a number")]
    found = draft.problems(faults)
    assert [(problem.path, problem.line) for problem in found] == [("$.a", 1), ("$.b", 2), ("$.c", 3)]
    assert "finite" in found[0].message


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=37)
@given(content=st.binary(max_size=60) | st.text(alphabet='{}[]",:\\u0d81nul1 -&*!#|\n').map(str.encode))
@pytest.mark.parametrize("name", ["flow.json", "flow.yaml"])
def test_any_bytes_give_a_draft_or_a_problem(write, name, content):
    path = write(content, name)
    try:
        found = load(path).problems([])
    except InvalidDocument as error:
        found = error.problems or [None]
    assert all(problem.message for problem in found)
