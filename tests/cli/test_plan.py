"""``batchmill plan``: order, executors, items; and nothing is run."""

import json

import pytest

from batchmill.cli.main import outcome


@pytest.fixture
def plan(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)

    def call(document, *arguments):
        (tmp_path / "document.json").write_text(json.dumps(document))
        code = outcome(["plan", "document.json", *arguments])
        out, err = capfd.readouterr()
        return code, out, err

    return call


def echo(name, **more):
    return {"id": name, "type": "echo", **more}


def batch(items, **settings):
    return echo("each", params={"message": "${item}"}, batch={"items": items, **settings})


def planned(plan, document, *arguments):
    code, out, err = plan(document, *arguments, "--json")
    assert code == 0, err
    return json.loads(out)


def test_nothing_is_run(plan, tmp_path):
    document = {"nodes": [{"id": "a", "type": "shell", "params": {"command": "touch ran"}}]}
    assert plan(document)[0] == 0
    assert not (tmp_path / "ran").exists()


def test_the_order_is_that_of_the_edges(plan):
    document = {
        "nodes": [echo("d"), echo("b"), echo("a", purpose="the first"), echo("c"), echo("lost")],
        "start_node": "a",
        "edges": [
            {"from": "a", "to": "b"},
            {"from": "a", "to": "c", "action": "error"},
            {"from": "b", "to": "d"},
            {"from": "c", "to": "d"},
            {"from": "d", "to": "a", "action": "again"},
        ],
    }
    found = planned(plan, document)
    assert [node["id"] for node in found["nodes"]] == ["a", "b", "c", "d"]
    assert found["unreached"] == ["lost"]
    assert found["nodes"][0]["next"] == {"default": ["b"], "error": ["c"]}
    assert [node["after"] for node in found["nodes"]] == [[], ["a"], ["a"], ["b", "c"]]
    _, out, _ = plan(document)
    assert "a (echo): the first\n├─ b (echo)\n└─ on error: c (echo)\n" in out
    assert "d (echo), after b, c\n    on again (dead) back to a\n" in out
    assert "lost (echo) never runs: it is not reached by any edge" in out


@pytest.mark.parametrize(
    ("items", "count", "first"),
    [
        ([1, 2, 3, 4, 5], 5, [1, 2, 3]),
        ({"range": [2]}, 2, [0, 1]),
        ({"glob": "*.txt"}, 2, ["a.txt", "b.txt"]),
        ({"lines": "a.txt"}, 4, ["one", "two", "three"]),
        ({"csv": "a.txt"}, 3, [{"one": "two"}, {"one": "three"}, {"one": "four"}]),
        ("${given}", 2, ["x", "y"]),
        (["${given[0]}", 7], 2, ["x", 7]),
        ("${before.data}", None, []),
        (["${before.data}", 7], 2, []),
        ({"lines": "not/there"}, None, []),
        ({"stdin": "lines"}, None, []),
        ("${missing}", None, []),
    ],
)
def test_items_are_counted_and_shown_where_they_are_known(plan, tmp_path, items, count, first):
    (tmp_path / "a.txt").write_text("one\ntwo\nthree\nfour\n")
    (tmp_path / "b.txt").touch()
    document = {
        "inputs": {"given": {"default": ["x", "y"]}, "missing": {"type": "array"}},
        "nodes": [echo("before", params={"data": "${missing}"}), batch(items)],
    }
    found = planned(plan, document)["nodes"][1]["batch"]["items"]
    assert (found["count"], found["first"]) == (count, first)
    assert ("why" in found) is (not first)
    assert plan(document)[0] == 0


def test_executors_and_overrides(plan):
    document = {"nodes": [batch([1], executor="thread", max_concurrent=4)]}
    for arguments, executor, at_once in (
        ([], "thread", 4),
        (["--jobs", "3"], "thread", 3),
        (["--executor", "sequential"], "sequential", 1),
    ):
        found = planned(plan, document, *arguments)["nodes"][0]["batch"]
        assert (found["executor"], found["max_concurrent"]) == (executor, at_once)
    assert "one after another" in plan(document, "--executor", "sequential")[1]


def test_inputs_are_those_given_and_a_wrong_one_is_refused(plan):
    document = {"inputs": {"n": {"type": "integer"}}, "nodes": [batch({"range": ["${n}"]})]}
    found = planned(plan, document, "n=2")
    assert found["inputs"] == {"n": 2}
    assert found["nodes"][0]["batch"]["items"]["count"] == 2
    code, _, err = plan(document, "n=x")
    assert code == 2
    assert "the input `n` must be" in err


def test_secrets_are_not_shown(plan):
    document = {"inputs": {"key": {"secret": True}}, "nodes": [batch(["${key}"])]}
    for flags in ([], ["--json"]):
        code, out, err = plan(document, "key=s3cr3t-value", *flags)
        assert code == 0
        assert "s3cr3t-value" not in out + err


def test_an_invalid_document_is_refused(plan):
    code, out, err = plan({"nodes": [echo("a", typo=1)]})
    assert (code, out) == (2, "")
    assert "$.nodes[0].typo" in err


@pytest.mark.parametrize(
    "items", [{"lines": "b.txt"}, {"csv": "b.txt"}, {"glob": "none/*"}, [], {"range": [0]}]
)
def test_a_source_without_items_says_so(plan, tmp_path, items):
    (tmp_path / "b.txt").touch()
    document = {"nodes": [batch(items)]}
    found = planned(plan, document)["nodes"][0]["batch"]["items"]
    assert (found["count"], found["first"], "why" in found) == (0, [], False)
    _, out, _ = plan(document)
    assert "    no items from " in out
    assert "- ..." not in out


@pytest.mark.parametrize(("number", "more"), [(1, False), (3, False), (4, True)])
def test_only_where_more_follows_it_says_so(plan, tmp_path, number, more):
    (tmp_path / "rows.txt").write_text("x\n" * number)
    _, out, _ = plan({"nodes": [batch({"lines": "rows.txt"})]})
    assert f"{number} item{'s' if number > 1 else ''} from lines rows.txt" in out
    assert out.count("    - x\n") == min(number, 3)
    assert ("    - ..." in out) is more


def test_a_large_source_is_not_read_to_its_end(plan, tmp_path):
    (tmp_path / "rows.txt").write_text("x\n" * 200_000)
    found = planned(plan, {"nodes": [batch({"lines": "rows.txt"})]})["nodes"][0]["batch"]["items"]
    assert (found["count"], found["first"]) == (None, ["x", "x", "x"])
    _, out, _ = plan({"nodes": [batch({"lines": "rows.txt"})]})
    assert "    items from lines rows.txt" in out
    assert "    - ..." in out


def test_a_row_that_cannot_be_read_is_told_where_it_is_counted(plan, tmp_path):
    (tmp_path / "rows.jsonl").write_text("1\n2\n{\n")
    found = planned(plan, {"nodes": [batch({"jsonl": "rows.jsonl"})]})["nodes"][0]["batch"]["items"]
    assert (found["count"], "line 3" in found["why"]) == (None, True)


def test_the_nodes_of_finally_stand_at_the_end(plan):
    document = {"nodes": [echo("a"), echo("b")], "finally": [echo("y", purpose="tidy up"), echo("z")]}
    told = planned(plan, document)
    assert [node["id"] for node in told["nodes"]] == ["a", "b"]
    assert [node["id"] for node in told["finally"]] == ["y", "z"]
    assert told["unreached"] == []
    assert plan(document)[1].splitlines() == [
        "document.json: 4 nodes",
        "a (echo)",
        "b (echo)",
        "finally, whatever happened:",
        "    y (echo): tidy up",
        "    z (echo)",
    ]
    for form in ("mermaid", "dot"):
        assert plan(document, "--format", form)[1].count("at the end, whatever happened") == 2


def test_it_says_what_changed_since_the_latest_run(plan, tmp_path, capfd):
    (tmp_path / "own_helper.py").write_text("N = 1\n")
    (tmp_path / "in.txt").write_text("a")
    helped = {"id": "helped", "type": "code", "params": {"code": "from own_helper import N\nresult = N"}}
    reads = {"id": "reads", "type": "read-file", "params": {"file_path": "in.txt"}}
    document = {"nodes": [helped, reads, echo("param", params={"message": "a"})]}
    assert "there is no journal" in plan(document, "--changes")[2]
    assert outcome(["run", "document.json", "-q"]) == 0
    capfd.readouterr()
    assert "3 kept, 0 redone, 0 new, 0 changed" in plan(document, "--changes")[1]
    (tmp_path / "own_helper.py").write_text("N = 22\n")
    (tmp_path / "in.txt").write_text("bb")
    document["nodes"][2]["params"]["message"] = "b"
    told = planned(plan, document, "--changes")["changes"]
    assert {one["node"]: one["changed_by"] for one in told["nodes"]} == {
        "helped": ["the module own_helper"],
        "reads": ["the file in.txt"],
        "param": ["message"],
    }
    (tmp_path / "other.json").write_text(json.dumps(document))
    code = outcome(["plan", "other.json", "--changes"])
    assert (code, "there has been no run of other.json" in capfd.readouterr()[1]) == (2, True)


def on_a_cluster(where):
    batch = {"items": [1, 2, 3], "executor": "dask"}
    node = {"id": "a", "type": "code", "params": {"code": "result = 1"}, "batch": batch}
    return {"cluster": where, "nodes": [node]}


def test_a_cluster_that_is_not_there_is_told_with_a_remedy(batchmill_command, tmp_path):
    where = {"python": "no_such_module:make"}
    (tmp_path / "flow.json").write_text(json.dumps(on_a_cluster(where)))
    code, out, _ = batchmill_command("plan", "flow.json")
    assert code == 0
    lines = out.splitlines()
    assert lines[1] == "cluster: nothing can run there"
    assert "no_such_module:make fails: ModuleNotFoundError" in lines[2]
    assert lines[3].strip().startswith("-> ")
    assert "dask executor, as many at once as it has seats" in out


@pytest.mark.dask
def test_a_local_cluster_is_not_started_for_a_plan(batchmill_command, tmp_path):
    pytest.importorskip("distributed")
    (tmp_path / "flow.json").write_text(json.dumps(on_a_cluster("local:3")))
    code, out, _ = batchmill_command("plan", "flow.json", "--cluster", "local:2")
    assert code == 0
    assert "cluster: one of this machine, started with the run, 2 seats" in out
    assert "dask executor, 2 at once" in out


def test_run_with_dry_run_prints_the_plan_and_runs_nothing(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    shell = {
        "id": "a",
        "type": "shell",
        "params": {"command": "touch ran ${item}"},
        "batch": {"items": [1, 2, 3]},
    }
    (tmp_path / "document.json").write_text(json.dumps({"nodes": [shell, echo("b")]}))
    assert outcome(["run", "document.json", "--dry-run", "--limit", "2", "--until", "a", "-j", "1"]) == 0
    out, _ = capfd.readouterr()
    assert "document.json: 1 node" in out
    assert "2 items from list [1, 2, 3]" in out
    assert outcome(["run", "document.json", "--dry-run", "--json", "--executor", "thread"]) == 0
    told = json.loads(capfd.readouterr().out)
    assert (told["schema"], told["nodes"][0]["batch"]["executor"]) == ("batchmill.plan/1", "thread")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["document.json"]
