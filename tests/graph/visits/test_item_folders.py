"""``workdir`` and ``keep``: a folder for each attempt at an item, and the files that are kept of it."""

import json
import os
from pathlib import Path

import pytest

import batchmill
from batchmill.errors import InvalidDocument
from batchmill.graph.compile.check import check
from batchmill.ir.loading import load
from batchmill.nodes.registry import default_registry
from batchmill.runs.run import run

EXECUTORS = ["sequential", "thread", pytest.param("process", marks=pytest.mark.slow)]
COMMAND = 'pwd; echo "${item}" > name.txt; mkdir out; echo "${__index__}" > out/number'


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def shell(command=COMMAND, items=("a", "b"), executor="sequential", **more):
    batch = {
        "items": list(items),
        "executor": executor,
        "error_handling": "continue",
        **more.pop("batch", {}),
    }
    return {
        "id": "each",
        "type": "shell",
        "params": {"command": command},
        "workdir": "item",
        "batch": batch,
    } | more


def begun(*nodes, journal="j.sqlite", **more):
    Path("d.json").write_text(json.dumps({"nodes": list(nodes), **more}))
    return run("d.json", journal=journal)


def work(result):
    """The folders that were left, as relative paths."""
    root = Path(".batchmill/work") / result.run
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_dir())


def kept(result):
    return [
        entry and [Path(path).read_text() for path in entry["kept"]] for entry in result.outputs["results"]
    ]


@pytest.mark.parametrize("executor", EXECUTORS)
def test_each_item_has_a_folder_of_which_files_are_kept(here, executor):
    result = begun(shell(executor=executor, keep=["*.txt", "out/*"]))
    assert result.status == "success", result.errors
    folders = [entry["stdout"] for entry in result.outputs["results"]]
    assert len(set(folders)) == 2
    assert all(Path(folder).parent == here / ".batchmill/work" / result.run / "each" for folder in folders)
    assert kept(result) == [["a\n", "0\n"], ["b\n", "1\n"]]
    assert not (here / ".batchmill/work" / result.run).exists()
    assert not (here / "name.txt").exists()


@pytest.mark.parametrize("executor", EXECUTORS)
def test_each_attempt_has_a_fresh_folder_and_that_of_a_failed_item_is_named(here, executor):
    command = 'test ! -e seen && touch seen; echo x >> ../../../../../"${item}"; test "${item}" = good'
    result = begun(shell(command, ["good", "bad"], executor, batch={"max_retries": 2}))
    (error,) = result.errors
    left = sorted((here / ".batchmill/work" / result.run / "each").iterdir())
    assert [path.name[0] for path in left] == ["1", "1"]
    assert str(left[1]) in error["message"]
    assert (here / "bad").read_text() == "x\nx\n"


@pytest.mark.slow
def test_the_folder_of_an_item_whose_worker_died_is_named(here):
    result = begun(shell("kill -9 $PPID", ["a"], "process"))
    (error,) = result.errors
    assert error["kind"] == "worker_died"
    assert f"/{work(result)[-1]}" in error["message"]


def test_an_item_that_fails_at_first_leaves_nothing_once_it_has_succeeded(here):
    command = "test -e ../../../../../again && exit; touch ../../../../../again; exit 1"
    result = begun(shell(command, ["a"], batch={"max_retries": 2}))
    assert (result.status, work(result)) == ("success", [])


@pytest.mark.parametrize(("remove", "left"), [("success", ["1"]), ("always", []), ("never", ["0", "1"])])
def test_when_folders_go(here, remove, left):
    node = shell('test "${item}" = a', workdir={"in": "scratch", "remove": remove})
    result = begun(node)
    folder = here / "scratch" / result.run / "each"
    assert [path.name[0] for path in sorted(folder.glob("*"))] == left


def test_a_relative_cwd_is_within_the_folder_and_templates_know_it(here):
    node = shell("pwd; mkdir -p ${__item__.workdir}/x", ["a"])
    node["params"]["cwd"] = "."
    result = begun(node)
    assert result.outputs["results"][0]["stdout"].startswith(str(here / ".batchmill/work"))
    code = {"id": "each", "type": "code", "workdir": "item", "keep": ["x"], "batch": {"items": [1]}}
    code["params"] = {
        "code": "with open(f'{where}/x', 'w') as file: file.write('!')\nresult = 1",
        "inputs": {"where": "${__item__.workdir}"},
    }
    result = begun(code)
    assert result.status == "success", result.errors
    assert kept(result) == [["!"]]


@pytest.mark.parametrize("executor", EXECUTORS)
def test_the_nodes_of_a_sub_workflow_work_in_the_folder_of_their_item(here, executor):
    inner = {
        "inputs": {"x": {}},
        "nodes": [
            {"id": "one", "type": "shell", "params": {"command": "echo ${x} > f"}},
            {"id": "two", "type": "shell", "params": {"command": "cat f; pwd"}, "batch": {"items": [1]}},
        ],
        "outputs": {"said": {"source": "${two.results[0].stdout}"}},
    }
    params = {"workflow": inner, "inputs": {"x": "${item}"}}
    node = shell(executor=executor, type="workflow", params=params, keep=["f"])
    result = begun(node)
    assert result.status == "success", result.errors
    said = [entry["said"].split("\n") for entry in result.outputs["results"]]
    assert [one[0] for one in said] == ["a", "b"]
    assert all(one[1].startswith(str(here / ".batchmill/work" / result.run / "each")) for one in said)
    assert kept(result) == [["a\n"], ["b\n"]]


def test_files_are_kept_where_the_document_says(here):
    node = shell(keep={"files": ["*.txt", "out"], "to": "made/${item}"})
    result = begun(node)
    assert [entry["kept"] for entry in result.outputs["results"]] == [
        [str(here / "made" / name / "name.txt"), str(here / "made" / name / "out/number")] for name in "ab"
    ]
    again = begun(node)
    assert (again.status, kept(again)) == ("success", kept(result))


def test_files_are_kept_by_the_place_of_the_row(here):
    Path("rows.txt").write_text("x\ny\n")
    node = shell(keep={"files": ["*.txt"], "to": "made/${__source__.line}"})
    node["batch"]["items"] = {"lines": "rows.txt"}
    assert begun(node).status == "success"
    assert [path.read_text() for path in sorted(Path("made").glob("*/name.txt"))] == ["x\n", "y\n"]


def test_two_items_cannot_keep_the_same_file(here):
    result = begun(shell(keep={"files": ["*.txt"], "to": "made"}))
    (error,) = result.errors
    assert (error["index"], error["type"]) == (1, "FileInUse")
    assert (here / "made/name.txt").read_text() == "a\n"


def test_a_pattern_that_nothing_fits_fails_the_item_unless_that_is_allowed(here):
    result = begun(shell(items=["a"], keep=["*.pdf"]))
    (error,) = result.errors
    assert error["type"] == "NothingToKeep"
    assert "'*.pdf'; there is name.txt, out/number" in error["message"]
    assert (here / ".batchmill/work" / result.run / work(result)[1] / "name.txt").exists()
    result = begun(shell(items=["a"], keep={"files": ["*.pdf"], "required": False}))
    assert (result.status, kept(result)) == ("success", [[]])


def test_what_a_link_leads_to_is_kept_and_what_cannot_be_written_is_removed(here):
    command = "echo x > f; ln -s f link; mkdir -p shut/in; touch shut/in/f; chmod a-w shut/in shut"
    result = begun(shell(command, ["a"], keep=["link"]))
    assert (kept(result), work(result)) == ([["x\n"]], [])
    assert not Path(result.outputs["results"][0]["kept"][0]).is_symlink()


def test_items_that_are_skipped_keep_nothing(here):
    result = begun(shell(keep=["*.txt"], when="${item == 'b'}"))
    assert (result.outputs["skipped_count"], kept(result), work(result)) == (1, [None, ["b\n"]], [])


@pytest.mark.parametrize("executor", EXECUTORS)
def test_an_item_is_run_again_where_a_file_that_it_kept_is_gone(here, executor):
    fails = {"id": "fails", "type": "code", "params": {"code": "raise OSError('no')"}}
    first = begun(
        shell("echo x >> ../../../../../${item}; echo ${item} > f", executor=executor, keep=["f"]), fails
    )
    files = sorted((here / ".batchmill/kept").rglob("f"))
    assert batchmill.resume(first.run, journal="j.sqlite").resumed["kept"] == 2
    files[1].unlink()
    again = batchmill.resume(first.run, journal="j.sqlite")
    assert again.resumed["kept"] == 1
    assert again.changed_by["each"] == [f"the file {files[1].relative_to(here)} that it wrote, which is gone"]
    assert files[1].read_text() == "b\n"
    assert ((here / "a").read_text(), (here / "b").read_text()) == ("x\n", "x\nx\n")


def test_what_is_kept_is_part_of_what_an_outcome_depends_on(here):
    fails = {"id": "fails", "type": "code", "params": {"code": "raise OSError('no')"}}
    first = begun(shell(keep=["*.txt"]), fails)
    Path("d.json").write_text(json.dumps({"nodes": [shell(keep=["out/*"]), fails]}))
    again = batchmill.resume(first.run, journal="j.sqlite")
    assert again.resumed["changed"] == 2
    assert again.changed_by["each"] == ["the folders of its items"]


def test_without_a_journal_there_are_folders_too(here):
    result = begun(shell(keep=["*.txt"]), journal=None)
    assert kept(result) == [["a\n"], ["b\n"]]
    assert (here / ".batchmill/.gitignore").read_text() == "*\n"


@pytest.mark.slow
def test_an_attempt_that_was_given_up_touches_nothing(here, soon, given_time):
    code = (
        "import os, time\n"
        "first = not os.path.exists(f'tried-{mark}')\n"
        "open(f'tried-{mark}', 'w').close()\n"
        "while first and not os.path.exists(f'over-{mark}'): time.sleep(0.01)\n"
        "try:\n"
        "    with open(f'{where}/x', 'w') as file: file.write(str(first))\n"
        "finally:\n"  # its folder may be gone
        "    open(f'ended-{mark}-{first}', 'w').close()\n"
        "result = first"
    )

    def check(seconds):
        node = shell(type="code", items=[1], executor="thread", keep={"files": ["x"], "to": "made"})
        node["params"] = {"code": code, "inputs": {"where": "${__item__.workdir}", "mark": str(seconds)}}
        node["batch"] |= {"timeout": seconds, "max_retries": 2}
        result = begun(node)
        (here / f"over-{seconds}").touch()
        assert kept(result) == [["False"]]
        assert soon((here / f"ended-{seconds}-True").exists)
        assert kept(result) == [["False"]]

    given_time(check)


@pytest.mark.parametrize(
    ("node", "words"),
    [
        (
            {"id": "n", "type": "shell", "params": {"command": "ls"}, "workdir": "item"},
            "this node has no `batch`",
        ),
        ({**shell(keep=["x"]), "workdir": {"remove": "sometimes"}}, "`success`, `always` or `never`"),
        ({**shell(), "workdir": "node"}, "must be `item`"),
        ({**shell(), "workdir": {"where": "x"}}, "must be `item`"),
        (shell(keep=["../x"]), "without `/` in front"),
        (shell(keep=["/x"]), "without `/` in front"),
        (shell(keep=[]), "must be a list of patterns"),
        (shell(keep={"files": ["x"], "too": "y"}), "did you mean `to`"),
        (shell(keep={"files": ["x"], "to": "${nobody}"}), "`nobody`"),
        ({k: v for k, v in shell(keep=["x"]).items() if k != "workdir"}, '"workdir": "item"'),
        (
            {k: v for k, v in shell("cat ${__item__.workdir}/x").items() if k != "workdir"},
            "have no folders of their own",
        ),
    ],
)
def test_what_makes_no_sense_is_said(node, words):
    with pytest.raises(InvalidDocument) as caught:
        check(load({"nodes": [node]}), default_registry())
    assert words in str(caught.value)


def test_forgetting_a_run_forgets_its_folders(here):
    from batchmill.journal.journal import Journal
    from batchmill.journal.reading import Reader
    from batchmill.journal.sweeping import forget

    result = begun(shell('test "${item}" = a && touch f', keep=["f"]))
    assert os.listdir(".batchmill/work") == os.listdir(".batchmill/kept") == [result.run]
    journal = Journal("j.sqlite")
    with Reader(journal) as reader:
        forget(journal, reader.runs())
    assert os.listdir(".batchmill/work") == os.listdir(".batchmill/kept") == []
