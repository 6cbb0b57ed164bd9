"""Bad documents: each fault with its path and place, all at once, and nothing but InvalidDocument raised."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batchmill.attempt import Attempt
from batchmill.errors import InvalidDocument
from batchmill.graph.compile import output_keys
from batchmill.graph.compile.check import check
from batchmill.graph.visits import looping
from batchmill.ir import references
from batchmill.ir.loading import load
from batchmill.nodes import Node, NodeResult, Output, Param
from batchmill.nodes.registry import Registry
from batchmill.step import INDEX_KEY, LLM_CALLS_KEY, SOURCE_KEY
from batchmill.step.namespace import ENV_KEY, ITEM_KEY, RUN_KEY


class Probe(Node):
    """A node type with a param of every kind."""

    type = "probe"
    summary = "for these tests"
    params = (
        Param("text", "string", "needed text", required=True),
        Param("count", "integer", "a count", minimum=1),
        Param("mode", "string", "how", choices=("fast", "slow")),
        Param("rows", "array|object", "rows"),
        Param("code", "string", "taken as it is", templates="none"),
        Param("command", "string|array", "for a shell", templates="shell"),
        Param("allow_raw", "boolean", "whether values may be pasted"),
    )
    outputs = (Output("result", "any", "what came"), Output("stderr", "string", "noise", diagnostic=True))

    def check(self, params: Mapping[str, Any]) -> list[tuple[str, str]]:
        return [("text", "is not a good text")] if params.get("text") == "bad" else []

    def run(self, params: Mapping[str, Any], attempt: Attempt) -> NodeResult:
        raise AssertionError("checking runs nothing")


class Free(Probe):
    """A node type that takes and gives anything."""

    type = "free"
    params = ()
    outputs = ()
    open_params = True
    open_outputs = True

    def check(self, params: Mapping[str, Any]) -> list[tuple[str, str]]:
        return []


@pytest.fixture(scope="module")
def registry():
    made = Registry()
    made.register(Probe)
    made.register(Free)
    return made


def probe(name="a", **keys):
    return {"id": name, "type": "probe", "params": {"text": "t"}, **keys}


def with_params(**params):
    return {"nodes": [probe(params={"text": "t", **params})]}


def problems_of(document, registry):
    with pytest.raises(InvalidDocument) as caught:
        check(load(document), registry)
    return caught.value.problems


SOUND = [
    {"nodes": [probe()]},
    with_params(count=3, mode="slow", rows=[1], code="${anything goes", command="echo"),
    with_params(count="${n}", mode="${n}", rows="${n}") | {"inputs": {"n": {}}},
    with_params(count=None, mode=None),
    with_params(command=["a", "${n}"]) | {"inputs": {"n": {}}},
    with_params(command="echo ${n}") | {"inputs": {"n": {}}},
    with_params(command="echo ${n | raw}", allow_raw=True) | {"inputs": {"n": {}}},
    with_params(text="$${no_template}"),
    {"nodes": [probe(), probe("b", params={"text": '${a.result.x} ${a.error ?? ""} ${a.stderr}'})]},
    {
        "nodes": [
            {"id": "a", "type": "free", "params": {"any": 1}},
            probe("b", params={"text": "${a.made.up}"}),
        ]
    },
    {
        "nodes": [
            probe(batch={"items": [1]}),
            probe("b", params={"text": "${a.results[0].result} ${a.succeeded} ${a.batch_metadata.timing}"}),
        ]
    },
    {
        "nodes": [
            probe(loop={"until": "${a.result}", "carry": {"count": "${a.loop_iterations}"}}),
            probe("b", params={"text": "${a.loop_stopped} ${a.loop_iterations}"}),
        ]
    },
    {"nodes": [probe()], "inputs": {"m": {"default": 1}, "o": {"required": False}}},
    {"nodes": [probe()], "inputs": {"n": {}}, "outputs": {"n": {}}},
    {"nodes": [probe()], "inputs": {"n": {}}, "outputs": {"x": {"source": "${n}"}}},
]


@pytest.mark.parametrize("document", SOUND, ids=lambda document: json.dumps(document)[:60])
def test_sound_documents_give_a_plan(document, registry):
    assert check(load(document), registry).start == "a"


BAD = {
    "unknown type": (
        {"nodes": [{"id": "a", "type": "prob"}]},
        "$.nodes[0].type",
        "no node type `prob`",
        "`probe`",
    ),
    "mcp type": ({"nodes": [{"id": "a", "type": "mcp-x-y"}]}, "$.nodes[0].type", "no MCP server 'x'", ""),
    "broken type": (
        {"nodes": [{"id": "a", "type": "no_such_module:X"}]},
        "$.nodes[0].type",
        "cannot be loaded",
        "",
    ),
    "unknown param": (with_params(cuont=1), "$.nodes[0].params.cuont", "no param 'cuont'", "count"),
    "missing param": ({"nodes": [probe(params={})]}, "$.nodes[0].params", "'text' is required", ""),
    "no params": ({"nodes": [{"id": "a", "type": "probe"}]}, "$.nodes[0].params", "'text' is required", ""),
    "wrong type": (with_params(count="3"), "$.nodes[0].params.count", "must be a whole number", ""),
    "boolean": (with_params(count=True), "$.nodes[0].params.count", "must be a whole number", ""),
    "minimum": (with_params(count=0), "$.nodes[0].params.count", "1 or more", ""),
    "choice": (with_params(mode="slwo"), "$.nodes[0].params.mode", "one of fast, slow", "slow"),
    "own look": (with_params(text="bad"), "$.nodes[0].params.text", "not a good text", ""),
    "syntax": (with_params(text="${a."), "$.nodes[0].params.text", "cannot be read", ""),
    "deep syntax": (with_params(rows=[{"x": "${a b}"}]), "$.nodes[0].params.rows[0].x", "cannot be read", ""),
    "raw": (
        with_params(command="echo ${n | raw}") | {"inputs": {"n": {}}},
        "$.nodes[0].params.command",
        "raw",
        "",
    ),
    "own output": (with_params(text="${a.result}"), "$.nodes[0].params.text", "before it has run", ""),
    "unknown root": (with_params(rows=["${zz}"]), "$.nodes[0].params.rows[0]", "`zz`", ""),
    "command root": (with_params(command="echo ${zz}"), "$.nodes[0].params.command", "`zz`", ""),
    "unknown output": (
        {"nodes": [probe(), probe("b", params={"text": "${a.reslt}"})]},
        "$.nodes[1].params.text",
        "no output `reslt`",
        "did you mean `result`?",
    ),
    "unknown output of ??": (
        {"nodes": [probe(), probe("b", params={"text": "${a.reslt ?? 1}"})]},
        "$.nodes[1].params.text",
        "no output `reslt`",
        "",
    ),
    "position of a node": (
        {"nodes": [probe(), probe("b", params={"text": "${a[0]}"})]},
        "$.nodes[1].params.text",
        "takes a position",
        "",
    ),
    "single output of a batch": (
        {"nodes": [probe(batch={"items": []}), probe("b", params={"text": "${a.result}"})]},
        "$.nodes[1].params.text",
        "no output `result`",
        "${a.results[*].result}",
    ),
    "loop output without loop": (
        {"nodes": [probe()], "outputs": {"o": {"source": "${a.loop_stopped}"}}},
        "$.outputs.o.source",
        "no output `loop_stopped`",
        "",
    ),
    "unknown output in items": (
        {"nodes": [probe(), probe("b", batch={"items": "${a.rows}"})]},
        "$.nodes[1].batch.items",
        "no output `rows`",
        "",
    ),
    "unused input": ({"nodes": [probe()], "inputs": {"n": {}}}, "$.inputs.n", "nothing uses it", ""),
    "input in code": (
        with_params(code="${n}") | {"inputs": {"n": {}}},
        "$.inputs.n",
        "nothing uses it",
        "",
    ),
    "unknown carry": (
        {"nodes": [probe(loop={"until": "${a.result}", "carry": {"cuont": 1}})]},
        "$.nodes[0].loop.carry.cuont",
        "not a param of `probe`",
        "count",
    ),
    "batch item elsewhere": (
        {"nodes": [probe(batch={"items": []}), probe("b", params={"text": "${item}"})]},
        "$.nodes[1].params.text",
        "`item`",
        "only in the params of a node with `batch`",
    ),
}


@pytest.mark.parametrize("name", list(BAD))
def test_each_fault_has_its_path_words_and_hint(name, registry):
    document, path, words, hint = BAD[name]
    (problem,) = problems_of(document, registry)
    assert problem.path == path
    assert words in problem.message
    assert hint in problem.message + problem.hint


@pytest.mark.parametrize("name", list(BAD))
def test_each_fault_has_its_line_and_column(name, registry, tmp_path):
    document, path, _, _ = BAD[name]
    flow = tmp_path / "flow.json"
    flow.write_text(json.dumps(document, indent=2))
    (problem,) = problems_of(flow, registry)
    line = flow.read_text().splitlines()[problem.line - 1]
    at = line[problem.column - 1 :]
    key = path.rsplit(".", 1)[1]
    if path.endswith("]"):
        assert at.startswith('"')
    elif name == "no params":
        assert at.startswith("{")
    else:
        assert f'"{key}"' in line
        assert at.startswith((f'"{key}"', '"', "{", "0", "t"))


MANY = """
nodes:
  - id: a
    type: prob
  - id: b
    type: probe
    params: {text: "${a.x} ${zz}", cuont: 1}
    batch: {items: "${b.results}", executor: proces, max_concurrent: 0}
  - id: c
    type: probe
    params:
      text: ${b.result}
    retry: {max: 99}
edges: [{from: a, to: b}, {from: b, to: nowhere}]
inputs: {n: {type: integer, default: x}}
"""


def test_all_faults_of_all_kinds_come_at_once_in_text_order(registry, tmp_path):
    flow = tmp_path / "flow.yaml"
    flow.write_text(MANY)
    found = [(problem.path, problem.line, problem.column) for problem in problems_of(flow, registry)]
    assert found == [
        ("$.nodes[0].type", 4, 11),
        ("$.nodes[1].params.text", 7, 20),
        ("$.nodes[1].params.cuont", 7, 36),
        ("$.nodes[1].batch.executor", 8, 46),
        ("$.nodes[1].batch.max_concurrent", 8, 70),
        ("$.nodes[2].params.text", 12, 13),
        ("$.nodes[2].retry.max", 13, 18),
        ("$.edges[1].to", 14, 41),
        ("$.inputs.n.default", 15, 38),
    ]


def test_the_source_is_named(registry, tmp_path):
    flow = tmp_path / "flow.json"
    flow.write_text('{"nodes": []}')
    with pytest.raises(InvalidDocument) as caught:
        check(load(flow), registry)
    assert caught.value.source == str(flow)
    assert str(caught.value).startswith(f"{flow}: 1 problem")


def test_names_shared_with_other_rooms_are_the_same():
    assert references.INDEX == INDEX_KEY
    assert references.SOURCE == SOURCE_KEY
    assert references.RUN == RUN_KEY
    assert references.ITEM == ITEM_KEY
    assert frozenset({LLM_CALLS_KEY, RUN_KEY}) == references.ALWAYS_THERE
    assert references.ENV == ENV_KEY
    assert set(output_keys.LOOP_OUTPUTS) == {looping.STOPPED, looping.ITERATIONS}


SAMPLES = sorted((Path(__file__).parents[2] / "corpus").glob("*.json"))
DOCUMENTS = [json.loads(sample.read_text())["document"] for sample in SAMPLES]


def test_the_sample_documents_are_sound():
    assert DOCUMENTS
    for document in DOCUMENTS:
        check(load(document), Registry())


def paths(value, path=()):
    yield path
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, member in pairs:
        yield from paths(member, (*path, key))


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=4)
    | st.sampled_from(
        ["${a.x}", "${", "default", "shell", "code", "probe", "a", "thread", "${x ?? ${", "__index__"]
    ),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["id", "type", "items", "batch", "loop", "until", "from", "to", "command", "glob", "nodes"]
            ),
            inner,
            max_size=3,
        )
    ),
    max_leaves=8,
)
PLACES = [(number, path) for number, document in enumerate(DOCUMENTS) for path in paths(document)]


def mutated(place, value):
    number, path = place
    if not path:
        return value
    document = copy.deepcopy(DOCUMENTS[number])
    inner = document
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = value
    return document


def judge(source, registry):
    """Check it; whatever is wrong must come as problems that can be shown."""
    try:
        check(load(source), registry)
    except InvalidDocument as error:
        found = error
    else:
        return
    assert found.problems
    assert str(found).encode()


@settings(max_examples=62)
@given(st.sampled_from(PLACES), JSON)
def test_mutated_objects_raise_nothing_else(registry, place, value):
    document = mutated(place, value)
    if isinstance(document, dict):
        judge(document, registry)


@settings(max_examples=37)
@given(st.sampled_from(PLACES), JSON)
def test_mutated_texts_raise_nothing_else(registry, tmp_path_factory, place, value):
    path = tmp_path_factory.getbasetemp() / "mutated.json"
    path.write_text(json.dumps(mutated(place, value)))
    judge(path, registry)


@settings(max_examples=50)
@given(JSON)
def test_any_object_raises_nothing_else(registry, value):
    judge({"nodes": value}, registry)
    judge({"nodes": [value], "edges": value, "inputs": value, "outputs": value}, registry)
    judge({"nodes": [{"id": "a", "type": "probe", "params": value, "batch": value}]}, registry)


@pytest.mark.slow
def test_a_large_document_is_checked_soon_enough(registry):
    nodes = [
        probe(f"n{number}", params={"text": f"${{n{max(0, number - 1)}.result ?? 0}}"})
        for number in range(2000)
    ]
    assert len(check(load({"nodes": nodes}), registry).nodes) == 2000
