"""The documents under docs/examples print the same bytes on every executor."""

import json
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
CALLS = {
    "census.json": (["folder=stdlib", "limit=12"], 0),
    "census_stages.json": (["folder=stdlib", "limit=12"], 0),
    "links.yaml": ([f"folder={EXAMPLES.parent}"], 0),
    "logs.yaml": (["count=1000"], 3),
    "overview.yaml": ([f"folder={EXAMPLES.parent}"], 3),
    "rolls.json": (["count=20000"], 0),
    "measured.json": ([], 0),
    "summaries.json": ([f"folder={EXAMPLES.parent}"], 0),
    "text.json": ([f"folder={EXAMPLES.parent}"], 0),
}

ENVIRONMENT = {
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHON": sys.executable,
    "EXAMPLES": str(EXAMPLES),
    "FOLDER": str(EXAMPLES.parent),
}
EXTRAS = {"measured.json": "mcp"}
LONG = {"measured.json", "census_stages.json", "summaries.json", "rolls.json"}  # three runs of each take long


@pytest.fixture
def run(batchmill_command, monkeypatch):
    """``run(name, executor, folder)``: what a document prints, and the files it writes in a folder."""

    def call(name, executor, folder):
        arguments, wanted = CALLS[name]
        folder.mkdir()
        monkeypatch.chdir(folder)
        words = ["run", str(EXAMPLES / name), *arguments, "-q", "--executor", executor]
        code, out, err = batchmill_command(*words, **ENVIRONMENT, BATCHMILL_JOURNAL="none")
        assert code == wanted, err
        return out, {path.name: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}

    return call


def test_every_example_is_held():
    assert {path.name for path in EXAMPLES.iterdir() if path.suffix in (".json", ".yaml")} == CALLS.keys()


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=pytest.mark.slow if n in LONG else ()) for n in CALLS]
)
def test_every_executor_gives_the_same_bytes(name, run, tmp_path):
    if name in EXTRAS:
        pytest.importorskip(
            EXTRAS[name], reason=f"the extra `{EXTRAS[name]}` is not installed", exc_type=ImportError
        )
    reference = run(name, "sequential", tmp_path / "sequential")
    for executor in ("thread", "process"):
        assert run(name, executor, tmp_path / executor) == reference
    assert json.loads(reference[0])


def test_the_census_counts_right(batchmill_command, tmp_path):
    (tmp_path / "some").mkdir()
    (tmp_path / "some" / "a.py").write_text("x = 1  # one\n")
    (tmp_path / "some" / "broken.py").write_text("x = '''\n")
    code, out, err = batchmill_command("run", str(EXAMPLES / "census.json"), "folder=some", "-q")
    assert code == 0, err
    told = json.loads(out)
    assert (told["files"], told["lines"], told["names"], told["comments"]) == (2, 2, 1, 1)
    report = json.loads((tmp_path / ".batchmill" / "census.json").read_text())
    assert [one["path"] for one in report["files"]] == ["some/a.py", "some/broken.py"]


def test_broken_links_are_found(batchmill_command, tmp_path):
    (tmp_path / "a.md").write_text("[b](b.md#part) [c](no/c.md) [d](https://host/d) `[e](e.md)`\n")
    (tmp_path / "b.md").write_text("[a](a.md)\n```text\n[x](x.md)\n```\n[self](#part)\n")
    code, out, err = batchmill_command("run", str(EXAMPLES / "links.yaml"), "folder=.", "-q")
    assert code == 0, err
    assert json.loads(out) == {"pages": 2, "links": 3, "broken": ["a.md: no/c.md"]}


def test_the_census_in_stages_is_the_same(run, tmp_path):
    assert run("census_stages.json", "process", tmp_path / "stages") == run(
        "census.json", "process", tmp_path / "one_by_one"
    )
