"""``run -``: the document comes from standard input."""

import io
import json
import sys

import pytest

from batchmill.cli.main import outcome

SHOUT = {"nodes": [{"id": "a", "type": "code", "params": {"code": "result = 6 * 7"}}]}
YAML = """\
nodes:
  - {id: a, type: code, params: {code: result = 6 * 7}}
outputs: {out: {source: "${a.result}"}}
"""


@pytest.fixture
def call(tmp_path, monkeypatch, capfd):
    """Run a command with a document on standard input; code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)

    def called(document, *arguments):
        text = document if isinstance(document, str) else json.dumps(document)
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
        code = outcome(list(arguments))
        out, err = capfd.readouterr()
        assert "Traceback" not in err
        return code, out, err

    return called


@pytest.mark.parametrize("text", [YAML, "# by hand\n" + YAML, "\ufeff" + YAML])
def test_yaml_is_run(call, text):
    assert call(text, "run", "-", "-q")[:2] == (0, "42\n")


def test_json_is_run(call):
    document = SHOUT | {"outputs": {"out": {"source": "${a.result}"}}}
    assert call(json.dumps(document, indent=2), "run", "-", "-q")[:2] == (0, "42\n")


@pytest.mark.parametrize("command", ["run", "plan", "validate"])
def test_a_fault_has_its_place(call, command):
    code, _, err = call('{"nodes": [\n  {"id": "a", "type": "cod"}]}', command, "-")
    assert code == 2
    assert "line 2" in err or ":2:" in err
    assert "standard input" in err
    assert "`code`" in err


@pytest.mark.parametrize(
    ("text", "words"), [("", "is empty"), (" \n", "is empty"), ('{"nodes": [', "is not JSON")]
)
def test_what_is_no_document_is_said(call, text, words):
    code, _, err = call(text, "run", "-")
    assert code == 2
    assert words in err


def test_a_run_is_resumed_from_what_the_journal_keeps(call, tmp_path):
    failing = "import os\nif not os.path.exists('ready'): raise OSError('not yet')\nresult = 'there'"
    first = {
        "id": "first",
        "type": "code",
        "params": {"code": "with open('log', 'a') as log: print('once', file=log)"},
    }
    document = {"nodes": [first, {"id": "a", "type": "code", "params": {"code": failing}}]}
    assert call(document, "run", "-", "-q")[0] == 1
    (tmp_path / "ready").touch()
    code, out, _ = call("", "resume", "--json", "-q")
    assert code == 0
    assert json.loads(out)["resumed"]["kept"] == 1
    assert (tmp_path / "log").read_text() == "once\n"


def test_an_input_that_takes_standard_input_is_refused_until_it_is_given(call):
    document = {
        "inputs": {"text": {"stdin": True, "default": "x"}},
        "nodes": [{"id": "a", "type": "echo", "params": {"message": "${text}"}}],
        "outputs": {"out": {"source": "${text}"}},
    }
    code, _, err = call(document, "run", "-")
    assert code == 2
    assert "'text' is taken from standard input, which held the document itself" in err
    assert call(document, "run", "-", "-q", "text=given")[:2] == (0, "given\n")


def test_items_out_of_standard_input_are_refused(call):
    node = {
        "id": "a",
        "type": "echo",
        "batch": {"items": {"stdin": "lines"}},
        "params": {"message": "${item}"},
    }
    code, _, err = call({"nodes": [node]}, "run", "-")
    assert code == 2
    assert "$.nodes[0].batch.items.stdin" in err
    assert "the items of `a` come from standard input, which held the document itself" in err


def test_items_of_a_workflow_inside_too(call):
    node = {
        "id": "a",
        "type": "echo",
        "batch": {"items": {"stdin": "lines"}},
        "params": {"message": "${item}"},
    }
    outer = {"id": "outer", "type": "workflow", "params": {"workflow": {"nodes": [node]}}}
    code, _, err = call({"nodes": [outer]}, "run", "-")
    assert code == 2
    assert "the items of `outer.a` come from standard input" in err
