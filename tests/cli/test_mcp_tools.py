"""``batchmill nodes --mcp``."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from batchmill.cli.main import outcome

PROGRAM = str(Path(__file__).parents[1] / "nodes" / "mcp" / "server.py")


@pytest.fixture
def servers(tmp_path):
    """``servers(name={...})``: the path of a file that names them."""
    pytest.importorskip("mcp", reason="the extra `mcp` is not installed", exc_type=ImportError)

    def of(**named):
        path = tmp_path / ".mcp.json"
        path.write_text(json.dumps({"mcpServers": named}))
        return str(path)

    return of


@pytest.fixture
def good():
    return {"command": sys.executable, "args": [PROGRAM]}


@pytest.mark.slow
def test_tools_are_listed_with_their_schemas(servers, good, capfd):
    path = servers(files=good)
    assert outcome(["nodes", "--mcp", path]) == 0
    lines = capfd.readouterr().out.splitlines()
    assert any(line.split() == ["mcp-files-add", "Add", "two", "numbers."] for line in lines)
    assert outcome(["nodes", "--mcp", path, "--json"]) == 0
    listed = {entry["type"]: entry for entry in json.loads(capfd.readouterr().out)}
    assert listed["mcp-files-add"]["input_schema"]["required"] == ["a"]
    assert outcome(["nodes", "mcp-files-add", "--mcp", path]) == 0
    text = capfd.readouterr().out
    assert "  a  integer  required" in text
    assert "  b  integer  default 1" in text


@pytest.mark.slow
def test_a_server_that_does_not_start_hides_no_other(servers, good, capfd):
    path = servers(bad={"command": "no-such-program-anywhere"}, good=good)
    assert outcome(["nodes", "--mcp", path]) == 1
    said = capfd.readouterr()
    assert "mcp-good-add" in said.out
    assert "'bad' cannot be started" in said.err


@pytest.mark.parametrize("named", [{"x": {}}, {"x": {"command": 5}}, {"x": 5}])
@pytest.mark.slow
def test_a_file_that_is_wrong(servers, named, capfd):
    assert outcome(["nodes", "--mcp", servers(**named)]) == 2
    assert "`x`" in capfd.readouterr().err


@pytest.mark.slow
def test_a_tool_that_is_not_there(servers, good, capfd):
    assert outcome(["nodes", "mcp-files-ad", "--mcp", servers(files=good)]) == 2
    assert "mcp-files-add" in capfd.readouterr().err
