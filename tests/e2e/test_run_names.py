"""What templates know besides inputs and nodes: the environment and the run itself."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

import batchmill


def echo(message: str, **more: Any) -> dict[str, Any]:
    return {"id": "a", "type": "echo", "params": {"message": message}, **more}


@pytest.mark.parametrize("executor", ["sequential", "thread", "process"])
def test_templates_of_items_know_the_environment_and_the_run(
    executor: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REGION", "north")
    node = echo("${env.REGION} ${item} ${__run__.id}", batch={"items": [1, 2], "executor": executor})
    done = batchmill.run({"nodes": [node], "outputs": {"o": {"source": "${a.results[*].echo}"}}})
    assert done.outputs["o"] == [f"north {k} {done.run}" for k in (1, 2)]


def test_a_variable_that_is_not_there_is_missing() -> None:
    failed = batchmill.run({"nodes": [echo("${env.NOT_THERE}")]})
    assert "'env' has no key 'NOT_THERE'" in failed.errors[0]["message"]
    done = batchmill.run({"nodes": [echo("${env.NOT_THERE ?? 'other'}")]})
    assert done.outputs["echo"] == "other"


def test_a_variable_that_is_called_like_a_secret_is_masked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_TOKEN", "q8Zr-77aLpW2")
    monkeypatch.setenv("REGION", "a-northern-region")
    done = batchmill.run({"nodes": [echo("${env.MY_TOKEN} in ${env.REGION}")]})
    assert done.outputs["echo"] == "*** in a-northern-region"


def test_an_input_or_a_node_called_env_is_what_is_meant() -> None:
    given = batchmill.run({"inputs": {"env": {}}, "nodes": [echo("${env.x}")]}, {"env": {"x": "mine"}})
    assert given.outputs["echo"] == "mine"
    first = {"id": "env", "type": "code", "params": {"code": "result = 'own'"}}
    assert batchmill.run({"nodes": [first, echo("${env.result}")]}).outputs["echo"] == "own"


def test_the_run_has_one_beginning_however_often_it_is_resumed(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    nodes = [
        {"id": "wait", "type": "shell", "params": {"command": ["test", "-e", str(gate)]}},
        echo("${__run__.started} ${__run__.id}"),
    ]
    first = batchmill.run({"nodes": nodes}, journal=tmp_path / "runs.sqlite")
    assert first.status == "failed"
    gate.touch()
    done = batchmill.resume(journal=tmp_path / "runs.sqlite")
    started, name = done.outputs["echo"].split()
    assert name == first.run
    assert started.endswith("+00:00")
    assert datetime.fromisoformat(started).timestamp() <= first.timing["started_at"]


@pytest.mark.parametrize("executor", ["thread", "process"])
@pytest.mark.slow
def test_a_workflow_inside_knows_the_run_around_it(executor: str) -> None:
    inner = {
        "nodes": [echo("${__run__.id} ${env.PATH | count > 0}")],
        "outputs": {"o": {"source": "${a.echo}"}},
    }
    node = {"id": "w", "type": "workflow", "params": {"workflow": inner}}
    batch = {"items": [1], "executor": executor}
    done = batchmill.run(
        {"nodes": [{**node, "batch": batch}], "outputs": {"o": {"source": "${w.results[0].o}"}}}
    )
    assert done.outputs["o"] == f"{done.run} True"


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("${env}", r"write `\$\{env.NAME\}`"),
        ("${__run__.nothing}", "there are `id`, `started` and `folder`"),
        ("${__run__.status}", "it is known in `finally` only"),
        ("${__run__}", "nothing of that name is known"),
    ],
)
def test_what_nobody_knows_is_a_problem(template: str, words: str) -> None:
    with pytest.raises(batchmill.InvalidDocument, match=words):
        batchmill.run({"nodes": [echo(template)]})
