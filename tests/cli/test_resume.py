"""resume as a command: which run, in which folder, with which settings, out of which items."""

import json
import os
import shutil

import pytest

from batchmill.errors import InvalidSetting
from batchmill.journal.journal import Journal
from batchmill.runs.resume import resume

# touches a file of its folder, and fails at "2" until there is a file `repaired`
COMMAND = 'test "${item}" != 2 -o -e repaired && touch "done-${item}" && echo "${item}"'


def flow(items, **more):
    node = {"id": "each", "type": "shell", "params": {"command": COMMAND}, "batch": {"items": items}}
    return {"nodes": [node], "outputs": {"o": {"source": "${each.results[*].stdout | join:','}"}}, **more}


@pytest.fixture
def folders(tmp_path, monkeypatch):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "flow.json").write_text(json.dumps(flow(["1", "2", "3"])))
    return tmp_path


@pytest.fixture
def command(batchmill_command, monkeypatch, folders):
    """``command("a", "run", "flow.json")``: the command called in the folder a."""

    def call(folder, *arguments, **more):
        monkeypatch.chdir(folders / folder)
        found = batchmill_command(*arguments, **more)
        assert os.getcwd() == str(folders / folder), "the folder of the caller is left as it was"
        return found

    return call


def test_a_run_goes_on_in_its_own_folder_wherever_the_command_is_given(command, folders):
    assert command("a", "run", "flow.json", "-q")[0] == 1
    (folders / "a" / "repaired").touch()
    (folders / "b" / "repaired").touch()
    code, out, err = command("b", "resume", "--journal", "../a/.batchmill/runs.sqlite")
    assert (code, out) == (0, "1,2,3\n")
    assert "1 kept, 1 redone, 1 new, 0 changed, 0 gone" in err
    assert {path.name for path in (folders / "a").glob("done-*")} == {"done-1", "done-2", "done-3"}
    assert list((folders / "b").glob("done-*")) == []


def test_a_folder_that_is_gone_is_told_and_nothing_runs(command, folders):
    assert command("a", "run", "flow.json", "-q", "--journal", "../j.sqlite")[0] == 1
    shutil.move(folders / "a", folders / "c")
    code, _, err = command("b", "resume", "--journal", "../j.sqlite")
    assert code == 2
    assert f"was begun in {folders / 'a'}, which is not there any more" in err
    assert list((folders / "b").glob("done-*")) == []
    shutil.move(folders / "c", folders / "a")
    assert command("b", "resume", "--journal", "../j.sqlite")[0] == 1, "the run is as it was"


def test_python_is_told_to_change_the_folder(command, folders, monkeypatch):
    command("a", "run", "flow.json", "-q")
    monkeypatch.chdir(folders / "b")
    journal = folders / "a" / ".batchmill" / "runs.sqlite"
    with pytest.raises(InvalidSetting, match=rf"begun in {folders / 'a'}, .* works in {folders / 'b'}"):
        resume(journal=journal)
    monkeypatch.chdir(folders / "a")
    assert resume(journal=journal).status == "failed"


def test_the_form_of_the_output_stays_unless_another_is_asked_for(command, folders):
    command("a", "run", "flow.json", "--json", "-q")
    (folders / "a" / "repaired").touch()
    code, out, _ = command("a", "resume", "-q")
    assert (code, json.loads(out)["status"]) == (0, "success")
    assert command("a", "resume", "last", "-q", "--no-json")[1] == "1,2,3\n"
    assert json.loads(command("a", "resume", "last", "-q")[1])["outputs"] == {"o": "1,2,3"}


def test_which_run_is_resumed_is_said(command, folders):
    (folders / "a" / "other.json").write_text(json.dumps({"nodes": [{"id": "a", "type": "echo"}]}))
    command("a", "run", "flow.json", "-q", "--name", "nightly")
    command("a", "run", "other.json", "-q")
    first = json.loads(command("a", "runs", "--json")[1])[1]
    assert (first["title"], first["status"]) == ("nightly: flow.json", "failed")
    _, _, err = command("a", "resume", "--progress", "none")
    assert err.splitlines()[0].startswith(f"resuming {first['run']} (nightly: flow.json), begun ")
    assert err.splitlines()[0].endswith(" ago, 1 run ago")
    assert command("a", "resume", "nightly", "-q")[0] == 1
    assert "nightly" in command("a", "show", "nightly")[1]


def test_another_environment_is_told(command, monkeypatch):
    command("a", "run", "flow.json", "-q")
    _, _, err = command("a", "resume")
    assert "note: " not in err
    _, _, err = command("a", "resume", TZ="Asia/Tokyo")
    assert "note: changed since the run began: TZ\n" in err


def test_items_out_of_standard_input_must_be_given_once_more(command, folders):
    (folders / "a" / "flow.json").write_text(json.dumps(flow({"stdin": "lines"})))
    assert command("a", "run", "flow.json", "-q", text="1\n2\n3\n")[0] == 1
    code, out, err = command("a", "resume", text="")
    assert (code, out) == (2, "")
    assert "the items of 'each' came from standard input, and it is empty now; give them again" in err
    (folders / "a" / "repaired").touch()
    code, out, err = command("a", "resume", text="1\n2\n3\n")
    assert (code, out) == (0, "1,2,3\n")
    assert "1 kept, 1 redone, 1 new" in err


def test_a_source_that_names_no_items_any_more_leaves_the_run_as_it_is(command, folders):
    """As with `map`: the run would end as done without its items."""
    (folders / "a" / "flow.json").write_text(json.dumps(flow({"lines": "names"})))
    (folders / "a" / "names").write_text("1\n2\n3\n")
    assert command("a", "run", "flow.json", "-q")[0] == 1
    (folders / "a" / "names").write_text("")
    for more in ((), ("-q",), ("--dry-run",)):
        code, out, err = command("a", "resume", "last", *more)
        assert (code, out) == (2, "")
        assert "is left as it is: there is nothing in the source of 'each', of which 2 items have" in err
    (folders / "a" / "names").write_text("1\n2\n3\n")
    (folders / "a" / "repaired").touch()
    assert command("a", "resume", "-q")[:2] == (0, "1,2,3\n")
    (folders / "a" / "names").write_text("")
    assert command("a", "resume", "last", "-q")[0] == 2, "of a run that has finished as well"


def test_a_list_that_another_node_gives_may_become_empty(command, folders):
    """What becomes of its items is told."""
    names = {"id": "names", "type": "code", "params": {"code": "result = ['1', '2']"}}
    document = flow("${names.result}")
    document["nodes"].insert(0, names)
    (folders / "a" / "flow.json").write_text(json.dumps(document))
    command("a", "run", "flow.json", "-q")
    names["params"]["code"] = "result = []"
    (folders / "a" / "flow.json").write_text(json.dumps(document))
    _, _, err = command("a", "resume", "last", "--progress", "none")
    assert "0 kept, 0 redone, 0 new, 1 changed, 2 gone" in err


def test_cached_outcomes_are_those_of_the_same_folder(command, folders, monkeypatch):
    monkeypatch.setenv("BATCHMILL_JOURNAL", str(folders / "shared.sqlite"))
    read = {"id": "d", "type": "read-file", "cache": True, "params": {"file_path": "x.txt"}}
    (folders / "v.json").write_text(
        json.dumps({"nodes": [read], "outputs": {"s": {"source": "${d.content}"}}})
    )
    for name in ("a", "b"):
        (folders / name / "x.txt").write_text(name)
    for name in ("a", "b"):
        assert command(name, "run", "../v.json", "-q")[1] == f"{name}\n"


@pytest.mark.parametrize("source", [{"glob": "*"}, {"stdin": "lines"}, {"lines": "names"}])
def test_a_runs_own_journal_is_none_of_its_items(command, folders, source):
    folder = folders / "a"
    names = ["flow.json", "./runs.sqlite"]
    node = {"id": "a", "type": "shell", "params": {"command": ["rm", "${item}"]}, "batch": {"items": source}}
    for _ in range(2):
        (folder / "flow.json").write_text(json.dumps({"nodes": [node]}))
        (folder / "names").write_text("\n".join(names))
        flags = ["--journal", "runs.sqlite", "--progress", "plain"]
        code, _, err = command("a", "run", "flow.json", *flags, text="\n".join(names))
        assert code == 0
    assert "left out, as files of this run: " in err
    assert (folder / "runs.sqlite").exists()
    assert not (folder / "flow.json").exists()


def test_the_journals_folder_is_no_business_of_git(command, folders):
    command("a", "run", "flow.json", "-q")
    assert (folders / "a" / ".batchmill" / ".gitignore").read_text() == "*\n"
    command("a", "run", "flow.json", "-q", "--journal", "kept/here.sqlite")
    assert not (folders / "a" / "kept" / ".gitignore").exists()
    assert Journal(folders / "a" / "kept" / "here.sqlite").path.exists()


def test_a_dry_run_of_map_knows_its_items(command, folders):
    command("a", "map", "--items", "range:0:4", "-q", "--", "test {} != 2")
    code, out, _ = command("a", "resume", "--dry-run", "--failed")
    assert (code, out.splitlines()[0]) == (0, "map: 3 kept, 1 redone, 0 new, 0 changed, 0 gone")
    assert command("a", "resume", "--dry-run")[1].endswith("is finished: nothing would be done\n")


def test_the_items_behind_a_limit_are_taken_up(command):
    code, out, err = command("a", "run", "flow.json", "--limit", "1")
    assert (code, out) == (0, "1\n")
    assert "no more than the first item were run" not in err
    assert "no more than the first item was run, as `--limit 1` asks for" in err
    assert "flow.json --limit 1" in command("a", "runs")[1]
    assert "no more than the first 1 item" in command("a", "show", "last")[1]
    assert "nothing to do; items were left out by --limit" in command("a", "resume", "last")[2]
    assert "beyond --limit 1" in command("a", "resume", "last", "--dry-run")[1]
    assert "1 kept, 0 redone, 2 new" in command("a", "resume", "last", "--dry-run", "--limit", "all")[1]
    assert command("a", "resume", "last", "--limit", "some")[0] == 2
    code, _, err = command("a", "resume", "last", "--limit", "all")
    assert code == 1, "the second one fails until it is repaired"
    assert "1 kept, 0 redone" in err


def test_failed_without_a_name_takes_the_latest_run_with_failures(command, folders):
    assert command("a", "map", "--items", '["a", "b"]', "-q", "exit 1")[0] == 1
    assert command("a", "map", "--items", "range:0:2", "-q", "test {} = 0 -o -e repaired")[0] == 3
    (folders / "a" / "repaired").touch()
    code, _, told = command("a", "resume", "--failed", "--progress", "none")
    assert code == 0
    assert "1 kept, 1 redone" in told


@pytest.mark.parametrize(
    "arguments", [("run", "flow.json", "-q"), ("map", "-q", "echo {}"), ("run", "in.json")]
)
def test_input_that_a_finished_run_does_not_read_is_told(command, folders, arguments):
    (folders / "a" / "flow.json").write_text(json.dumps(flow({"stdin": "lines"})))
    echo = {"id": "e", "type": "echo", "params": {"message": "${t}"}}
    (folders / "a" / "in.json").write_text(json.dumps({"inputs": {"t": {"stdin": True}}, "nodes": [echo]}))
    code, first, _ = command("a", *arguments, text="1\n3\n")
    assert code == 0
    code, out, err = command("a", "resume", "last", text="1\n3\n4\n")
    assert (code, out) == (0, first)
    assert "note: did not read standard input: a finished run keeps what it read then" in err
    assert "standard input" not in command("a", "resume", "last")[2]
