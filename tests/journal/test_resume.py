"""What a resumed run keeps and what it runs again, by content, whatever became of document and items."""

import json
import sqlite3
import threading

import pytest

import batchmill
from batchmill.journal.journal import Journal
from batchmill.journal.reading import Reader


@pytest.fixture
def journal(tmp_path):
    return tmp_path / "runs.sqlite"


class Effects:
    """A folder in which every item that runs leaves a line."""

    def __init__(self, path):
        self.path = path

    def taken(self):
        """What ran since the last look, sorted."""
        lines = self.path.read_text().splitlines() if self.path.exists() else []
        self.path.write_text("")
        return sorted(lines)


@pytest.fixture
def effects(tmp_path):
    return Effects(tmp_path / "effects")


def code(effects, then="result = x", **inputs):
    text = f"with open({str(effects.path)!r}, 'a') as file:\n    file.write(f'{{x}}\\n')\n{then}"
    return {"code": text, "inputs": {"x": "${item}", **inputs}}


def batch(effects, items, then="result = x", **settings):
    settings = {"items": items, "error_handling": "continue", **settings}
    return {"id": "each", "type": "code", "params": code(effects, then), "batch": settings}


def flow(*nodes, **more):
    return {"nodes": list(nodes), **more}


def results(run):
    return [entry and entry["result"] for entry in run.outputs["results"]]


class Runner:
    """Runs a document file under one journal, and resumes it after edits."""

    def __init__(self, folder, journal):
        self.file = folder / "flow.json"
        self.journal = journal

    def run(self, document, params=None):
        self.file.write_text(json.dumps(document))
        return batchmill.run(self.file, params, journal=self.journal)

    def resume(self, document=None, params=None, **more):
        if document is not None:
            self.file.write_text(json.dumps(document))
        return batchmill.resume("last", params, journal=self.journal, **more)


@pytest.fixture
def runner(tmp_path, journal):
    return Runner(tmp_path, journal)


def counts(run):
    """Kept, redone, new, changed; what is gone only where something is."""
    *others, gone = run.resumed.values()
    return (*others, gone) if gone else tuple(others)


def test_a_finished_run_is_left_as_it_is(runner, effects):
    first = runner.run(flow(batch(effects, [1, 2, 3])))
    assert effects.taken() == ["1", "2", "3"]
    again = runner.resume()
    assert effects.taken() == []
    assert again.untouched
    assert (again.run, again.status, again.outputs) == (first.run, first.status, first.outputs)


EDITS = {
    "one edited": ([1, 2, 9, 4], ["9"], (3, 0, 0, 1)),
    "one at the front": ([0, 1, 2, 3, 4], ["0"], (4, 0, 1, 0)),
    "one in the middle": ([1, 2, 7, 3, 4], ["7"], (4, 0, 1, 0)),
    "two at the end": ([1, 2, 3, 4, 5, 6], ["5", "6"], (4, 0, 2, 0)),
    "one removed": ([1, 3, 4], [], (3, 0, 0, 0, 1)),
    "the last removed": ([1, 2, 3], [], (3, 0, 0, 0, 1)),
    "all removed": ([], [], (0, 0, 0, 0, 4)),
    "turned round": ([4, 3, 2, 1], [], (4, 0, 0, 0)),
    "twice the same": ([1, 1, 2, 3, 4], ["1"], (4, 0, 1, 0)),
    "all others": ([5, 6], ["5", "6"], (0, 0, 0, 2, 2)),
}


@pytest.mark.parametrize("executor", ["sequential", "thread"])
@pytest.mark.parametrize("edit", EDITS)
def test_edited_items_redo_only_what_changed(runner, effects, edit, executor):
    items, ran, told = EDITS[edit]
    runner.run(flow(batch(effects, [1, 2, 3, 4], executor=executor)))
    effects.taken()
    run = runner.resume(flow(batch(effects, items, executor=executor)))
    assert effects.taken() == ran
    assert results(run) == items
    assert counts(run) == told
    reasons = " ".join(run.changed_by.get("each", ()))
    number, first = told[3], items[2] if told[3] == 1 else (items or [0])[0]
    many = f"{number} item{'s' * (number > 1)}"
    place = 2 if number == 1 else 0
    assert reasons == (f"its items ({many}, such as item {place}: {first})" if number else "")
    with Reader(Journal(runner.journal)) as reader:
        visit = reader.visits(reader.run("last"))[-1]
        kept = [one.item for one in reader.items(visit)]
    assert (kept, visit.done, visit.total) == (items, len(items), len(items))
    again = runner.resume(flow({**batch(effects, items, executor=executor), "purpose": "another"}))
    assert counts(again) == (len(items), 0, 0, 0), "what is gone is told once"


def test_of_many_items_only_those_are_run_that_changed_or_are_damaged(runner, effects, journal):
    """Items are matched in stretches of 500; those in which all is as it was are taken at once."""
    items = list(range(1600))
    runner.run(flow(batch(effects, items)))
    effects.taken()
    with sqlite3.connect(journal) as connection:
        connection.execute("UPDATE outcome SET value = '1,2' WHERE position = 1203")
        connection.execute("DELETE FROM outcome WHERE position = 1599")
        connection.execute("UPDATE run SET status = 'running'")
    connection.close()
    edited = [*items[:700], 7000, *items[701:]]
    run = runner.resume(flow(batch(effects, edited)))
    assert effects.taken() == ["1203", "1599", "7000"]
    assert results(run) == edited
    assert counts(run) == (1597, 1, 1, 1)


def test_an_edit_and_its_reversal_run_nothing(runner, effects):
    first = flow(batch(effects, list(range(20))))
    runner.run(first)
    runner.resume(flow(batch(effects, list(range(10, 30)))))
    effects.taken()
    run = runner.resume(first)
    assert effects.taken() == []
    assert results(run) == list(range(20))


def test_duplicates_are_each_run_once(runner, effects):
    runner.run(flow(batch(effects, [7, 7, 7])))
    assert effects.taken() == ["7", "7", "7"]
    runner.resume(flow(batch(effects, [7, 7, 7, 7, 7])))
    assert effects.taken() == ["7", "7"]


def test_failures_are_run_again(runner, effects):
    broken = batch(effects, [1, 2, 3], then="assert x != 2\nresult = x")
    run = runner.run(flow(broken))
    assert (run.status, effects.taken()) == ("degraded", ["1", "2", "3"])
    again = runner.resume(failed_only=True)
    assert effects.taken() == ["2"]
    assert again.status == "degraded"
    assert counts(again) == (2, 1, 0, 0)


def test_failed_only_leaves_out_what_was_never_begun(runner, effects, tmp_path):
    gate = tmp_path / "gate"
    then = f"import os\nassert x != 1 or os.path.exists({str(gate)!r})\nresult = x"
    runner.run(flow(batch(effects, [0, 1, 2, 3], then=then, error_handling="fail_fast")))
    assert effects.taken() == ["0", "1"]
    gate.touch()
    run = runner.resume(failed_only=True)
    assert effects.taken() == ["1"]
    assert results(run) == [0, 1, None, None]
    assert runner.resume().status == "success"
    assert effects.taken() == ["2", "3"]


def test_edited_code_and_upstream_values_redo_all(runner, effects):
    first = {"id": "first", "type": "echo", "params": {"message": "a"}}
    each = batch(effects, [1, 2])
    each["params"]["inputs"]["said"] = "${first.echo}"
    runner.run(flow(first, each))
    effects.taken()
    first["params"]["message"] = "b"
    assert counts(runner.resume(flow(first, each))) == (0, 0, 0, 3)
    assert effects.taken() == ["1", "2"]
    each["params"]["code"] += "\nresult = x + 1"
    assert results(runner.resume(flow(first, each))) == [2, 3]
    assert effects.taken() == ["1", "2"]


def test_only_the_value_that_is_referred_to_counts(runner, effects):
    first = {"id": "first", "type": "code", "params": {"code": "result = {'a': 1, 'b': 1}"}}
    each = batch(effects, [1, 2])
    each["params"]["inputs"]["a"] = "${first.result.a}"
    runner.run(flow(first, each))
    effects.taken()
    first["params"]["code"] = "result = {'a': 1, 'b': 2}"
    runner.resume(flow(first, each))
    assert effects.taken() == []


def test_what_an_item_takes_from_another_list_belongs_to_it(runner, effects):
    def document(second):
        names = {"id": "names", "type": "code", "params": {"code": f"result = ['a', '{second}', 'c']"}}
        each = batch(effects, [1, 2, 3])
        each["params"]["inputs"]["name"] = "${names.result[${__index__}]}"
        return flow(names, each)

    runner.run(document("b"))
    effects.taken()
    runner.resume(document("x"))
    assert effects.taken() == ["2"]


def test_the_position_counts_where_it_is_used(runner, effects):
    def document(items):
        each = batch(effects, items)
        each["params"]["inputs"]["i"] = "${__index__}"
        return flow(each)

    runner.run(document([1, 2, 3]))
    effects.taken()
    runner.resume(document([1, 3, 2]))
    assert effects.taken() == ["2", "3"]


def test_the_function_of_a_python_node_counts(runner, tmp_path):
    module = tmp_path / "counted.py"
    module.write_text("def double(n):\n    return 2 * n\n\n\ndef other():\n    return 1\n")
    each = {
        "id": "each",
        "type": "python",
        "params": {"function": "counted:double", "inputs": {"n": "${item}"}},
        "batch": {"items": [1, 2]},
    }
    runner.run(flow(each))
    module.write_text(module.read_text().replace("return 1", "return 11"))
    assert counts(runner.resume(flow({**each, "purpose": "an edit"}))) == (2, 0, 0, 0)
    module.write_text(module.read_text().replace("2 * n", "n + n"))
    assert counts(runner.resume(flow({**each, "purpose": "another edit"}))) == (0, 0, 0, 2)


def test_values_that_json_does_not_hold_are_noted_and_computed_again(runner, effects, journal):
    odd = {1: "(1, 2)", 2: "{1: 2}", 3: "float('nan')", 4: "object", 5: "b'x'", 6: "[1, 2]"}
    table = "{" + ", ".join(f"{n}: {text}" for n, text in odd.items()) + "}"
    runner.run(flow(batch(effects, list(odd), then=f"result = {table}[x]")))
    effects.taken()
    runner.resume(failed_only=True)
    assert effects.taken() == ["1", "2", "3", "4", "5"]
    connection = sqlite3.connect(journal)
    states = dict(connection.execute("SELECT item, state FROM outcome WHERE item IS NOT NULL"))
    connection.close()
    assert states == {"1": 2, "2": 2, "3": 2, "4": 2, "5": 2, "6": 0}


def test_large_values_lie_in_files_that_are_shared(runner, effects, journal):
    runner.run(flow(batch(effects, [1, 2], then="result = 'y' * 200_000")))
    files = [path for path in Journal(journal).files.folder.rglob("*") if path.is_file()]
    assert len(files) == 1
    assert files[0].stat().st_mode & 0o077 == 0
    effects.taken()
    run = runner.resume(flow(batch(effects, [1, 2, 3], then="result = 'y' * 200_000")))
    assert effects.taken() == ["3"]
    assert [len(value) for value in results(run)] == [200_000] * 3
    files[0].write_text("something else")
    runner.resume(failed_only=True)
    assert effects.taken() == ["1", "2", "3"]


def test_large_items_are_known_again(runner, effects):
    items = ["a" * 100_000, "b" * 2000, "b" * 2001]
    runner.run(flow(batch(effects, items, then="result = len(x)")))
    effects.taken()
    run = runner.resume(flow(batch(effects, items[::-1], then="result = len(x)")))
    assert effects.taken() == []
    assert results(run) == [2001, 2000, 100_000]


def test_loops_go_on_where_they_were(runner, effects, tmp_path):
    gate = tmp_path / "gate"
    then = f"import os\nassert x < 3 or os.path.exists({str(gate)!r})\nresult = x + 1"
    node = {
        "id": "count",
        "type": "code",
        "params": code(effects, then, x=0),
        "loop": {
            "until": "${count.result | json} == 5",
            "carry": {"x": "${count.result}"},
            "max_iterations": 6,
        },
    }
    node["loop"] = {"while": "${count.result}", "carry": {"x": "${count.result}"}, "max_iterations": 6}
    assert runner.run(flow(node)).status == "failed"
    assert effects.taken() == ["0", "1", "2", "3"]
    gate.touch()
    run = runner.resume()
    assert run.outputs["result"] == 6
    assert effects.taken() == ["3", "4", "5"]
    assert counts(run)[0] == 3


def test_branches_and_sub_workflows_go_on_where_they_were(runner, effects, tmp_path):
    gate = tmp_path / "gate"
    opening = f"open({str(gate)!r}).close()\nresult = x"
    inner = flow(
        {"id": "in", "type": "code", "params": code(effects, x="inner")},
        {
            "id": "then",
            "type": "code",
            "params": code(effects, opening, x="then"),
        },
        outputs={"got": {"source": "${then.result}"}},
    )
    document = {
        "pipeline": [
            {
                "parallel": [
                    {"id": "a", "type": "code", "params": code(effects, x="a")},
                    [{"id": "b", "type": "code", "params": code(effects, x="b")}],
                ]
            },
            {"id": "sub", "type": "workflow", "params": {"workflow": inner}},
        ],
        "outputs": {"got": {"source": "${sub.got}"}},
    }
    assert runner.run(document).status == "failed"
    assert effects.taken() == ["a", "b", "inner", "then"]
    gate.touch()
    run = runner.resume()
    assert run.outputs == {"got": "then"}
    assert effects.taken() == ["then"]


def test_streaming_stages_go_on_where_they_were(runner, effects, tmp_path):
    gate = tmp_path / "gate"
    check = f"import os\nassert x['result'] != 3 or os.path.exists({str(gate)!r})\nresult = x['result'] * 10"
    first = batch(effects, [1, 2, 3, 4], executor="thread")
    second = {
        "id": "more",
        "type": "code",
        "params": {"code": check, "inputs": {"x": "${item}"}},
        "batch": {
            "items": "${each.results}",
            "stream": True,
            "executor": "thread",
            "error_handling": "continue",
        },
    }
    assert runner.run(flow(first, second)).status == "degraded"
    effects.taken()
    gate.touch()
    run = runner.resume(failed_only=True)
    assert effects.taken() == []
    assert results(run) == [10, 20, 30, 40]
    assert counts(run) == (7, 1, 0, 0)


def test_recorded_calls_come_back(runner, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "asking.py").write_text(
        "from batchmill.nodes import Node, NodeResult\nfrom batchmill.record import LLMCall\n\n\n"
        "class Ask(Node):\n    type = 'ask'\n    summary = 'Ask.'\n    open_params = True\n\n"
        "    def run(self, params, attempt):\n"
        "        attempt.recorder.append(LLMCall('m', prompt=str(params['x']), input_tokens=3))\n"
        "        return NodeResult({'n': params['x']})\n"
    )
    each = {"id": "each", "type": "asking:Ask", "params": {"x": "${item}"}, "batch": {"items": [1, 2]}}
    first = runner.run(flow(each))
    again = runner.resume(failed_only=True)
    assert again.llm_calls == first.llm_calls
    assert [call["prompt"] for call in again.llm_calls] == ["1", "2"]
    assert counts(again) == (2, 0, 0, 0)


def test_secrets_are_not_kept(runner, effects, journal):
    each = batch(effects, [1, 2], then="result = f'{token}-{x}' if x == 1 else x")
    each["params"]["inputs"]["token"] = "${token}"
    document = flow(each, inputs={"token": {"secret": True}})
    runner.run(document, {"token": "hunter2-hunter2"})
    effects.taken()
    with pytest.raises(batchmill.InvalidDocument) as raised:
        runner.resume(failed_only=True)
    assert "token=..." in raised.value.__notes__[0]
    run = runner.resume(params={"token": "hunter2-hunter2"})
    assert effects.taken() == ["1"]
    assert run.status == "success"
    for path in journal.parent.glob("runs.sqlite*"):
        if path.is_file():
            assert b"hunter2" not in path.read_bytes()


def test_a_second_process_is_kept_out(runner, effects, journal):
    runner.run(flow(batch(effects, [1])))
    with Reader(Journal(journal)) as reader:
        name = reader.run("last").name
    lock = Journal(journal).lock(name)
    try:
        with pytest.raises(batchmill.RunLocked, match=f"run {name} is being run by process"):
            runner.resume(failed_only=True)
    finally:
        lock.release()
    assert runner.resume(failed_only=True).status == "success"


def test_cached_outcomes_are_those_of_earlier_runs(runner, effects):
    single = {"id": "one", "type": "code", "params": code(effects, x="one"), "cache": True}
    each = {**batch(effects, [1, 2]), "cache": True}
    runner.run(flow(single, each))
    assert effects.taken() == ["1", "2", "one"]
    each["batch"]["items"] = [3, 2, 2]
    run = runner.run(flow(single, each))
    assert effects.taken() == ["3"]
    assert results(run) == [3, 2, 2]
    single["params"] = code(effects, x="two")
    runner.run(flow({**single, "cache": False}, each))
    assert effects.taken() == ["two"]
    with Reader(Journal(runner.journal)) as reader:
        visit = reader.visits(reader.run("last"))[-1]
        assert [one.item for one in reader.items(visit)] == [3, 2, 2]


def test_another_process_may_read_while_the_run_writes(runner, effects, journal):
    """Whoever closes the journal last clears up after it; a reader must not take itself for the last."""
    import subprocess
    import sys

    look = (
        "import sqlite3, sys; sqlite3.connect(sys.argv[1]).execute('SELECT count(*) FROM outcome').fetchall()"
    )
    done = threading.Event()

    def read():
        while not done.is_set():
            subprocess.run([sys.executable, "-c", look, str(journal)], capture_output=True)

    reader = threading.Thread(target=read)
    reader.start()
    try:
        runner.run(flow(batch(effects, list(range(60)), then="import time; time.sleep(0.01); result = x")))
    finally:
        done.set()
        reader.join()
    connection = sqlite3.connect(journal)
    assert connection.execute("SELECT count(*) FROM outcome").fetchone() == (60,)
    connection.close()


def test_a_clock_that_jumps_changes_no_duration(runner, effects, monkeypatch):
    import time

    real, jumps = time.time, iter(range(0, -(10**9), -86_400))
    monkeypatch.setattr(time, "time", lambda: real() + next(jumps))
    run = runner.run(flow(batch(effects, [1, 2])))
    assert 0 <= run.timing["wall"] < 60
    with Reader(Journal(runner.journal)) as reader:
        assert 0 <= reader.run("last").wall < 60
    assert runner.resume(failed_only=True).status == "success"


def test_what_the_document_does_not_have_any_more_is_gone(runner, effects):
    last = {"id": "last", "type": "echo", "params": {"message": "x"}}
    runner.run(flow(batch(effects, [1, 2]), last))
    run = runner.resume(flow({**last, "id": "other"}))
    assert run.resumed == {"kept": 0, "redone": 0, "new": 1, "changed": 0, "gone": 3}


@pytest.mark.parametrize("largest", [8 << 20, 10], ids=["saved", "too large to save"])
def test_a_finished_run_keeps_its_failures(effects, journal, monkeypatch, largest):
    monkeypatch.setattr("batchmill.runs.journaled.LARGEST_RESULT", largest)
    document = flow(batch(effects, [1, 2, 3], "result = 1 / (x - 2)"))
    first = batchmill.run(document, journal=journal)
    assert effects.taken() == ["1", "2", "3"]
    again = batchmill.resume("last", journal=journal)
    assert effects.taken() == []
    assert (again.status, again.errors, again.resumed["kept"]) == ("degraded", first.errors, 2)
    for name in ("results", "errors", "error_count"):
        assert again.outputs[name] == first.outputs[name]
    batchmill.resume("last", journal=journal, failed_only=True)
    assert effects.taken() == ["2"]


def test_failures_run_again_where_something_changed(effects, journal, monkeypatch):
    monkeypatch.setattr("batchmill.runs.journaled.LARGEST_RESULT", 10)
    helper = effects.path.parent / "data"
    helper.write_text("a")
    read = {"id": "read", "type": "read-file", "params": {"file_path": str(helper)}}
    batchmill.run(flow(batch(effects, [1, 2, 3], "result = 1 / (x - 2)"), read), journal=journal)
    assert effects.taken() == ["1", "2", "3"]
    helper.write_text("b")
    batchmill.resume("last", journal=journal)
    assert effects.taken() == ["2"]
