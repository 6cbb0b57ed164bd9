"""``batchmill validate``."""

import json

from batchmill.cli.main import outcome


def test_a_valid_document(tmp_path, capfd):
    path = tmp_path / "good.json"
    path.write_text('{"nodes": [{"id": "a", "type": "echo"}]}')
    assert outcome(["validate", str(path)]) == 0
    assert capfd.readouterr().out == f"{path}: valid\n"
    assert outcome(["validate", str(path), "--json"]) == 0
    told = json.loads(capfd.readouterr().out)
    assert told == {
        "schema": "batchmill.validation/1",
        "source": str(path),
        "valid": True,
        "problems": [],
        "warnings": [],
    }


def test_every_problem_with_its_place(tmp_path, capfd):
    path = tmp_path / "bad.yaml"
    path.write_text("nodes:\n  - id: a\n    type: ehco\n  - id: a\n    type: echo\n    bach: {}\n")
    assert outcome(["validate", str(path)]) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert "did you mean `echo`?" in err
    assert "(line 3, column 11)" in err
    assert outcome(["validate", str(path), "--json"]) == 2
    out, err = capfd.readouterr()
    told = json.loads(out)
    assert err == ""
    assert told["valid"] is False
    assert {problem["path"] for problem in told["problems"]} == {
        "$.nodes[0].type", "$.nodes[1].id", "$.nodes[1].bach"}  # fmt: skip
    assert all(problem["line"] for problem in told["problems"])


def test_nothing_is_run(tmp_path, capfd, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "touches.py").write_text("open('imported', 'w')\ndef f(): pass\n")
    (tmp_path / "d.json").write_text(json.dumps({"nodes": [
        {"id": "a", "type": "shell", "params": {"command": "touch ran"}},
        {"id": "b", "type": "python", "params": {"function": "touches:f"}}]}))  # fmt: skip
    assert outcome(["validate", "d.json"]) == 0
    assert {path.name for path in tmp_path.iterdir()} == {"touches.py", "d.json"}


DOUBTFUL = "nodes:\n  - {id: a, type: echo}\n  - {id: b, type: echo, params: {data: 3.10}}\nedges: []\n"


def test_what_is_hardly_meant_is_listed_as_warnings(batchmill_command, tmp_path):
    (tmp_path / "d.yaml").write_text(DOUBTFUL)
    code, out, err = batchmill_command("validate", "d.yaml")
    assert (code, out) == (0, "d.yaml: valid, 2 warnings\n")
    first, second = err.splitlines()
    assert first.startswith("warning: $.nodes[1].id (line 3, column 10): the node `b` never runs: ")
    assert second.startswith(
        "warning: $.nodes[1].params.data (line 3, column 40): 3.10 is read as the number 3.1; "
    )
    code, out, err = batchmill_command("validate", "d.yaml", "--json")
    assert (code, err) == (0, "")
    told = json.loads(out)
    assert told["valid"] is True
    assert [(one["code"], one["path"], one["line"], one["column"]) for one in told["warnings"]] == [
        ("unreached-node", "$.nodes[1].id", 3, 10),
        ("number-from-text", "$.nodes[1].params.data", 3, 40),
    ]
    assert all(one["message"] and one["hint"] for one in told["warnings"])


def test_warnings_are_listed_beside_problems(batchmill_command, tmp_path):
    (tmp_path / "d.yaml").write_text(DOUBTFUL + "outputs: {o: {source: '${nobody}'}}\n")
    code, out, err = batchmill_command("validate", "d.yaml", "--json")
    assert code == 2
    assert len(json.loads(out)["problems"]) == 1
    assert len(json.loads(out)["warnings"]) == 2
    code, out, err = batchmill_command("validate", "d.yaml")
    assert (code, out) == (2, "")
    assert err.count("warning: ") == 2
    code, out, err = batchmill_command("run", "d.yaml")
    assert (code, out) == (2, "")
    assert err.count("warning: ") == 0


def test_the_document_as_a_whole_is_called_that(batchmill_command, tmp_path):
    (tmp_path / "d.yaml").write_text("inputs: {}\n")
    code, _, err = batchmill_command("validate", "d.yaml")
    assert code == 2
    assert "  the document (line 1, column 1): `nodes` is missing" in err
    _, out, _ = batchmill_command("validate", "d.yaml", "--json")
    assert json.loads(out)["problems"][0]["path"] == "$"
