"""Items that run a sub-workflow, in a run that is resumed: what was done inside them is not done again."""

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

import batchmill
from batchmill.runs.run import run

CLUSTER = pytest.param("dask", marks=pytest.mark.on_cluster)
EXECUTORS = ["sequential", "thread", pytest.param("process", marks=pytest.mark.slow), CLUSTER]
LOG = "with open('log', 'a') as file: file.write(f'{name}\\n')\n"


def code(name, more="result = 1", **inputs):
    """A node that writes its name, with the values of ``inputs``, into a file before all else."""
    given = "{" + "}-{".join(["name", *inputs]) + "}"
    text = f"name = {name!r}\nname = f'{given}'\n{LOG}{more}"
    return {"id": name, "type": "code", "params": {"code": text, "inputs": inputs}}


FAILS = "import os\nif not os.path.exists('well'): raise OSError('no')\nresult = 1"
MAYBE = "import os\nif x == 'b' and not os.path.exists('well'): raise OSError('no')\nresult = {'was': x}"
INNER = {
    "inputs": {"x": {}},
    "nodes": [
        code("first", "result = [x, None, {'n': 1.5}]", x="${x}"),
        {**code("each", "result = n", x="${x}", n="${item}"), "batch": {"items": [1, 2]}},
        code("last", MAYBE, x="${x}", said="${first.result}"),
    ],
    "outputs": {"out": {"source": "${first.result}"}, "last": {"source": "${last.result.was}"}},
}


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def document(executor="sequential", items=("a", "b"), inner=INNER, **batch):
    batch = {"items": list(items), "executor": executor, "error_handling": "continue", **batch}
    params = {"workflow": inner, "inputs": {"x": "${item}"}}
    return {"nodes": [{"id": "outer", "type": "workflow", "params": params, "batch": batch}]}


def written(value):
    Path("d.json").write_text(json.dumps(value))


def begun(value):
    written(value)
    return run("d.json", journal="j.sqlite")


def resumed(result, **more):
    Path("well").touch()
    return batchmill.resume(result.run, journal="j.sqlite", **more)


def counts():
    return Counter(Path("log").read_text().split("\n")[:-1])


@pytest.mark.parametrize("executor", EXECUTORS)
def test_an_item_that_failed_goes_on_where_it_failed(here, executor):
    first = begun(document(executor))
    assert first.status == "degraded"
    second = resumed(first, failed_only=True)
    assert second.status == "success", second.errors
    once = {f"{node}-{x}" for node in ("first", "each") for x in "ab"}
    assert [f"{name}" for name, count in counts().items() if count > 1] == ["last-b-['b', None, {'n': 1.5}]"]
    assert {name.rsplit("-", 1)[0] if name.startswith("each") else name for name in counts()} >= once
    assert second.outputs["results"] == [{"out": [x, None, {"n": 1.5}], "last": x, "item": x} for x in "ab"]
    assert not (here / "j.sqlite.items").exists()


def test_items_are_known_again_wherever_they_stand(here):
    first = begun(document())
    written(document(items=["new", "b", "a"]))
    second = resumed(first)
    assert second.status == "success", second.errors
    assert counts()["first-b"] == counts()["first-a"] == counts()["each-b-1"] == 1


def test_what_changed_inside_is_done_again_and_nothing_else(here):
    first = begun(document())
    inner = json.loads(json.dumps(INNER))
    inner["nodes"][1]["params"]["code"] += "\n# changed"
    written(document(inner=inner))
    assert resumed(first).status == "success"
    assert (counts()["first-b"], counts()["each-b-1"], counts()["each-b-2"]) == (1, 2, 2)


def test_a_retry_makes_all_of_it_again(here):
    begun(document(items=["b"], max_retries=3))
    assert (counts()["first-b"], counts()["each-b-1"]) == (3, 3)


def test_equal_items_are_each_done_once(here):
    first = begun(document(items=["b", "b"]))
    assert counts()["first-b"] == 2
    assert resumed(first, failed_only=True).status == "success"
    assert counts()["first-b"] == 2


def test_items_inside_items_go_on_too(here):
    inner = {
        "inputs": {"x": {}},
        "nodes": [code("pre", x="${x}"), *document(items=["a", "b"], error_handling="fail_fast")["nodes"]],
        "outputs": {"all": {"source": "${outer.results[*].last}"}},
    }
    first = begun(document(items=["p"], inner=inner))
    assert first.status == "failed"
    second = resumed(first)
    assert second.outputs["results"][0]["all"] == ["a", "b"]
    assert {name for name, count in counts().items() if count > 1} == {"last-b-['b', None, {'n': 1.5}]"}


def test_of_an_item_that_has_ended_nothing_is_left(here):
    result = begun(document(items=["a", "c"]))
    assert result.status == "success"
    assert not (here / "j.sqlite.items").exists()


def test_secrets_are_not_written(here):
    inner = json.loads(json.dumps(INNER))
    inner["inputs"]["x"] = {"secret": True}
    inner["nodes"].append(code("fails", FAILS))
    first = begun(document(items=["tr0ub4dor&3-horse"], inner=inner))
    assert first.status == "failed"
    left = b"".join(path.read_bytes() for path in (here / "j.sqlite.items").rglob("*-1"))
    assert b'"value"' in left
    assert b"horse" not in left
    assert resumed(first).status == "success"


def test_half_a_line_and_what_is_no_line_are_passed_over(here):
    first = begun(document())
    (path,) = (here / "j.sqlite.items").rglob("*-1-1")
    path.write_bytes(path.read_bytes() + b'\n{"item": "x", "key"\n[]\n\xff\n{"item')
    assert resumed(first, failed_only=True).status == "success"
    assert counts()["first-b"] == 1


def test_a_run_that_is_forgotten_leaves_nothing(here):
    from batchmill.journal.journal import Journal
    from batchmill.journal.reading import Reader
    from batchmill.journal.sweeping import forget

    begun(document())
    journal = Journal("j.sqlite")
    with Reader(journal) as reader:
        forget(journal, reader.runs())
    assert not any(path.is_file() for path in (here / "j.sqlite.items").rglob("*"))


@pytest.mark.slow
@pytest.mark.parametrize("executor", ["sequential", "thread", "process"])
def test_after_a_kill_no_node_inside_is_run_twice(here, executor):
    """The second of two inner nodes kills everything, in the middle of an inner batch."""
    kills = (
        "import os, signal\n"
        "if n == 2 and not os.path.exists('well'):\n"
        "    os.killpg(int(open('group').read()), signal.SIGKILL)\n"
        "result = n"
    )
    inner = json.loads(json.dumps(INNER))
    inner["nodes"][1] = {**code("each", kills, x="${x}", n="${item}"), "batch": {"items": [1, 2]}}
    written(document(executor, items=["a", "b", "c"], inner=inner, max_concurrent=1))
    command = (
        "import os, sys; os.setsid(); open('group', 'w').write(str(os.getpgrp()))\n"
        "from batchmill.cli.main import main; sys.argv[1:] = ['run', 'd.json', '-q']; main()"
    )
    killed = subprocess.run([sys.executable, "-c", command], check=False, timeout=60)
    assert killed.returncode == -signal.SIGKILL
    Path("well").touch()
    os.environ.pop("BATCHMILL_JOURNAL", None)
    result = batchmill.resume(journal=".batchmill/runs.sqlite")
    assert result.status == "success", result.errors
    assert {name for name, count in counts().items() if count > 1} == {"each-a-2"}
    assert len(result.outputs["results"]) == 3


DIES = """
import os
first = not os.path.exists('well')
open('well', 'w').close()
if first: os.kill(os.getpid(), 9)
result = 1
"""


@pytest.mark.slow
def test_an_attempt_whose_worker_died_is_gone_on_with(here):
    inner = json.loads(json.dumps(INNER))
    inner["nodes"].append(code("dies", DIES))
    result = begun(document("process", items=["a"], inner=inner, max_retries=2))
    assert result.status == "success", result.errors
    assert {name for name, count in counts().items() if count > 1} == {"dies"}


@pytest.mark.slow
def test_a_call_that_was_paid_inside_an_item_is_paid_and_counted_once(here):
    ask = {"id": "ask", "type": "llm", "params": {"provider": "echo", "model": "m", "prompt": "Hi ${x}"}}
    inner = {"inputs": {"x": {}}, "nodes": [ask, code("dies", DIES)]}
    written(
        document("thread", items=["a"], inner={**inner, "outputs": {"out": {"source": "${ask.response}"}}})
    )
    command = [sys.executable, "-m", "batchmill", "run", "d.json", "-q"]
    assert subprocess.run(command, check=False, timeout=60).returncode == -signal.SIGKILL
    result = batchmill.resume(journal=".batchmill/runs.sqlite")
    assert (result.status, result.outputs["results"][0]["out"]) == ("success", "Hi a")
    assert (counts(), len(result.llm_calls)) == ({"dies": 2}, 1)
