"""``batchmill init``: the document it writes runs, and nothing is overwritten."""

import json

import pytest

from batchmill.cli.main import outcome


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_what_it_writes_is_valid_and_runs(folder, capfd):
    assert outcome(["init"]) == 0
    _, err = capfd.readouterr()
    assert err == "wrote workflow.yaml\nnext: batchmill run workflow.yaml\n"
    (folder / "three bytes; rm *").write_text("abc")
    assert outcome(["validate", "workflow.yaml"]) == 0
    capfd.readouterr()
    assert outcome(["run", "workflow.yaml", "-q"]) == 0
    told = json.loads(capfd.readouterr().out)
    size = (folder / "workflow.yaml").stat().st_size
    largest = {"workflow.yaml": size, "three bytes; rm *": 3}
    assert told == {"files": 2, "failed": 0, "largest": largest}
    assert list(told["largest"]) == list(largest)


def test_a_file_that_is_there_stays(folder, capfd):
    (folder / "workflow.yaml").write_text("mine")
    assert outcome(["init"]) == 2
    assert "workflow.yaml is there already" in capfd.readouterr().err
    assert (folder / "workflow.yaml").read_text() == "mine"


def test_a_name_and_a_folder_of_ones_own(folder, capfd):
    assert outcome(["init", "new folder/flow.yml"]) == 0
    assert "next: batchmill run 'new folder/flow.yml'" in capfd.readouterr().err
    assert outcome(["validate", "new folder/flow.yml"]) == 0
    assert "batchmill plan 'new folder/flow.yml'" in (folder / "new folder/flow.yml").read_text()


def test_a_document_with_comments_is_no_json(folder, capfd):
    assert outcome(["init", "flow.json"]) == 2
    assert "ends in .yaml" in capfd.readouterr().err
    assert list(folder.iterdir()) == []


def test_a_place_that_cannot_be_written_is_the_environments_fault(folder, capfd):
    (folder / "file").touch()
    assert outcome(["init", "file/flow.yaml"]) == 5
    assert "file is no folder and cannot be made one" in capfd.readouterr().err
