"""``batchmill bench`` as it is called: real runs in processes of their own, small ones."""

import json
import sys

import pytest

from batchmill.cli.main import outcome

pytestmark = pytest.mark.slow

APPENDING = {
    "nodes": [
        {
            "id": "note",
            "type": "shell",
            "params": {"command": "echo ${item} >> log; wc -l < log"},
            "batch": {"items": [1, 2, 3]},
        }
    ],
    "outputs": {"lines": {"source": "${note.results[*].stdout | last}"}},
}
GREETING = {
    "inputs": {"name": {"type": "string", "required": True}},
    "nodes": [
        {
            "id": "g",
            "type": "echo",
            "params": {"message": "${name} ${item}"},
            "batch": {"items": {"range": [20]}},
        }
    ],
    "outputs": {"all": {"source": "${g.results[*].echo}"}},
}
COUNTED = {
    "nodes": [
        {
            "id": "c",
            "type": "code",
            "params": {"code": "import os\nresult = os.getpid()"},
            "batch": {"items": [1, 2, 3]},
        }
    ],
    "outputs": {"pids": {"source": "${c.results[*].result}"}},
}


@pytest.fixture
def bench(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)

    def call(document, *arguments):
        (tmp_path / "flow.json").write_text(json.dumps(document))
        code = outcome(["bench", "flow.json", *arguments])
        out, err = capfd.readouterr()
        return code, out, err

    return call


def test_every_executor_is_measured_and_gives_the_same(bench):
    code, out, err = bench(
        GREETING, "name=you", "--repeat", "1", "--jobs", "1,2", "--counts", "5,20", "--json"
    )
    assert code == 0, err
    told = json.loads(out)
    assert (told["schema"], told["repeat"]) == ("batchmill.bench/2", 1)
    (workload,) = told["workloads"]
    labels = [(one["case"]["executor"], one["case"]["jobs"]) for one in workload["cases"]]
    assert labels == [("sequential", None), ("thread", 1), ("thread", 2), ("process", 1), ("process", 2)]
    for one in workload["cases"]:
        assert one["items"] == 20
        assert [measured["items"] for measured in one["measured"]] == [5, 20]
        assert one["same"]
        several = {"least", "most"} if one["case"]["executor"] == "process" else set()
        assert {"median"} <= one["start"].keys() <= {"median", *several}  # one round has no spread
        assert one["wall"] > 0
        assert one["cpu"]["median"] > 0
        assert one["chosen"] == one["case"]["executor"]
    assert workload["cases"][3]["speedup"] > 0
    assert workload["advice"]["sentence"].startswith("For your 20 items: ")


def test_a_run_that_writes_works_in_a_copy_of_its_own(bench, tmp_path):
    (tmp_path / "log").write_text("before\n")
    arguments = ("--executors", "sequential", "--repeat", "2", "--counts", "1,3", "--json")
    code, out, err = bench(APPENDING, *arguments)
    assert code == 0
    assert "round 2 of 2" in err
    assert (tmp_path / "log").read_text() == "before\n"
    assert json.loads(out)["workloads"][0]["unsteady_outputs"] == []


def test_in_place_it_works_where_you_are(bench, tmp_path):
    bench(APPENDING, "--executors", "sequential", "--repeat", "1", "--counts", "3", "--in-place", "-q")
    # a short look, a cold run, and a warm one, which is repeated if it is brief
    assert (tmp_path / "log").read_text() in ("1\n2\n3\n" * 3, "1\n2\n3\n" * 6)


def test_people_get_a_table_and_a_sentence(bench, tmp_path):
    code, out, err = bench(GREETING, "name=you", "--executors", "sequential,thread", "--repeat", "1", "-q")
    assert (code, err) == (0, "")
    assert "sequential" in out
    assert "\nFor your 20 items: " in out


@pytest.mark.slow
def test_what_differs_from_run_to_run_is_told_and_no_failure(bench):
    code, out, _ = bench(COUNTED, "--executors", "sequential,thread", "--repeat", "2", "--counts", "3", "-q")
    assert code == 0
    assert "differs from run to run: output pids" in out


@pytest.mark.slow
def test_what_differs_between_executors_fails(bench):
    code, out, _ = bench(COUNTED, "--executors", "sequential,thread", "--repeat", "1", "-q")
    assert code == 1
    assert "Not the same under all: output pids" in out


@pytest.mark.parametrize("suffix", [".svg", pytest.param(".html", marks=pytest.mark.slow)])
def test_the_picture_is_written(bench, tmp_path, suffix):
    path = tmp_path / f"picture{suffix}"
    bench(GREETING, "name=you", "--executors", "thread", "--repeat", "1", "-q", "--plot", str(path))
    assert "<svg" in path.read_text()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["bench"], "a document is missing"),
        (["bench", "flow.json", "--builtin"], "not both"),
        (["bench", "--builtin", "--executors", "thred"], "'thred' is not one of"),
        (["bench", "--builtin", "--plot", "x.png"], "must end in .html or .svg"),
        (["bench", "--builtin", "--jobs", "0"], "0 is not in the range"),
    ],
)
def test_mistakes_are_told_before_anything_runs(arguments, words, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert outcome(arguments) == 2
    assert words in capsys.readouterr().err


def test_a_document_that_cannot_run_is_told_as_by_run(bench):
    code, _, err = bench({"nodes": [{"id": "a", "type": "ehco"}]})
    assert code == 2
    assert "did you mean" in err
    code, _, err = bench(GREETING, "--repeat", "1", "-q")
    assert code == 5
    assert "name" in err


def test_an_interpreter_without_batchmill_is_told_with_a_remedy(bench, tmp_path):
    code, _, err = bench(GREETING, "name=you", "--interpreter", str(tmp_path / "python9"))
    assert code == 5
    assert "cannot be run" in err


@pytest.mark.slow
def test_another_interpreter_has_rows_of_its_own(bench):
    code, out, err = bench(
        GREETING,
        "name=you",
        "--interpreter",
        sys.executable,
        "--executors",
        "thread",
        "--repeat",
        "1",
        "--json",
        "-q",
    )
    assert code == 0, err
    assert len(json.loads(out)["workloads"][0]["cases"]) == 1  # the same one is not run twice


@pytest.mark.slow
def test_the_built_in_workloads_run(capfd):
    code = outcome(
        [
            "bench",
            "--workloads",
            "shell,tiny items",
            "--scale",
            "0.01",
            "--executors",
            "auto",
            "--repeat",
            "1",
            "--json",
        ]
    )
    told = json.loads(capfd.readouterr().out)
    assert code == 0
    assert [one["workload"] for one in told["workloads"]] == ["shell", "tiny items"]
    assert told["workloads"][0]["cases"][0]["reason"].startswith("auto chose ")


def test_how_long_it_takes_is_said_before_it_begins(bench):
    _, _, err = bench(GREETING, "name=you", "--executors", "sequential", "--repeat", "1", "--counts", "5")
    looking, takes, first = err.splitlines()[:3]
    assert looking == "looking at flow for a moment"
    assert takes.startswith("measuring takes about ")
    assert takes.endswith(", with 1 case in each round; flow with 5 items in 1 round")
    assert first.startswith("flow: round 1 of 1, sequential on ")


def test_the_advice_is_for_the_items_that_you_have(bench):
    arguments = ("name=you", "--executors", "sequential", "--repeat", "1", "--counts", "5", "-q")
    _, out, _ = bench(GREETING, *arguments, "--items", "10000")
    assert "For your 10,000 items: sequential" in out
    assert "Computed from runs of up to 5 items." in out


def test_a_document_without_items_is_measured_whole(bench):
    document = {"nodes": [{"id": "a", "type": "echo", "params": {"message": "x"}}]}
    code, out, err = bench(document, "--executors", "sequential", "--repeat", "1", "--json", "-q")
    assert code == 0, err
    told = json.loads(out)["workloads"][0]
    assert (told["items"], told["measured_items"]) == (0, [0])
    assert told["advice"]["sentence"].startswith("There are no items in a batch")
