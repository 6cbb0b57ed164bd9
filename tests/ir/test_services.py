"""Prices and MCP servers of a document, written in it or in files beside it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from batchmill.ir.loading import load
from batchmill.ir.models import read_workflow
from batchmill.ir.services import expanded, servers_in, tables_of
from batchmill.ir.validate import validate

NODES = [{"id": "a", "type": "mcp", "params": {}}]
PRICE = {"input": 2.5, "output": 10}


def read(folder, **keys):
    """``(tables, faults as text)`` of a document with these keys."""
    workflow, faults = read_workflow({"nodes": NODES, **keys})
    assert not faults
    tables, faults = tables_of(workflow, folder)
    return tables, [f"{fault.path}: {fault.message}" for fault in faults]


def test_prices_in_the_document_and_in_files(tmp_path):
    (tmp_path / "p.json").write_text(json.dumps({"m": PRICE}))
    (tmp_path / "p.yaml").write_text("prices:\n  m: {input: 2.5, output: 10}\n")
    for prices in ({"m": PRICE}, "p.json", "p.yaml"):
        tables, faults = read(tmp_path, prices=prices)
        assert faults == []
        assert tables.prices.cost("m", 1_000_000, 100_000) == pytest.approx(3.5)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"m": {"input": 1}}', "`output` is missing"),
        ('{"m": {"input": -1, "output": 1}}', "from 0"),
        ('{"m": 5}', "an object"),
        ('{"m": ', "not JSON"),
        ("[1]", "an object"),
        (None, "no such file"),
    ],
)
def test_price_files_that_are_wrong(tmp_path, text, words):
    if text is not None:
        (tmp_path / "p.json").write_text(text)
    _, faults = read(tmp_path, prices="p.json")
    assert len(faults) == 1
    assert words in faults[0]
    assert faults[0].startswith("('prices',)")


def test_servers_in_the_document():
    servers = {"files": {"command": "x", "args": ["${HOME}"]}, "far": {"url": "https://h/mcp"}}
    tables, faults = read(Path(), mcp_servers=servers)
    assert faults == []
    assert tables.mcp_servers["files"].timeout == 60.0


@pytest.mark.parametrize(
    ("server", "words"),
    [
        ({}, "either"),
        ({"command": "x", "url": "http://h"}, "either"),
        ({"type": "http", "command": "x"}, "`url`"),
        ({"type": "stdio", "url": "http://h"}, "`command`"),
        ({"url": "h/mcp"}, "begins with http"),
    ],
)
def test_servers_that_are_wrong(tmp_path, server, words):
    _, faults = read(tmp_path, mcp_servers={"s": server})
    assert len(faults) == 1
    assert words in faults[0]


def test_a_file_that_other_programs_read_too(tmp_path):
    servers = {
        "a": {"type": "stdio", "command": "x", "autoApprove": ["y"]},
        "b": {"type": "streamable-http", "url": "http://h/mcp", "headers": {"A": "b"}},
        "off": {"command": "x", "disabled": True},
    }
    (tmp_path / ".mcp.json").write_text(json.dumps({"mcpServers": servers}))
    tables, faults = read(tmp_path)
    assert faults == []
    assert set(tables.mcp_servers) == {"a", "b"}
    assert tables.mcp_servers["b"].type == "http"
    assert servers_in(tmp_path / ".mcp.json")[0] == tables.mcp_servers


def test_a_broken_file_hinders_only_documents_that_talk_to_servers(tmp_path):
    (tmp_path / ".mcp.json").write_text("{")
    assert read(tmp_path)[1]
    workflow, _ = read_workflow({"nodes": [{"id": "a", "type": "echo"}]})
    assert tables_of(workflow, tmp_path)[1] == []


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"prices": 5}, "an object of prices"),
        ({"prices": {"m": {"input": 1, "output": 1, "per": 1}}}, "unknown key"),
        ({"mcp_servers": []}, "an object of servers"),
        ({"mcp_servers": {"s": {"comand": "x"}}}, "unknown key"),
        ({"mcp_servers": {"a b": {"command": "x"}}}, "a name of letters"),
    ],
)
def test_faults_of_the_structure_have_places(keys, words):
    validation = validate(load({"nodes": [{"id": "a", "type": "echo"}], **keys}))
    (problem,) = validation.problems()
    assert words in problem.message
    assert problem.path.startswith(f"$.{next(iter(keys))}")


def test_variables_are_put_in(monkeypatch):
    monkeypatch.setenv("SOME_NAME", "value")
    monkeypatch.delenv("NOT_SET", raising=False)
    assert expanded("a ${SOME_NAME} ${NOT_SET:-b} $SOME_NAME {x}") == "a value b $SOME_NAME {x}"
    with pytest.raises(KeyError, match="NOT_SET"):
        expanded("${NOT_SET}")
