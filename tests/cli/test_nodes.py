"""``batchmill nodes`` and ``batchmill schema``."""

import json

import jsonschema
import pytest

from batchmill.cli import nodes as nodes_command
from batchmill.cli.main import outcome
from batchmill.ir.schema import json_schema
from batchmill.nodes.registry import BUILT_IN, Registry


def said(capfd, *arguments):
    assert outcome(arguments) == 0
    return capfd.readouterr().out


def test_all_types_are_listed_with_their_summaries(capfd):
    lines = said(capfd, "nodes").splitlines()
    assert [line.split()[0] for line in lines] == sorted(BUILT_IN)
    assert all(len(line.split()) > 2 for line in lines)
    assert [entry["type"] for entry in json.loads(said(capfd, "nodes", "--json"))] == sorted(BUILT_IN)


@pytest.mark.parametrize("name", BUILT_IN)
def test_a_type_is_described_in_full(capfd, name):
    told = json.loads(said(capfd, "nodes", name, "--json"))
    text = said(capfd, "nodes", name)
    assert told["type"] == name
    assert text.startswith(f"{name}: {told['summary']}")
    for part in (*told["params"], *told["outputs"]):
        assert f"  {part['name']} " in text
        assert part["description"] in text


def test_what_is_required_and_what_can_be_chosen_is_said(capfd):
    text = said(capfd, "nodes", "merge")
    line = next(line for line in text.splitlines() if line.startswith("  inputs"))
    assert line.endswith("; required")
    assert 'one of "array", "dict", "concat", "first", "custom"; default "array"' in text


def test_a_type_that_does_not_load_is_listed_as_such(capfd, monkeypatch):
    registry = Registry({"echo": "batchmill.nodes.echo:EchoNode", "broken": "not_there:Node"})
    monkeypatch.setattr(nodes_command, "default_registry", lambda: registry)
    assert "broken  (does not load: " in said(capfd, "nodes")
    assert "not_there" in json.loads(said(capfd, "nodes", "--json"))[0]["error"]
    assert outcome(["nodes", "broken"]) == 5
    assert "cannot be loaded" in capfd.readouterr().err


def test_the_schema_is_the_models_own_and_a_schema(capfd):
    schema = json.loads(said(capfd, "schema"))
    assert schema == json.loads(json.dumps(json_schema()))
    jsonschema.validators.validator_for(schema).check_schema(schema)
    jsonschema.validate({"nodes": [{"id": "a", "type": "echo"}]}, schema)
