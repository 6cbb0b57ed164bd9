"""Usual slips get the lines to write instead."""

from __future__ import annotations

import json

import pytest

from batchmill.errors import InvalidDocument
from batchmill.graph.compile.check import check
from batchmill.ir.loading import load
from batchmill.nodes.registry import default_registry

NODES = [{"id": "a", "type": "echo"}]


def problems(document):
    with pytest.raises(InvalidDocument) as caught:
        check(load(document), default_registry())
    return {problem.path: problem for problem in caught.value.problems}


def node(**more):
    return {"nodes": [{"id": "a", "type": "shell", "params": {"command": "true"}, **more}]}


def batch(**more):
    return node(batch={"items": [1], **more})


@pytest.mark.parametrize(
    ("document", "path", "hint"),
    [
        ({"steps": NODES}, "$", "the steps stand there, not in `steps`"),
        ({"steps": NODES}, "$.steps", "write `nodes` in its place"),
        (
            {"steps": {"a": {}}},
            "$.steps",
            'write the steps as a list: `"nodes": [{"id": "a", "type": "shell", ',
        ),
        ({"steps": 3}, "$", 'write the steps as a list: `"nodes": '),
        (
            {"nodes": NODES, "jobs": 3},
            "$.jobs",
            '`"batch": {"items": ..., "max_concurrent": 3}`; `batchmill run -j 3`',
        ),
        ({"nodes": NODES, "workers": 3}, "$.workers", '`"batch": {"items": ..., "max_concurrent": 3}`'),
        ({"nodes": NODES, "timeout": 3}, "$.timeout", 'or for all nodes: `"defaults": {"timeout": 3}`'),
        ({"nodes": NODES, "items": [1]}, "$.items", '`"batch": {"items": [1]}`'),
        (
            {"nodes": NODES, "executor": "thread"},
            "$.executor",
            'or for all of them: `"defaults": {"batch": {"executor": "thread"}}`',
        ),
        ({"jobs": {"a": {}}}, "$.jobs", 'write the steps as a list: `"nodes": '),
        ({}, "$", 'write the steps as a list: `"nodes": '),
        ({"nodes": NODES, "params": {}}, "$.params", '`"inputs": {"name": {"type": "string"}}`'),
        ({"nodes": NODES, "env": {}}, "$.env", '"env": {"NAME": "..."}'),
        ({"nodes": NODES, "name": "x"}, "$.name", "leave it out"),
        ({"nodes": {"a": {}}}, "$.nodes", '`"nodes": [{"id": "a", ...}]`'),
        ({"nodes": ["echo"]}, "$.nodes[0]", 'write `{"id": "echo", "type": ...}`'),
        ({"nodes": NODES, "inputs": {"n": "string"}}, "$.inputs.n", 'write `"n": {"type": "string"}`'),
        ({"nodes": NODES, "inputs": {"n": "Ada"}}, "$.inputs.n", 'write `"n": {"default": "Ada"}`'),
        ({"nodes": NODES, "inputs": {"n": 3}}, "$.inputs.n", 'write `"n": {"default": 3}`'),
        ({"nodes": NODES, "inputs": ["n", "m"]}, "$.inputs", 'write `"inputs": {"n": {}, "m": {}}`'),
        (
            {"nodes": NODES, "outputs": {"o": "${a.echo}"}},
            "$.outputs.o",
            'write `"o": {"source": "${a.echo}"}`',
        ),
        ({"nodes": NODES, "outputs": {"o": "a.echo"}}, "$.outputs.o", 'write `"o": {"source": "${a.echo}"}`'),
        ({"nodes": NODES, "outputs": "${a.echo}"}, "$.outputs", '{"result": {"source": "${a.echo}"}}'),
        (
            {"nodes": NODES, "outputs": ["a.b"]},
            "$.outputs",
            'write `"outputs": {"a_b": {"source": "${a.b}"}}`',
        ),
        ({"nodes": NODES, "outputs": ["a"]}, "$.outputs", 'write `"outputs": {"a": {"source": "${a}"}}`'),
        (
            {"nodes": NODES, "outputs": {"o": {"value": "${a}"}}},
            "$.outputs.o.value",
            'write `"source": "${a}"`',
        ),
        ({"nodes": NODES, "edges": [["a", "b"]]}, "$.edges[0]", 'write `{"from": "a", "to": "b"}`'),
        ({"nodes": NODES, "edges": ["a -> b"]}, "$.edges[0]", 'write `{"from": "a", "to": "b"}`'),
        ({"nodes": NODES, "edges": {"a": "b"}}, "$.edges", 'write `"edges": [{"from": "a", "to": "b"}]`'),
        ({"nodes": NODES, "edges": [3]}, "$.edges[0]", 'write `{"from": "a", "to": "b"}`'),
        (node(batch=[1, 2]), "$.nodes[0].batch", 'write `"batch": {"items": [1, 2]}`'),
        (node(batch="${x}"), "$.nodes[0].batch", 'write `"batch": {"items": "${x}"}`'),
        (node(batch={"glob": "*.x"}), "$.nodes[0].batch.glob", '`"items": {"glob": "*.x"}`'),
        (node(retry=3), "$.nodes[0].retry", 'write `"retry": {"max": 3}`'),
        (node(retry={"max_retries": 3}), "$.nodes[0].retry.max_retries", 'write `"max": 3`'),
        (node(retry={"retry_wait": 1.5}), "$.nodes[0].retry.retry_wait", 'write `"wait": 1.5`'),
        (
            {"nodes": NODES, "defaults": {"retry": {"attempts": 2}}},
            "$.defaults.retry.attempts",
            'write `"max": 2`',
        ),
        (node(rate_limit=5), "$.nodes[0].rate_limit", 'write `"rate_limit": {"per_second": 5}`'),
        (node(foreach=[1]), "$.nodes[0].foreach", '`"batch": {"items": [1]}`'),
        (node(depends_on=["b"]), "$.nodes[0].depends_on", '`"edges": [{"from": "a", "to": "b"}]`'),
        (node(retries=3), "$.nodes[0].retries", 'write `"retry": {"max": 3}`'),
        (node(executor="thread"), "$.nodes[0].executor", '"batch": {"items": ..., "executor": "thread"}'),
        (node(**{"if": "x"}), "$.nodes[0].if", 'write `"when": "${x}"`'),
        (node(**{"if": "${{ x }} > 0"}), "$.nodes[0].if", 'write `"when": "${x > 0}"`'),
        (node(**{"if": True}), "$.nodes[0].if", 'write `"when": "${...}"`'),
        (node(rate_limit="5/s"), "$.nodes[0].rate_limit", 'write `"rate_limit": {"per_second": 5}`'),
        (node(rate_limit="90 per minute"), "$.nodes[0].rate_limit", '{"per_second": 1.5}'),
        (batch(items="a/*.txt"), "$.nodes[0].batch.items", 'write `"items": {"glob": "a/*.txt"}`'),
        (batch(items="urls.CSV"), "$.nodes[0].batch.items", 'write `"items": {"csv": "urls.CSV"}`'),
        (batch(items=7), "$.nodes[0].batch.items", 'write `"items": {"range": [7]}`'),
        (batch(items={"range": 7}), "$.nodes[0].batch.items.range", 'write `"range": [7]`'),
        (
            batch(items={"range": {"stop": 9, "step": 2}}),
            "$.nodes[0].batch.items.range",
            'write `"range": [0, 9, 2]`',
        ),
        (batch(collect="out.csv"), "$.nodes[0].batch.collect", 'write `"collect": {"csv": "out.csv"}`'),
        (batch(retry={"max": 3}), "$.nodes[0].batch.retry", "`max_retries` says how many attempts"),
        (batch(wait=1), "$.nodes[0].batch.wait", "write it as `retry_wait`"),
        (batch(timeout="1.5m"), "$.nodes[0].batch.timeout", "write 90"),
        ({"nodes": NODES, "inputs": {"k": {"env": "KEY"}}}, "$.inputs.k.env", "write `${env.KEY}` where"),
        (node(uses="x"), "$.nodes[0].uses", "`type` says what a node does"),
        (
            {"nodes": [{"id": "a", "run": "ls"}]},
            "$.nodes[0].run",
            '"type": "shell", "params": {"command": "ls"}',
        ),
        (
            node(batch={"items": [1], "cache": True}),
            "$.nodes[0].batch.cache",
            'write `"cache": true` in the node, beside `batch`',
        ),
        (
            {"pipeline": [{"id": "a", "type": "echo", "with": {"x": 1}}]},
            "$.pipeline[0].with",
            '"params": {"x": 1}',
        ),
    ],
)
def test_the_lines_to_write(document, path, hint):
    assert hint in problems(document)[path].hint


@pytest.mark.parametrize(
    ("written", "path", "line"),
    [
        ({"id": "a", "type": "shell", "command": "ls"}, "command", '"params": {"command": "ls"}'),
        ({"id": "a", "type": "code", "code": "result = 1"}, "code", '"params": {"code": "result = 1"}'),
        (
            {"id": "a", "type": "http", "url": "http://x", "params": {"method": "GET"}},
            "url",
            '"params": {"url": "http://x"}',
        ),
        ({"id": "a", "type": "echo", "message": "x" * 100}, "message", '"params": {"message": ...}'),
        (
            {"id": "a", "type": "shell", "command": "ls", "env": {"A": "1"}},
            "env",
            '"params": {"env": {"A": "1"}}',
        ),
    ],
)
def test_params_beside_params_are_one_problem_each_with_the_line(written, path, line):
    for document, place in (({"nodes": [written]}, "$.nodes[0]"), ({"pipeline": [written]}, "$.pipeline[0]")):
        found = problems(document)
        assert found[f"{place}.{path}"].hint == f"write it in `params`: `{line}`"
        assert all(one.startswith(place) and ".params" not in one for one in found)


def test_what_stands_in_both_is_only_unknown():
    found = problems({"nodes": [{"id": "a", "type": "shell", "command": "x", "params": {"command": "ls"}}]})
    assert list(found) == ["$.nodes[0].command"]


@pytest.mark.parametrize("value", [object(), {"a": object()}, "\ud800", "é\x07", [[[[]]]], True])
@pytest.mark.parametrize("key", ["command", "foreach", "batch", "retry", "with", "depends_on", "run"])
def test_odd_values_break_nothing(key, value):
    found = problems(node(**{key: value}))
    assert found
    json.dumps([str(one) for one in found.values()])


def test_the_executors_there_are_are_offered():
    for word in ("ray", "dsak", 3):
        one = problems(node(batch={"items": [1], "executor": word}))["$.nodes[0].batch.executor"]
        assert "must be `sequential`, `thread`, `process`, `auto` or `dask`" in one.message
    one = problems(node(batch={"items": [1], "executor": "dsak"}))["$.nodes[0].batch.executor"]
    assert one.hint == "did you mean `dask`?"
    check(load(node(batch={"items": [1], "executor": "dask"})), default_registry())


def test_the_place_of_a_cluster_is_checked():
    for place in ("local", "local:4", "tls://node7:8786", "node7:8786", "scheduler.json"):
        check(load({**node(), "cluster": place}), default_registry())
    check(load({**node(), "cluster": {"python": "mine:make", "env": ["LANG"]}}), default_registry())
    for place, where, words in (
        ("nonsense", "$.cluster", "must be `local`, `local:N`"),
        (3, "$.cluster", "must be the address of a cluster, or an object"),
        ({"python": "mine"}, "$.cluster.python", "`module:function`"),
        ({"adress": "local"}, "$.cluster.adress", "unknown key"),
        ({"address": "local", "env": ["A=1"]}, "$.cluster.env[0]", "the name of a variable"),
        ({"cwd": "/data"}, "$.cluster", "exactly one of `address` and `python`"),
        ({"address": "local", "python": "a:b"}, "$.cluster", "exactly one of `address` and `python`"),
    ):
        assert words in problems({**node(), "cluster": place})[where].message


def test_braces_of_other_tools_are_named():
    for text, instead in (
        ("${{ name }}", "${name}"),
        ("${{ inputs.name }}", "${name}"),
        ("${{ steps.a.outputs.x }}", "${a.x}"),
        ("x ${{needs.a.outputs.b}}", "${a.b}"),
    ):
        document = {"nodes": [{"id": "a", "type": "echo", "params": {"message": text}}]}
        one = problems(document)["$.nodes[0].params.message"]
        assert f"one pair of braces is enough: write {instead} at character" in one.message
