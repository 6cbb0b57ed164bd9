"""The files of a run itself: nothing of the run writes them, and those it only reads may be its items."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import batchmill


@pytest.mark.parametrize("key", ["prices", "mcp_servers"])
def test_a_file_that_the_document_only_reads_may_be_an_item(tmp_path: Path, key: str) -> None:
    (tmp_path / "table.json").write_text("{}")
    node = {
        "id": "a",
        "type": "echo",
        "params": {"message": "${item}"},
        "batch": {"items": {"glob": f"{tmp_path}/*"}},
    }
    document = {key: "table.json", "nodes": [node], "outputs": {"n": {"source": "${a.results[*].item}"}}}
    (tmp_path / "flow.json").write_text(json.dumps(document))
    run = batchmill.run(str(tmp_path / "flow.json"), journal=tmp_path / "runs.sqlite")
    assert [Path(one).name for one in run.outputs["n"]] == ["flow.json", "table.json"]
