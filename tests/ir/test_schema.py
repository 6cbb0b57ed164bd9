"""The models and the schema made from them say the same, with jsonschema as the second witness."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import jsonschema
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from batchmill.ir.models import read_workflow
from batchmill.ir.schema import json_schema

SCHEMA = json_schema()
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)

FULL = {
    "ir_version": "0.1.3",
    "start_node": "a",
    "defaults": {"timeout": 5, "batch": {"as": "x"}, "shell": {"retry": {"max": 2}, "params": {"cwd": "/"}}},
    "template_resolution_mode": "permissive",
    "prices": {"m": {"input": 1, "output": 2.5, "cached": 0.5}},
    "mcp_servers": {"s": {"type": "stdio", "command": "x", "args": ["y"], "env": {"A": "b"}, "cwd": "z"}},
    "nodes": [
        {
            "id": "a",
            "type": "shell",
            "purpose": "try everything",
            "params": {"command": ["x", "${n}"], "stdin": None},
            "batch": {
                "items": {"range": [0, "${n}", 2]},
                "as": "row",
                "parallel": True,
                "executor": "process",
                "max_concurrent": 2,
                "chunk_size": 5,
                "max_retries": 3,
                "retry_wait": 0.5,
                "retry_backoff": 2,
                "retry_max_wait": 10,
                "retry_jitter": False,
                "timeout": 3.5,
                "error_handling": "continue",
                "tolerate": {"count": 1, "percent": 2.5},
                "rate_limit": {"per_second": 1, "burst": 2, "tokens_per_minute": 9, "key": "k"},
                "stream": False,
                "collect": {"jsonl": "out.jsonl"},
                "memory_limit": 2**30,
            },
            "retry": {"max": 4, "wait": 0, "backoff": 1, "max_wait": 5, "jitter": True},
            "timeout": 10,
            "files": ["a.txt", "${n}"],
            "cache": True,
        },
        {"id": "b", "type": "code", "loop": {"until": "${b.x}", "carry": {"n": 1}, "max_iterations": 5}},
        {
            "id": "c",
            "type": "echo",
            "batch": {"items": {"glob": "*"}, "chunk_size": "auto", "collect": "none"},
        },
    ],
    "finally": [{"id": "z", "type": "echo", "retry": {"max": 2}, "batch": {"items": ["${n}"]}}],
    "edges": [{"from": "a", "to": "b", "action": "x", "parallel_group": "g"}],
    "inputs": {
        "n": {"type": "int", "required": False, "default": 3, "schema": {"minimum": 1}, "secret": True}
    },
    "outputs": {"o": {"source": "${a.x}", "description": "d", "type": "string"}},
}


STEP = {"id": "b", "type": "echo", "next": {"x": "c", "y": None}}
PIPED = {
    "pipeline": [
        {
            "id": "a",
            "type": "echo",
            "params": {"message": "x"},
            "batch": {"items": {"range": [1]}},
            "next": {"x": "d"},
        },
        {
            "parallel": [STEP, [{"id": "c", "type": "echo"}, {"parallel": [STEP, [STEP]]}]],
            "on_error": "continue",
        },
    ],
}


def agree(document):
    """Both refuse the document or both take it; says which."""
    workflow, faults = read_workflow(document)
    errors = list(VALIDATOR.iter_errors(document))
    told = f"models: {faults}\nschema: {[error.message for error in errors]}"
    assert (workflow is not None) == (not errors), told
    return workflow is not None


def paths(value, path=()):
    yield path
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, member in pairs:
        yield from paths(member, (*path, key))


def places():
    """Every place in both forms of a document."""
    return [(document, path) for document in (FULL, PIPED) for path in paths(document)]


def put(document, path, value):
    if not path:
        return value
    document = copy.deepcopy(document)
    place = document
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return document


def test_it_is_a_schema_of_the_stated_draft():
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert SCHEMA["$id"] == "urn:batchmill:workflow:0.1.0"
    assert SCHEMA["title"] == "batchmill workflow"
    VALIDATOR.check_schema(SCHEMA)
    assert json.loads(json.dumps(SCHEMA)) == SCHEMA


def test_every_key_is_described():
    models = {"Workflow": SCHEMA, **SCHEMA["$defs"]}
    assert len(models) > 10
    for name, model in models.items():
        if name != "Defaults":  # whose further keys are node types
            assert model["additionalProperties"] is False, name
        for key, field in model["properties"].items():
            assert field.get("description"), f"{name}.{key}"


def test_ranges_words_and_defaults_are_in_it():
    batch = SCHEMA["$defs"]["BatchSpec"]["properties"]
    assert batch["max_retries"]["default"] == 1
    assert {"minimum": 1, "maximum": 10, "type": "integer"} in batch["max_retries"]["anyOf"]
    words = {"enum": ["fail_fast", "continue", "fail_safe"], "type": "string"}
    assert words in batch["error_handling"]["anyOf"]
    assert {"minimum": 1, "maximum": 1000, "type": "integer"} in batch["max_concurrent"]["anyOf"]
    assert batch["as"]["default"] == "item"
    assert SCHEMA["$defs"]["Edge"]["required"] == ["from", "to"]


def test_a_call_gives_a_dictionary_of_ones_own():
    json_schema()["title"] = "changed"
    assert json_schema()["title"] == "batchmill workflow"


def test_both_take_the_sample_documents():
    samples = sorted((Path(__file__).parents[1] / "corpus").glob("*.json"))
    assert samples
    for sample in samples:
        assert agree(json.loads(sample.read_text())["document"]), sample.name
    assert agree(FULL)
    assert agree(PIPED)


def test_both_refuse_a_document_in_two_forms_or_in_none():
    assert not agree({**FULL, "pipeline": PIPED["pipeline"]})
    assert not agree({"edges": [], **PIPED})
    assert not agree({"outputs": {}})


ODD = [
    None,
    True,
    False,
    0,
    1,
    -1,
    1.0,
    1.5,
    10**9,
    10**400,
    1e300,
    "",
    " ",
    "a",
    "10",
    "auto",
    "${x}",
    "a b",
]
ODD += [
    [],
    [1],
    {},
    {"a": 1},
    {"glob": "*"},
    {"glob": "*", "csv": "x"},
    {"jsonl": "x"},
    "none",
    "512MB",
    "0.1.0",
]


@pytest.mark.slow
@pytest.mark.parametrize(("document", "path"), places(), ids=str)
def test_both_judge_each_value_put_in_each_place_alike(document, path):
    taken = {agree(put(document, path, value)) for value in ODD}
    assert (
        False in taken
        or "params" in path
        or path[-2:] == ("n", "default")
        or "schema" in path
        or "carry" in path
        or path[-2:-1] == ("items",)  # any value may be an item
    )


@pytest.mark.parametrize(("document", "path"), [place for place in places() if place[1]], ids=str)
def test_both_judge_each_key_left_out_alike(document, path):
    document = copy.deepcopy(document)
    place = document
    for step in path[:-1]:
        place = place[step]
    del place[path[-1]]
    agree(document)


def value_at(document, path):
    for step in path:
        document = document[step]
    return document


@pytest.mark.parametrize(
    ("document", "path"),
    [(raw, path) for raw, path in places() if isinstance(value_at(raw, path), dict)],
    ids=str,
)
def test_both_judge_a_key_added_to_each_object_alike(document, path):
    document = copy.deepcopy(document)
    value_at(document, path)["unheard_of"] = 1
    is_open = path and path[-1] in ("params", "carry", "schema")
    assert agree(document) == bool(is_open)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
    | st.sampled_from(["items", "${a}", "thread", "glob", "default"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["id", "type", "items", "glob", "range", "count", "x"]), inner, max_size=3
        )
    ),
    max_leaves=6,
)


# The one known difference: Python's regular expressions, in which jsonschema reads a pattern, let a
# line break follow the end of a name; the schema itself, read as ECMAScript, does not.
def ends_in_line_break(value):
    return isinstance(value, str) and value.endswith("\n")


def changed(document):
    values = JSON.filter(lambda value: not ends_in_line_break(value))
    changes = st.lists(st.tuples(st.sampled_from(list(paths(document))), values), max_size=3)
    return st.tuples(st.just(document), changes)


@pytest.mark.slow
@settings(max_examples=50)
@given(st.sampled_from([FULL, PIPED]).flatmap(changed))
@example((FULL, [(("nodes", 0, "batch", "items"), {"range": [1.0, 2]})]))
def test_both_judge_mutated_documents_alike(case):
    document, changes = case
    for path, value in changes:
        try:
            document = put(document, path, value)
        except (KeyError, IndexError, TypeError):
            continue  # an earlier change took this place away
    agree(document)


@pytest.mark.parametrize(
    ("items", "good"),
    [
        ({"csv": ["a", "*.csv"]}, True),
        ({"csv": []}, False),
        ({"lines": ["a", 1]}, False),
        ({"jsonl": [" "]}, False),
        ({"parquet": "a", "columns": ["n"]}, True),
        ({"parquet": "a", "delimiter": ";"}, False),
        ({"sqlite": "a", "query": "SELECT ?", "parameters": [1]}, True),
        ({"sqlite": "a", "query": "SELECT :n", "parameters": {"n": None}}, True),
        ({"sqlite": "a"}, False),
        ({"sqlite": "a", "query": "SELECT ${n}"}, False),
        ({"sqlite": ["a"], "query": "SELECT 1"}, False),
        ({"sqlite": "a", "query": "SELECT 1", "parameters": 1}, False),
        ({"product": {"a": [1], "b": {"csv": "x"}, "c": "${n}"}, "exclude": [{"a": 1}]}, True),
        ({"product": {}}, False),
        ({"product": {"a": "text"}}, False),
        ({"product": {"a": {"product": {"b": [1]}}}}, False),
        ({"product": {"a": [1]}, "exclude": [1]}, False),
        ({"zip": {"a": {"range": [3]}, "b": {"python": "m:f"}}}, True),
        ({"zip": {"a": {"stdin": "lines"}}}, False),
        ({"python": "m:f", "args": [1], "inputs": {"n": 1}}, True),
        ({"python": "m:f", "args": {}}, False),
    ],
)
def test_both_judge_sources_alike(items, good):
    assert agree({"nodes": [{"id": "a", "type": "echo", "batch": {"items": items}}]}) is good
