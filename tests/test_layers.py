"""Imports only point down: the rooms of ``docs/design/architecture.md``, held against the source.

Every import counts: those for types only and those inside functions too.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
SOURCE = REPOSITORY / "src" / "batchmill"
DOCUMENT = REPOSITORY / "docs" / "design" / "architecture.md"

RANKS = {
    "cli": 11,
    "bench": 10,
    "doctor": 10,
    "report": 10,
    "runs": 9,
    "flow": 9,
    "planning": 9,
    "graph": 8,
    "mapping": 8,
    "batch": 7,
    "step": 6,
    "items": 6,
    "nodes": 5,
    "executors": 5,
    "journal": 5,
    "ir": 4,
    "attempt": 4,
    "policy": 3,
    "template": 3,
    "record": 3,
    "block": 3,
    "events": 3,
    "concurrency": 2,
    "drawing": 2,
    "values": 2,
    "outcome": 2,
    "traits": 2,
    "file_table": 2,
    "errors": 1,
    "lists": 1,
    "sourced": 1,
    "bad_row": 0,
    "lazy_names": 0,
    "loading": 0,
    "warned": 0,
}
INSIDE = {  # the same for the parts of a room, files and folders alike
    "executors": {
        "process": 6,
        "local": 6,
        "auto": 7,
        "remote": 7,
        "dispatch": 5,
        "running": 4,
        "pickling": 3,
        "registry": 3,
        "contract": 2,
        "cores": 1,
        "effort": 1,
        "own_time": 1,
        "worker_numbers": 1,
        "describe": 1,
    },
    "graph": {
        "sub_workflow": 6,
        "rehearsal": 6,
        "schedule": 5,
        "visits": 4,
        "frame": 3,
        "part": 3,
        "compile": 2,
        "node_run": 1,
        "attached": 1,
        "worker_quota": 1,
        "address": 1,
    },
}
FACE = {"__init__", "__main__"}  # the package's own face: below everyone's feet and above everyone's head
FILES = sorted(SOURCE.rglob("*.py"))


def ranks_in_the_document():
    """The first fenced block: a rank, then its rooms or one room and a remark."""
    told = {}
    for line in filter(str.strip, DOCUMENT.read_text().split("```")[1].splitlines()):
        rank, names = line.split(maxsplit=1)
        rooms = names.split()
        if len(rooms) > 4:  # one room and a remark on it
            rooms = rooms[:1]
        told |= dict.fromkeys(rooms, int(rank))
    return told


def room_of(path, source=SOURCE):
    return path.relative_to(source).with_suffix("").parts[0]


def imports_of(path, source=SOURCE):
    """``(line, dotted name)`` of every import of our own package, relative ones made absolute."""
    package = ("batchmill", *path.relative_to(source).parent.parts)
    for node in ast.walk(ast.parse(path.read_text(), str(path))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            base = ".".join([*above, *filter(None, [node.module])])
            yield from ((node.lineno, f"{base}.{alias.name}") for alias in node.names)


def violations(path, source=SOURCE):
    """What is wrong with the imports of ``path``, one line each."""
    room = room_of(path, source)
    if room in FACE:
        return
    for line, name in imports_of(path, source):
        root, _, inside = name.partition(".")
        target = inside.split(".")[0]
        if root != "batchmill" or target in (room, "__version__"):
            continue
        if RANKS.get(target, 99) >= RANKS[room]:
            rank = RANKS.get(target, "of the package's face")
            yield f"{path.relative_to(source)}:{line} imports {name} of rank {rank}, its own is {RANKS[room]}"


def violations_inside(path, ranks, source=SOURCE):
    """The same among the parts of one room, whose ``ranks`` are given."""
    room, part = path.relative_to(source).with_suffix("").parts[:2]
    for line, name in imports_of(path, source):
        root, *inside = name.split(".")
        if [root, *inside[:1]] != ["batchmill", room] or len(inside) < 2 or inside[1] == part:
            continue
        if ranks.get(inside[1], 99) >= ranks[part]:
            yield f"{path.relative_to(source)}:{line} imports {name}"


def test_the_document_and_this_table_agree():
    assert ranks_in_the_document() == RANKS


def test_every_room_has_a_rank():
    assert {room_of(path) for path in FILES} - FACE <= RANKS.keys()


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_imports_point_down(path):
    assert list(violations(path)) == []


@pytest.mark.parametrize("room", INSIDE)
def test_imports_inside_a_room_point_down(room):
    files = [path for path in FILES if room_of(path) == room and path.stem != "__init__"]
    assert len(files) > 10
    assert [one for path in files for one in violations_inside(path, INSIDE[room])] == []


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("from batchmill.errors import Problem", 0),
        ("import batchmill.concurrency.cancel", 0),
        ("from . import other", 0),
        ("from batchmill.ir import loading", 1),
        ("from ..events import Bus", 1),
        ("def f():\n    from batchmill.runs.run import run", 1),
        ("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import batchmill.cli.main", 1),
        ("from batchmill import record, errors", 1),
        ("from batchmill import run", 1),
        ("import batchmill", 1),
    ],
)
def test_each_form_of_import_counts(text, number, tmp_path):
    (tmp_path / "policy").mkdir()
    path = tmp_path / "policy" / "retry.py"
    path.write_text(text)
    assert len(list(violations(path, tmp_path))) == number
