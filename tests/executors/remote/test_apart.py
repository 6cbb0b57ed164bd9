"""Workers that do not have the folder of the run, over a carrier in this process."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import cloudpickle
import pytest

import batchmill
from batchmill.executors.remote import agent, library, offer, where
from batchmill.executors.remote.futures import LoopCarrier

cloudpickle.register_pickle_by_value(sys.modules[__name__])  # workers cannot import test modules


@pytest.fixture
def apart(use: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LoopCarrier:
    """A carrier to one worker that sees nothing of this folder."""
    monkeypatch.chdir(tmp_path)
    carrier: LoopCarrier = use(LoopCarrier(1))
    monkeypatch.setattr(type(carrier), "here", False)
    monkeypatch.setattr(agent, "seen", lambda probe: False)
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


def test_secrets_are_sent_in_the_clear_where_that_is_said(
    apart: LoopCarrier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(apart), "exposed", True)
    place = {"address": "tcp://127.0.0.1:1", "insecure": True}
    monkeypatch.setitem(where._carriers, (os.getpid(), "dask", "tcp://127.0.0.1:1"), apart)
    done = batchmill.run(SECRET_INPUT, {"token": "canary-of-tests"}, cluster=place)
    assert [entry["result"] for entry in done.outputs["results"]] == [15, 15]
