"""resume as a command, of a run of a flow."""

import json
import sys

import pytest

from batchmill.errors import InvalidSetting
from batchmill.journal.journal import Journal
from batchmill.journal.reading import Reader
from batchmill.runs.resume import resume

PROGRAM = """
from batchmill import AsyncFlow, AsyncNode, BatchNode, Flow, Node
import os

class Ask(Node):
    def exec(self, _):
        with open("asked", "a") as file:
            file.write("x")
        return "asked", 1

class Each(BatchNode):
    def prep(self, shared):
        return shared["words"]
    def exec(self, word):
        if word == "bad" and not os.path.exists("repaired"):
            raise ValueError("no " + word)
        return word.upper()
    def post(self, shared, words, upper):
        shared["upper"] = list(upper)

class Later(AsyncNode):
    async def exec_async(self, _):
        if not os.path.exists("repaired"):
            raise ValueError("too early")
    async def post_async(self, shared, prep_res, exec_res):
        shared["later"] = True

ask = Ask()
ask >> Each()
flow = Flow(ask)
tolerant = Flow(Each(executor="thread", error_handling="continue"))
later = AsyncFlow(Later())

def made():
    return Flow(Ask() >> Each())
"""


@pytest.fixture
def program(tmp_path, monkeypatch):
    """The program as a module that is imported."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "program_of_a_test.py").write_text(PROGRAM)
    monkeypatch.syspath_prepend(tmp_path)
    import program_of_a_test

    yield program_of_a_test
    del sys.modules["program_of_a_test"]


JOURNAL = ".batchmill/runs.sqlite"


def begin(flow, words=("a", "bad")):
    with pytest.raises(ValueError, match="no bad"):
        flow.run({"words": list(words)}, journal=JOURNAL)


def test_a_flow_of_a_module_is_gone_on_with(program, batchmill_command, tmp_path):
    begin(program.flow)
    code, out, err = batchmill_command("resume")
    assert code == 1
    assert "ValueError: no bad" in err
    assert "resume with: batchmill resume" in err
    (tmp_path / "repaired").touch()
    code, out, err = batchmill_command("resume", "--json")
    assert code == 0, err
    found = json.loads(out)
    assert found["outputs"] == {"words": ["a", "bad"], "upper": ["A", "BAD"]}
    assert found["resumed"] == {"kept": 2, "redone": 1, "new": 0, "changed": 0, "gone": 0}
    assert set(found["nodes"]) == {"Ask", "Each"}
    assert (tmp_path / "asked").read_text() == "x"
    code, out, err = batchmill_command("resume", "--json")
    assert json.loads(out)["outputs"] == found["outputs"]
    assert "nothing to do" in err


def test_failed_items_of_one_that_is_at_its_end_run_again(program, batchmill_command, tmp_path):
    program.tolerant.run({"words": ["a", "bad"]}, journal=JOURNAL)
    assert batchmill_command("resume", "-q")[0] == 3
    (tmp_path / "repaired").touch()
    code, out, err = batchmill_command("resume", "--failed", "--json")
    assert code == 0, err
    assert json.loads(out)["outputs"]["upper"] == ["A", "BAD"]


def test_an_async_flow(program, batchmill_command, tmp_path):
    import asyncio

    with pytest.raises(ValueError, match="early"):
        asyncio.run(program.later.run_async({}, journal=JOURNAL))
    (tmp_path / "repaired").touch()
    code, out, err = batchmill_command("resume", "-q")
    assert (code, out.strip()) == (0, "true"), err


def test_a_flow_that_a_function_makes_is_run_by_its_program(program, batchmill_command):
    begin(program.made())
    code, _, err = batchmill_command("resume")
    assert code == 2
    assert "no module names it" in err
    assert "with the same journal" in err


def test_a_store_that_is_not_kept(program, batchmill_command):
    with pytest.raises(ValueError, match="no bad"):
        program.flow.run({"words": ["bad"], "client": object()}, journal=JOURNAL)
    code, _, err = batchmill_command("resume")
    assert code == 2
    assert "because it is not JSON" in err


@pytest.mark.parametrize("option", [["--dry-run"], ["--limit", "3"], ["--only", "Ask"], ["words=1"]])
def test_what_only_documents_know(program, batchmill_command, option):
    begin(program.flow)
    code, _, err = batchmill_command("resume", *option)
    assert code == 2
    assert "cannot be used with a run of a flow" in err


def test_from_python_the_flow_itself_is_needed(program):
    begin(program.flow)
    with pytest.raises(InvalidSetting, match="run the flow again"):
        resume(journal=JOURNAL)


def test_a_module_that_cannot_be_imported_any_more(program, batchmill_command, tmp_path):
    begin(program.flow)
    (tmp_path / "program_of_a_test.py").write_text("syntax error")
    del sys.modules["program_of_a_test"]
    code, _, err = batchmill_command("resume")
    assert code == 2
    assert "cannot be imported: SyntaxError" in err
    sys.modules["program_of_a_test"] = program
    with Reader(Journal(JOURNAL)) as reader:
        assert [run.status for run in reader.runs()] == ["failed"]
