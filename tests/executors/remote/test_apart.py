"""Workers that do not have the folder of the run, over a carrier in this process."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import cloudpickle
import pytest

import batchmill
from batchmill.errors import ExecutorUnavailable
from batchmill.executors.remote import library, loaded_jobs, offer, where
from batchmill.executors.remote.futures import LoopCarrier
from batchmill.ir.models import McpServerSpec
from batchmill.nodes.mcp.node import McpNode

cloudpickle.register_pickle_by_value(sys.modules[__name__])  # workers cannot import test modules


@pytest.fixture
def apart(use: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LoopCarrier:
    """A carrier to one worker that sees nothing of this folder."""
    monkeypatch.chdir(tmp_path)
    carrier: LoopCarrier = use(LoopCarrier(1))
    monkeypatch.setattr(type(carrier), "here", False)
    monkeypatch.setattr(loaded_jobs, "seen", lambda probe: False)
    monkeypatch.setattr(offer, "seen", lambda probe: False)
    monkeypatch.setattr(library, "_same", lambda archive, name, path: False)
    return carrier


def run(kind: str, items: Any = None, **params: Any) -> Any:
    batch = {"items": items or {"range": [0, 2]}, "executor": "dask"}
    node = {"id": "one", "type": kind, "params": params, "batch": batch}
    return batchmill.run({"ir_version": "0.1.0", "nodes": [node]})


@pytest.mark.usefixtures("apart")
def test_functions_run_in_an_empty_folder(tmp_path: Path) -> None:
    (tmp_path / "here.txt").touch()
    (told,) = batchmill.map(lambda _: (os.getcwd(), os.listdir()), [0], executor="dask")
    assert told[0] != str(tmp_path)
    assert told[1] == []


@pytest.mark.usefixtures("apart")
def test_an_item_that_leaves_a_file_where_nobody_would_find_it_fails() -> None:
    def leaves(item: int) -> int:
        if item == 1:
            os.mkdir("out")
            Path("out", "result.txt").write_text("x")
        return len(os.listdir())

    result = batchmill.map(leaves, range(3), executor="dask", error_handling="continue", max_retries=3)
    assert list(result) == [0, None, 0]
    (error,) = result.errors
    assert (error["type"], error["attempts"]) == ("LeftOnWorker", 1)
    assert "the item wrote 'out' into the folder it runs in" in error["message"]


@pytest.mark.slow  # three worker processes one after another
@pytest.mark.usefixtures("apart")
def test_modules_travel_and_a_changed_one_is_imported_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    seen = []
    for number in (1, 2, 1):
        (tmp_path / "travelling_of_tests.py").write_text(f"def run(item):\n    return {number}, __file__")
        done = run("python", function="travelling_of_tests:run", args=["${item}"])
        seen += [entry["result"] for entry in done.outputs["results"]]
    assert [number for number, _ in seen] == [1, 1, 2, 2, 1, 1]
    assert len({file for _, file in seen}) == 2
    assert not any(file.startswith(f"{tmp_path}/") for _, file in seen)


@pytest.mark.usefixtures("apart")
def test_files_are_worked_on_here(tmp_path: Path) -> None:
    done = run("write-file", file_path="out/${item}.txt", content="${item}")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["0.txt", "1.txt"]
    told = done.outputs["batch_metadata"]
    assert told["executor"] == "thread"
    assert told["reason"].endswith("so its files are worked on here, on threads")


@pytest.mark.usefixtures("apart")
@pytest.mark.parametrize(
    ("kind", "params", "why"),
    [
        ("shell", {"command": "touch ran"}, "its command runs there"),
        ("http", {"url": "http://127.0.0.1:9/", "body_file": "a.txt"}, "its `body_file` names files"),
        ("llm", {"prompt": "x", "images": ["a.png"], "provider": "echo"}, "its `images` names files"),
        (
            "workflow",
            {
                "workflow": {
                    "ir_version": "0.1.0",
                    "nodes": [{"id": "inner", "type": "list-files", "params": {}}],
                }
            },
            "of `inner` in its sub-workflow, it works on files",
        ),
    ],
)
def test_what_needs_the_folder_is_refused_before_anything_runs(
    tmp_path: Path, kind: str, params: dict[str, Any], why: str
) -> None:
    done = run(kind, **params)
    assert done.status == "failed"
    (error,) = done.errors
    assert error["type"] == "ExecutorUnavailable"
    assert why in error["message"]
    assert "say with `cwd` of `cluster`" in error["message"]
    assert not (tmp_path / "ran").exists()


@pytest.mark.usefixtures("apart")
def test_a_command_that_names_its_folder_runs(tmp_path: Path) -> None:
    done = run("shell", command="pwd", cwd=str(tmp_path))
    assert [entry["stdout"].strip() for entry in done.outputs["results"]] == [str(tmp_path)] * 2


SECRET_INPUT: dict[str, Any] = {
    "ir_version": "0.1.0",
    "inputs": {"token": {"type": "string", "secret": True}},
    "nodes": [
        {
            "id": "one",
            "type": "code",
            "params": {"code": "result = len(t)", "inputs": {"t": "${token}"}},
            "batch": {"items": {"range": [0, 2]}, "executor": "dask"},
        }
    ],
}


def test_secrets_are_not_sent_where_others_can_read_them(
    apart: LoopCarrier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(apart), "exposed", True)
    done = batchmill.run(SECRET_INPUT, {"token": "canary-of-tests"})
    (error,) = done.errors
    assert error["message"].startswith("a secret input would be sent where others can read it")
    (error,) = run("http", url="http://127.0.0.1:9/", headers={"Authorization": "Bearer x"}).errors
    assert error["message"].startswith("its header Authorization would be sent where others can read it")
    assert run("echo", value="no secret").status == "success"


KEY = "k-7f3a9c51-canary"
PLACES = [
    pytest.param({"params": {"value": {"db": {"password": KEY}}}}, "its `value.db.password`", id="params"),
    pytest.param(
        {"type": "shell", "params": {"command": "true", "env": {"A_TOKEN": KEY}}}, "its `env.A_TOKEN`"
    ),
    pytest.param({"params": {"value": f"redis://:{KEY}@host"}}, "its `value`", id="a URL"),
    pytest.param({"items": [{"id": 1}, {"id": 2, "api_key": KEY}]}, "`api_key` of the item 1", id="an item"),
    pytest.param({"items": [f"https://me:{KEY}@host/"]}, "a secret of the item 0", id="a text"),
    pytest.param(
        {"type": "mcp", "params": {"server": "s", "tool": "t"}, "servers": {"env": {"X": f"Bearer {KEY}"}}},
        "`env` of the MCP server 's'",
        id="env of a server",
    ),
    pytest.param(
        {"type": "mcp-s-t", "params": {}, "servers": {"args": ["--verbose", "--token", KEY]}},
        "`args` of the MCP server 's'",
        id="args of a server",
    ),
]


@pytest.mark.parametrize(("told", "what"), PLACES)
def test_secrets_that_nobody_declared_are_not_sent_either(
    apart: LoopCarrier, monkeypatch: pytest.MonkeyPatch, told: dict[str, Any], what: str
) -> None:
    monkeypatch.setattr(type(apart), "exposed", True)
    sent: list[bytes] = []
    monkeypatch.setattr(type(apart), "send", lambda self, order, done: sent.append(order))
    batch = {"items": told.get("items", {"range": [0, 2]}), "executor": "dask", "chunk_size": 2}
    node = {"id": "one", "type": told.get("type", "echo"), "params": told.get("params", {}), "batch": batch}
    servers = {"s": {"command": "server", **told["servers"]}} if "servers" in told else {}
    done = batchmill.run({"ir_version": "0.1.0", "mcp_servers": servers, "nodes": [node]})
    (error,) = done.errors
    assert error["message"].startswith(f"{what} would be sent where others can read it")
    assert sent == []


def test_functions_that_carry_secrets_are_not_sent(
    apart: LoopCarrier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(apart), "exposed", True)
    token = KEY
    with pytest.raises(ExecutorUnavailable, match=r"`function\.token` would be sent"):
        batchmill.map(lambda item: (item, token), range(2), executor="dask")


@pytest.fixture
def placed(apart: LoopCarrier, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """``cluster`` for that carrier, whose items get a variable."""
    monkeypatch.setitem(where._carriers, (os.getpid(), "dask", "tcp://127.0.0.1:1"), apart)
    monkeypatch.setenv("GIVEN_PASSWORD", "of-ours-7f3a9c51")
    monkeypatch.setenv("NOT_GIVEN", "of-ours")
    return {"address": "tcp://127.0.0.1:1", "env": ["GIVEN_PASSWORD"]}


def test_items_get_the_variables_that_the_cluster_is_to_have(placed: dict[str, Any]) -> None:
    def told(_: int) -> Any:
        return os.environ.get("GIVEN_PASSWORD"), os.environ.get("NOT_GIVEN")

    assert batchmill.map(told, [0], executor="dask", cluster=placed) == [("of-ours-7f3a9c51", None)]
    code = {"code": "import os\nresult = os.environ['GIVEN_PASSWORD'], len(os.environ['GIVEN_PASSWORD'])"}
    node = {"id": "one", "type": "code", "params": code, "batch": {"items": [1], "executor": "dask"}}
    done = batchmill.run({"ir_version": "0.1.0", "cluster": placed, "nodes": [node]})
    (entry,) = done.outputs["results"]
    assert entry["result"] == ["***", 16]  # it was there, and is not shown


def test_a_variable_that_is_not_set_is_named(placed: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GIVEN_PASSWORD")
    with pytest.raises(ExecutorUnavailable, match="names the variable GIVEN_PASSWORD, which is not set here"):
        batchmill.map(abs, [1], executor="dask", cluster=placed)


def test_a_secret_variable_is_not_sent(
    placed: dict[str, Any], apart: LoopCarrier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(apart), "exposed", True)
    with pytest.raises(ExecutorUnavailable, match="the variable GIVEN_PASSWORD would be sent"):
        batchmill.map(abs, [1], executor="dask", cluster=placed)
    insecure = {**placed, "insecure": True}
    assert batchmill.map(abs, [-1], executor="dask", cluster=insecure) == [1]


def test_names_of_variables_are_no_secrets(apart: LoopCarrier, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are read where the items run."""
    monkeypatch.setattr(type(apart), "exposed", True)
    kinds = {
        "servers": {"s": McpServerSpec(command="x", env={"TOKEN": "${TOKEN}"}, args=["--key", "${KEY}"])}
    }
    assert type("Mcp", (McpNode,), kinds).credential({"server": "s"}) == ""
    assert run("echo", value={"api_key_env": "SOME_KEY_OF_OURS"}).status == "success"


def test_secrets_are_sent_in_the_clear_where_that_is_said(
    apart: LoopCarrier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(apart), "exposed", True)
    place = {"address": "tcp://127.0.0.1:1", "insecure": True}
    monkeypatch.setitem(where._carriers, (os.getpid(), "dask", "tcp://127.0.0.1:1"), apart)
    done = batchmill.run(SECRET_INPUT, {"token": "canary-of-tests"}, cluster=place)
    assert [entry["result"] for entry in done.outputs["results"]] == [15, 15]


@pytest.mark.usefixtures("apart")
def test_folders_of_items_are_made_where_the_run_is_or_not_at_all(tmp_path: Path) -> None:
    batch = {"items": {"range": [0, 2]}, "executor": "dask"}
    node = {"id": "one", "type": "shell", "params": {"command": "touch x"}, "workdir": "item", "batch": batch}
    done = batchmill.run({"ir_version": "0.1.0", "nodes": [node]})
    (error,) = done.errors
    assert "its items have folders of their own there: mount it there, or use executor" in error["message"]
