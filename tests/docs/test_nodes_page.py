"""docs/nodes.md describes every node type with every param and output, and no others."""

import re
from pathlib import Path

import pytest

from batchmill.nodes import default_registry
from batchmill.nodes.registry import BUILT_IN

PAGE = (Path(__file__).parents[2] / "docs" / "nodes.md").read_text()
SECTIONS = {section.split("\n", 1)[0]: section for section in PAGE.split("\n## ")[1:]}


def test_every_type_has_a_section_and_every_section_a_type():
    assert SECTIONS.keys() == BUILT_IN.keys()


@pytest.mark.parametrize("name", BUILT_IN)
def test_params_and_outputs_are_those_of_the_type(name):
    node = default_registry().get(name)
    params, outputs = SECTIONS[name].split("| output |")
    assert re.findall(r"^\| `(\w+)` \|", params, re.MULTILINE) == [param.name for param in node.params]
    assert re.findall(r"^\| `(\w+)` \|", outputs, re.MULTILINE) == [output.name for output in node.outputs]


@pytest.mark.parametrize("name", BUILT_IN)
def test_required_params_and_defaults_are_told(name):
    for param in default_registry().get(name).params:
        row = next(line for line in SECTIONS[name].splitlines() if line.startswith(f"| `{param.name}` |"))
        assert ("| required |" in row) is param.required
