"""The tables of concepts on the pages "Coming from": what a row says of batchmill is tried.

A part of a row in backticks is tried as what it looks like:

| part | how |
|---|---|
| ``batchmill ...`` | run in the folder of the page's example, after the page's own commands |
| ``key: value``, ``{key: value, ...}`` | put into the page's document, which must stay valid |
| ``${...}``, text around it | resolved in a node of the page's document, or in one below it |
| ``name=value, ...`` | settings of ``batchmill.map`` |
| the name of a node type | it is one |

Each row must have one such part at least.
"""

import copy
import json
import re
import shlex
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml

import batchmill
from batchmill.cli.main import outcome
from batchmill.errors import InvalidDocument
from batchmill.graph.compile.check import check
from batchmill.ir.loading import load
from batchmill.ir.models.batch import BatchSpec
from batchmill.ir.models.workflow import Workflow
from batchmill.nodes import default_registry

FOLDER = Path(__file__).parents[2] / "docs" / "coming-from"
# test_coming_from runs both sides of those that begin with "you write"
TABLE = re.compile(r"^\|(?! you write)[^\n]* here \|\n\|[-|]+\|\n((?:\|.*\n)+)", re.MULTILINE)
EXAMPLE = re.compile(r'^```\w+ title="([^"]+)"\n(.*?)^```$', re.MULTILINE | re.DOTALL)
CONSOLE = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ASSIGNED = re.compile(r"[a-z_]+=\S")
BATCH_KEYS = {field.alias or name for name, field in BatchSpec.model_fields.items()}
DOCUMENT_KEYS = set(Workflow.model_fields)
MINIMAL = {"nodes": [{"id": "each", "type": "echo", "batch": {"items": [1, 2]}}]}


def rows():
    for page in sorted(FOLDER.glob("*.md")):
        for table in TABLE.findall(page.read_text()):
            for line in table.splitlines():
                theirs, ours = re.split(r"(?<!\\) \| ", line.strip("|").strip())
                yield page.stem, theirs, ours.replace("\\|", "|")


ROWS = list(rows())


def test_rows_are_found():
    assert len({page for page, *_ in ROWS}) == 6
    assert len(ROWS) >= 59


@pytest.mark.slow
@pytest.mark.parametrize(
    ("page", "theirs", "ours"), ROWS, ids=[f"{page}-{theirs}" for page, theirs, _ in ROWS]
)
def test_what_a_row_says_holds(page, theirs, ours, example, monkeypatch):
    monkeypatch.chdir(example)
    parts = re.findall(r"`([^`]+)`", ours)
    results = [tried(part, page) for part in parts]
    assert any(results), "nothing of this row can be tried"


@pytest.fixture
def example(page, tmp_path, monkeypatch):
    """A folder with the files of the page, in which its commands have been run."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    text = (FOLDER / f"{page}.md").read_text()
    folder = tmp_path / "example"
    folder.mkdir()
    monkeypatch.chdir(folder)
    for name, content in EXAMPLE.findall(text):
        Path(name).write_text(content)
    for block in CONSOLE.findall(text):
        for command in re.findall(r"^\$ (.*)$", block, re.MULTILINE):
            if command.startswith("batchmill "):
                assert outcome(shlex.split(command.split(" > ")[0])[1:]) == 0
            else:
                subprocess.run(["bash", "-c", command], check=True, stdout=subprocess.DEVNULL)
    if shutil.which("tr") is None:
        pytest.skip("the commands of the page are not installed")
    return folder


def tried(part, page):
    if part.startswith("batchmill "):
        run(part)
    elif part.startswith("{") or re.match(r"[a-z_]+: ", part):
        check_document(placed(document(page), yaml.safe_load(part if part[0] == "{" else f"{{{part}}}")))
    elif "${" in part:
        check_template(document(page), part)
    elif ASSIGNED.match(part):
        call(eval(f"dict({part})"))  # noqa: S307  # the page's own text
    else:
        return part in default_registry().names()
    return True


def run(command):
    if "--report" in command and find_spec("jinja2") is None:
        return
    assert outcome(shlex.split(command)[1:]) == 0


def document(page):
    for name, content in EXAMPLE.findall((FOLDER / f"{page}.md").read_text()):
        value = yaml.safe_load(content) if name.endswith((".yaml", ".json")) else {}
        if "nodes" in value:
            if not any("batch" in node for node in value["nodes"]):
                value["nodes"] += copy.deepcopy(MINIMAL["nodes"])
                value.pop("edges", None)
            return value
    return copy.deepcopy(MINIMAL)


def placed(value, settings):
    """The document with the settings where they belong: a batch, the document, an edge or a node."""
    batched = next(node for node in value["nodes"] if "batch" in node)
    if {"from", "to"} <= settings.keys():
        value["edges"] = [settings]
    elif settings.keys() <= BATCH_KEYS:
        batched["batch"] |= settings
    elif settings.keys() <= DOCUMENT_KEYS:
        value |= settings
    elif "type" in settings:
        value["nodes"].append({"id": "new", **settings})
    else:
        batched |= settings
    return value


def check_template(value, template):
    """In the params of the batch, which knows the item, or in those of a node below it."""
    inside, below = copy.deepcopy(value), copy.deepcopy(value)
    for node in inside["nodes"]:
        if "batch" in node:
            node |= {"type": "echo", "params": {"message": template}}
    below["nodes"].append({"id": "new", "type": "echo", "params": {"message": template}})
    below.pop("edges", None)
    try:
        check_document(below)
    except InvalidDocument:
        check_document(inside)


def check_document(value):
    check(load(json.loads(json.dumps(value))), default_registry())


def call(settings):
    settings = {"executor": "thread"} | settings
    assert list(batchmill.map(abs, [-1, 2], **settings)) == [1, 2]
