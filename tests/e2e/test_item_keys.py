"""``${__item__.key}``: the same for an item at every attempt and in every pass, and no other's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import batchmill
from batchmill.errors import InvalidDocument

SAY = {"code": "result = key", "inputs": {"key": "${__item__.key}"}}
SLOW = [pytest.param("process", marks=pytest.mark.slow)]


def node(items: list[Any], **batch: Any) -> dict[str, Any]:
    return {"id": "a", "type": "code", "params": SAY, "batch": {"items": items, **batch}}


def keys(node: dict[str, Any], **more: Any) -> Any:
    done = batchmill.run({"nodes": [node], "outputs": {"keys": {"source": "${a.results[*].result}"}}}, **more)
    assert done.status == "success", done.errors
    return done.outputs["keys"]


@pytest.mark.parametrize("executor", ["sequential", "thread", *SLOW])
def test_each_item_has_one_of_its_own(executor: str) -> None:
    found = keys(node([1, "1", {"a": 1, "b": [2]}, None], executor=executor))
    assert len(set(found)) == 4
    assert all(len(key) == 32 and set(key) <= set("0123456789abcdef") for key in found)


def test_two_runs_have_different_ones() -> None:
    assert not set(keys(node([1, 2]))) & set(keys(node([1, 2])))


def test_of_a_group_it_is_that_of_all_its_items() -> None:
    assert len(set(keys(node([1, 2, 3], batch_size=2)))) == 2


@pytest.mark.parametrize("executor", ["sequential", "thread", *SLOW])
def test_it_is_the_same_at_every_attempt_and_when_the_run_is_resumed(
    executor: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code = (
        "import os\nwith open(f'log{item}', 'a') as file: file.write(key + ' ')\n"
        "if item == 2 and not os.path.exists('flag'): raise OSError\nresult = key"
    )
    params = {"code": code, "inputs": {"key": "${__item__.key}", "item": "${item}"}}
    items = {"type": "array", "default": [1, 2]}
    batch = {"items": "${items}", "executor": executor, "max_retries": 2, "error_handling": "continue"}
    document = {
        "inputs": {"items": items},
        "nodes": [{"id": "a", "type": "code", "params": params, "batch": batch}],
        "outputs": {"keys": {"source": "${a.results[*].result}"}},
    }
    first = batchmill.run(document, journal="j.sqlite")
    Path("flag").touch()
    second = batchmill.resume(first.run, {"items": [3, 2, 1]}, journal="j.sqlite")
    first_key, *others = Path("log1").read_text().split()
    assert others == []
    tries = Path("log2").read_text().split()
    assert (len(tries), len(set(tries))) == (3, 1)
    assert second.outputs["keys"] == [Path("log3").read_text().strip(), tries[0], first_key]
    assert (second.resumed or {})["kept"] == 1


@pytest.mark.parametrize("executor", ["sequential", "thread", *SLOW])
def test_in_a_workflow_inside_it_depends_on_what_that_is_given(executor: str) -> None:
    inner = {
        "inputs": {"n": {"type": "integer"}},
        "nodes": [node(["x", "y"]), {"id": "b", "type": "echo", "params": {"message": "${n}"}}],
        "outputs": {"keys": {"source": "${a.results[*].result}"}},
    }
    outer = {"id": "o", "type": "workflow", "params": {"workflow": inner, "inputs": {"n": "${item}"}}}
    document = {
        "nodes": [{**outer, "batch": {"items": [1, 2, 1], "executor": executor}}],
        "outputs": {"all": {"source": "${o.results[*].keys}"}},
    }
    one, two, again = batchmill.run(document).outputs["all"]
    assert len({*one, *two}) == 4
    assert one == again


@pytest.mark.parametrize(
    ("nodes", "words"),
    [
        ([{"id": "a", "type": "code", "params": SAY}], "only in the params of a node with `batch`"),
        ([node([1], where="${__item__.key}")], "once it was chosen"),
        ([node(["${__item__.key}"])], "no item yet"),
        (
            [{**node([1]), "params": {"code": "result = key", "inputs": {"key": "${__item__.id}"}}}],
            "there is `${__item__.key}`",
        ),
    ],
)
def test_where_there_is_none(nodes: list[Any], words: str) -> None:
    with pytest.raises(InvalidDocument) as caught:
        batchmill.run({"nodes": nodes})
    (problem,) = caught.value.problems
    assert words in problem.hint
