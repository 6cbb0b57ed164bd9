"""Everything wrong with a document outside of its params, at once and with places."""

from __future__ import annotations

import json

import pytest

from batchmill.ir.loading import load
from batchmill.ir.validate import validate

BAD = """{
  "nodes": [
    {"id": "a", "type": "x", "batch": {"items": "${b.rows}", "executor": "proces"}},
    {"id": "b", "type": "x", "batch": {"items": ["${item}", "${"]}},
    {"id": "b", "type": "x", "loop": {"until": "${nobody.x}"}}
  ],
  "edges": [{"from": "a", "to": "c"}],
  "start_node": "d",
  "outputs": {"o": {"source": "${a.x} ${zz}"}},
  "surprise": 1
}"""


def test_all_problems_come_at_once_in_text_order(tmp_path):
    path = tmp_path / "bad.json"
    path.write_text(BAD)
    found = [(problem.path, problem.line, problem.column) for problem in validate(load(path)).problems()]
    assert found == [
        ("$.nodes[0].batch.executor", 3, 74),
        ("$.nodes[1].batch.items[0]", 4, 50),
        ("$.nodes[1].batch.items[1]", 4, 61),
        ("$.nodes[2].id", 5, 12),
        ("$.nodes[2].loop.until", 5, 48),
        ("$.edges[0].to", 7, 33),
        ("$.start_node", 8, 17),
        ("$.outputs.o.source", 9, 31),
        ("$.surprise", 10, 3),
    ]


def test_the_same_document_as_an_object_has_the_same_problems():
    problems = validate(load(json.loads(BAD))).problems()
    assert len(problems) == 9
    assert {(problem.line, problem.column) for problem in problems} == {(0, 0)}


def test_a_sound_document_has_none_and_gives_its_parts():
    raw = {
        "nodes": [
            {"id": "a", "type": "x", "batch": {"items": {"glob": "${folder}/*.txt"}}},
            {"id": "b", "type": "x", "loop": {"until": "${b.done}", "carry": {"n": "${a.count}"}}},
        ],
        "inputs": {"folder": {}},
        "outputs": {"o": {"source": "${b.n}"}},
    }
    found = validate(load(raw))
    assert found.problems() == ()
    assert found.workflow.nodes[1].loop.until == "${b.done}"
    assert found.graph.start == "a"
    assert [site.path for site in found.sites] == [
        ("nodes", 0, "batch", "items", "glob"),
        ("nodes", 1, "loop", "until"),
        ("nodes", 1, "loop", "carry", "n"),
        ("outputs", "o", "source"),
    ]


@pytest.mark.parametrize("text", ["[]", "5", "null", '"text"', "true"])
def test_what_is_no_object_is_no_document(tmp_path, text):
    path = tmp_path / "flow.json"
    path.write_text(text)
    (problem,) = validate(load(path)).problems()
    assert (problem.path, problem.line, problem.column) == ("$", 1, 1)
