"""What ``--json`` prints if an error ends a command: one object, in addition to the message on stderr."""

import json

import pytest

from batchmill.cli.main import outcome

RUN_KEYS = ("schema", "run", "status", "outputs", "nodes", "errors", "warnings", "llm_calls", "timing")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad.yaml").write_text("nodes:\n  - id: a\n    type: ehco\n  - id: a\n    type: echo\n")
    (tmp_path / "good.json").write_text('{"nodes": [{"id": "a", "type": "echo"}]}')
    return tmp_path


def _told(capfd, *arguments):
    code = outcome(arguments)
    out, err = capfd.readouterr()
    assert err.startswith("error: ")
    return code, json.loads(out)


def test_an_invalid_document_is_told_with_the_keys_of_a_run(folder, capfd):
    code, told = _told(capfd, "run", "bad.yaml", "--json")
    assert code == 2
    assert tuple(told) == RUN_KEYS
    assert (told["schema"], told["status"], told["run"]) == ("batchmill.run/1", "failed", None)
    kind, twice = told["errors"]
    assert (kind["type"], kind["path"], kind["line"]) == ("InvalidDocument", "$.nodes[0].type", 3)
    assert "did you mean `echo`?" in kind["message"]
    assert twice["path"] == "$.nodes[1].id"
    assert {"node", "index", "item", "attempts", "kind", "traceback"} < set(kind)


@pytest.mark.parametrize(
    ("arguments", "code", "schema"),
    [
        (("run", "no.json", "--json"), 2, "batchmill.run/1"),
        (("run", "good.json", "x=1", "--json"), 2, "batchmill.run/1"),
        (("run", "good.json", "--json", "--nonsense"), 2, "batchmill.run/1"),
        (("run", "bad.yaml", "--json", "--dry-run"), 2, "batchmill.error/1"),
        (("resume", "none", "--json"), 5, "batchmill.run/1"),
        (("plan", "bad.yaml", "--json"), 2, "batchmill.error/1"),
        (("show", "none", "--json"), 5, "batchmill.error/1"),
        (("runs", "--json"), 5, "batchmill.error/1"),
        (("nodes", "ehco", "--json"), 2, "batchmill.error/1"),
        (("validate", "--json"), 2, "batchmill.error/1"),
    ],
)
def test_each_command_prints_one_object(folder, capfd, arguments, code, schema):
    got, told = _told(capfd, *arguments)
    assert (got, told["schema"]) == (code, schema)
    assert all(entry["message"] and entry["type"] for entry in told["errors"])


@pytest.mark.parametrize(
    "arguments",
    [
        ("run", "bad.yaml"),
        ("map", "--json", "--items", "none*", "--", "echo"),  # prints lines, one for each item
        ("map", "--items", "none*", "--", "echo", "--json"),
    ],
)
def test_what_prints_no_object_prints_none_on_an_error(folder, capfd, arguments):
    assert outcome(arguments) == 2
    assert capfd.readouterr().out == ""


def test_an_error_after_the_result_adds_no_second_object(folder, capfd, monkeypatch):
    from batchmill.cli.at_the_end import FilesAtTheEnd

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(FilesAtTheEnd, "write", full)
    assert outcome(["run", "good.json", "--json"]) == 5
    assert json.loads(capfd.readouterr().out)["status"] == "success"


def test_a_resumed_run_keeps_its_form(folder, capfd):
    (folder / "fails.json").write_text(
        '{"nodes": [{"id": "a", "type": "shell", "params": {"command": "exit 3"}}]}'
    )
    assert outcome(["run", "fails.json", "--json"]) == 1
    capfd.readouterr()
    code, told = _told(capfd, "resume", "last", "--only", "nothing", "-q")
    assert (code, told["schema"]) == (2, "batchmill.run/1")
