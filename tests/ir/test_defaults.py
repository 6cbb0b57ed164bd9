"""Defaults: which nodes get which keys, and where their faults stand."""

import json

import pytest

from batchmill.errors import InvalidDocument
from batchmill.graph.compile.check import check
from batchmill.ir.loading import load
from batchmill.nodes.registry import default_registry


def specs(document):
    """The checked nodes of a document by their ids."""
    return {name: node.spec for name, node in check(load(document), default_registry()).nodes.items()}


def shell(name, **more):
    return {"id": name, "type": "shell", "params": {"command": "true"}, **more}


def echo(name, **more):
    return {"id": name, "type": "echo", "params": {"message": "x"}, **more}


def problems(document):
    with pytest.raises(InvalidDocument) as caught:
        specs(document)
    return {problem.path: problem for problem in caught.value.problems}


def test_what_a_node_says_comes_before_its_type_and_that_before_all():
    found = specs(
        {
            "defaults": {"timeout": 1, "shell": {"timeout": 2}},
            "nodes": [echo("a"), shell("b"), shell("c", timeout=3), shell("d", timeout=None)],
        }
    )
    assert [found[name].timeout for name in "abcd"] == [1, 2, 3, None]


def test_params_and_retry_are_filled_up_key_by_key():
    found = specs(
        {
            "defaults": {
                "retry": {"max": 5, "wait": 1},
                "shell": {"params": {"cwd": "/", "ignore_errors": True}, "retry": {"jitter": False}},
            },
            "nodes": [
                shell("a", retry={"max": 2}),
                {**shell("b"), "params": {"command": "x", "cwd": "/tmp"}},
            ],
        }
    )
    assert found["a"].params == {"command": "true", "cwd": "/", "ignore_errors": True}
    assert found["b"].params == {"command": "x", "cwd": "/tmp", "ignore_errors": True}
    assert (found["a"].retry.max, found["a"].retry.wait, found["a"].retry.jitter) == (2, 1, False)
    assert (found["b"].retry.max, found["b"].retry.wait, found["b"].retry.jitter) == (5, 1, False)


def test_batch_settings_are_for_nodes_with_a_batch():
    defaults = {"batch": {"max_concurrent": 4, "error_handling": "continue", "as": "row"}}
    each = {"items": [1], "executor": "thread"}
    found = specs(
        {
            "defaults": defaults,
            "nodes": [echo("a"), echo("b", batch=each), echo("c", batch={**each, "as": "n"})],
        }
    )
    assert found["a"].batch is None
    assert (found["b"].batch.max_concurrent, found["b"].batch.as_, found["b"].batch.goes_on) == (
        4,
        "row",
        True,
    )
    assert found["c"].batch.as_ == "n"


@pytest.mark.parametrize(
    ("defaults", "own", "wanted"),
    [
        ({"timeout": 1}, {"batch": {"items": [], "timeout": 9}}, (None, 9)),
        ({"batch": {"timeout": 1}}, {"timeout": 9, "batch": {"items": []}}, (9, None)),
        ({"timeout": 2, "batch": {"timeout": 1}}, {"batch": {"items": []}}, (None, 1)),
        ({"batch": {"timeout": 1}, "echo": {"timeout": 2}}, {"batch": {"items": []}}, (2, None)),
    ],
)
def test_a_limit_of_time_is_said_in_the_node_or_in_its_batch(defaults, own, wanted):
    spec = specs({"defaults": defaults, "nodes": [echo("a", **own)]})["a"]
    assert (spec.timeout, spec.batch.timeout) == wanted


@pytest.mark.parametrize(
    ("default", "own", "wanted"),
    [
        ({"executor": "process"}, {"parallel": False}, "sequential"),
        ({"executor": "process"}, {"parallel": True}, "process"),
        ({"executor": "sequential"}, {"parallel": True}, "thread"),
        ({"parallel": True}, {"executor": "sequential"}, "sequential"),
        ({"parallel": False}, {"executor": "thread"}, "thread"),
    ],
)
def test_an_executor_and_parallel_are_one_setting(default, own, wanted):
    document = {"defaults": {"batch": default}, "nodes": [echo("a", batch={"items": [1], **own})]}
    assert specs(document)["a"].batch.executor_name == wanted


def test_retries_too():
    own = {"batch": {"items": [], "max_retries": 4}}
    spec = specs({"defaults": {"retry": {"max": 2}}, "nodes": [echo("a", **own)]})["a"]
    assert (spec.retry, spec.batch.max_retries) == (None, 4)
    own = {"retry": {"max": 4}, "batch": {"items": []}}
    spec = specs({"defaults": {"batch": {"max_retries": 2, "retry_wait": 1}}, "nodes": [echo("a", **own)]})[
        "a"
    ]
    assert (spec.retry.max, spec.batch.retry_keys_given) == (4, ())


def test_steps_of_a_pipeline_have_them_at_any_depth():
    document = {
        "defaults": {"timeout": 7},
        "pipeline": [echo("a"), {"parallel": [echo("b"), [echo("c"), {"parallel": [echo("d"), echo("e")]}]]}],
    }
    assert {spec.timeout for spec in specs(document).values()} == {7}
    assert len(specs(document)) == 5


def test_a_workflow_inside_has_its_own():
    inner = {"nodes": [echo("in")]}
    document = {
        "defaults": {"timeout": 7},
        "nodes": [{"id": "sub", "type": "workflow", "params": {"workflow": inner}}],
    }
    sub = check(load(document), default_registry()).nodes["sub"]
    assert (sub.spec.timeout, sub.sub.plan.nodes["in"].spec.timeout) == (7, None)


@pytest.mark.parametrize(
    ("defaults", "path", "words"),
    [
        ({"timeout": 0}, "$.defaults.timeout", "above 0"),
        ({"timeot": 5}, "$.defaults.timeot", "did you mean `timeout`?"),
        ({"shell": {"timeot": 5}}, "$.defaults.shell.timeot", "did you mean `timeout`?"),
        ({"shel": {"timeout": 5}}, "$.defaults.shel", "did you mean `shell`?"),
        ({"shell": 5}, "$.defaults.shell", "of a node type as an object"),
        ({"params": {"command": "x"}}, "$.defaults.params", "params belong to a type"),
        ({"shell": {"params": {"cmd": "x"}}}, "$.defaults.shell.params.cmd", "did you mean 'cwd'"),
        (
            {"shell": {"params": {"cwd": "${nothing}"}}},
            "$.defaults.shell.params.cwd",
            "neither a node nor an input",
        ),
        ({"batch": {"items": [1]}}, "$.defaults.batch.items", "unknown key"),
        ({"id": "x"}, "$.defaults.id", "unknown key"),
        ({"rate_limit": {"burst": 2}}, "$.defaults.rate_limit.burst", "has no effect without"),
        (5, "$.defaults", "must be an object"),
    ],
)
def test_a_fault_stands_at_the_default_once(defaults, path, words):
    found = problems({"defaults": defaults, "nodes": [shell("a"), shell("b")]})
    assert path in found
    assert all(one.startswith("$.defaults") for one in found)
    assert words in f"{found[path].message} {found[path].hint}"


def test_a_fault_has_the_line_of_the_default(tmp_path):
    file = tmp_path / "d.json"
    file.write_text(json.dumps({"defaults": {"echo": {"params": {"message": "${x}"}}}, "nodes": [
        {"id": "a", "type": "echo"}]}, indent=1))  # fmt: skip
    with pytest.raises(InvalidDocument) as caught:
        check(load(file), default_registry())
    assert [(one.path, one.line) for one in caught.value.problems] == [("$.defaults.echo.params.message", 5)]


def test_what_comes_to_nothing_in_one_node_is_no_warning():
    document = {
        "defaults": {"batch": {"max_concurrent": 3}},
        "nodes": [echo("a", batch={"items": [1]}), echo("b", batch={"items": [1], "executor": "thread"})],
    }
    assert check(load(document), default_registry()).warnings == ()


def test_the_document_is_left_as_it_was():
    document = {"defaults": {"timeout": 1, "shell": {"params": {"cwd": "/"}}}, "nodes": [shell("a")]}
    before = json.dumps(document)
    draft = load(document)
    check(draft, default_registry())
    assert json.dumps(document) == json.dumps(draft.raw) == before
