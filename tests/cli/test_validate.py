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
    assert told == {"schema": "batchmill.validation/1", "source": str(path), "valid": True, "problems": []}


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
