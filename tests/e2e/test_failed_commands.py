"""What a command that failed, or was too slow, printed all the same: for its error edge, in the journal."""

import pytest

import batchmill
from batchmill.journal.journal import Journal
from batchmill.journal.reading import Reader


@pytest.mark.parametrize(("end", "kind"), [("exit 1", "error_result"), ("sleep 60", "timeout")])
def test_the_error_edge_has_what_it_printed(end, kind, given_time):
    def check(seconds):
        params = {"command": f"echo out; echo err >&2; {end}"}
        params |= {"timeout": seconds} if kind == "timeout" else {}
        document = {
            "nodes": [
                {"id": "diff", "type": "shell", "params": params},
                {"id": "told", "type": "echo", "params": {"message": "${diff.stdout}|${diff.stderr}"}},
            ],
            "edges": [{"from": "diff", "to": "told", "action": "error"}],
            "outputs": {"told": {"source": "${told.message}"}},
        }
        result = batchmill.run(document)
        assert (result.status, result.outputs) == ("degraded", {"told": "out|err\n"})
        assert result.errors[0]["kind"] == kind

    given_time(check)


@pytest.mark.parametrize("executor", ["sequential", "thread", "process"])
@pytest.mark.parametrize("timed", [False, True])
def test_the_journal_has_what_a_failed_item_printed(executor, timed, tmp_path, given_time):
    batch = {"items": ["a"], "executor": executor, "error_handling": "continue"}
    params = {
        "command": f"printf 'of ${{item}}\\n'; {'sleep 60' if timed else 'false'}",
        "strip_newline": False,
    }
    node = {"id": "each", "type": "shell", "params": params, "batch": batch}

    def check(seconds):
        if timed:
            batch["timeout"] = seconds
        result = batchmill.run({"nodes": [node]}, journal=tmp_path / "runs.sqlite")
        assert result.errors[0]["kind"] == ("timeout" if timed else "error_result")
        with Reader(Journal(tmp_path / "runs.sqlite")) as reader:
            (visit,) = reader.visits(reader.run("last"))
            (item,) = reader.items(visit)
        assert item.error["outputs"].get("stdout") == "of a\n"

    given_time(check)
