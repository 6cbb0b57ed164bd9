"""What a command that failed, or was too slow, printed all the same: for its error edge, in the journal."""

import pytest

import batchmill
from batchmill.journal.journal import Journal
from batchmill.journal.reading import Reader

SLOW = "echo out; echo err >&2; sleep 60"


@pytest.mark.parametrize(
    ("params", "kind"),
    [
        ({"command": "echo out; echo err >&2; exit 1"}, "error_result"),
        ({"command": SLOW, "timeout": 0.5}, "timeout"),
    ],
)
def test_the_error_edge_has_what_it_printed(params, kind):
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


@pytest.mark.parametrize("executor", ["sequential", "thread", "process"])
@pytest.mark.parametrize("timed", [False, True])
def test_the_journal_has_what_a_failed_item_printed(executor, timed, tmp_path):
    batch = {"items": ["a"], "executor": executor, "error_handling": "continue"}
    params = {
        "command": f"printf 'of ${{item}}\\n'; {'sleep 60' if timed else 'false'}",
        "strip_newline": False,
    }
    node = {"id": "each", "type": "shell", "params": params, "batch": batch}
    if timed:
        batch["timeout"] = 0.5
    result = batchmill.run({"nodes": [node]}, journal=tmp_path / "runs.sqlite")
    assert result.errors[0]["kind"] == ("timeout" if timed else "error_result")
    with Reader(Journal(tmp_path / "runs.sqlite")) as reader:
        (visit,) = reader.visits(reader.run("last"))
        (item,) = reader.items(visit)
    assert item.error["outputs"]["stdout"] == "of a\n"
