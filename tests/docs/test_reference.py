"""The reference pages say what the models, the commands and the node types say."""

import importlib.util
import json
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import click
import pytest

from batchmill.cli.main import COMMANDS, group
from batchmill.ir.schema import json_schema

SCRIPT = Path(__file__).parents[2] / "docs" / "make_reference.py"


@pytest.fixture(scope="module")
def made():
    spec = importlib.util.spec_from_file_location("make_reference", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_pages_are_up_to_date(made, capsys):
    assert made.main(["--check"]) == 0, capsys.readouterr().err


def test_a_page_that_is_out_of_date_is_named_and_left(made, monkeypatch, tmp_path, capsys):
    page = tmp_path / "keys.md"
    page.write_text("old")
    monkeypatch.setattr(made, "pages", lambda: {page: "new"})
    assert made.main(["--check"]) == 1
    assert f"{page}: out of date; run `python docs/make_reference.py`" in capsys.readouterr().err
    assert page.read_text() == "old"
    assert made.main([]) == 0
    assert page.read_text() == "new"


def test_every_key_of_every_object_is_told(made):
    schema = json_schema()
    page = made.keys_page(schema)
    for model in (schema, *schema["$defs"].values()):
        for key in model["properties"]:
            assert f"| `{key}` |" in page
    assert len(re.findall(r"^\| `", page, re.MULTILINE)) == sum(
        len(model["properties"]) for model in (schema, *schema["$defs"].values())
    )


def test_links_within_the_page_of_keys_lead_to_headings(made):
    page = made.keys_page(json_schema())
    headings = {made.slug(title) for title in re.findall(r"^## (.*)$", page, re.MULTILINE)}
    links = set(re.findall(r"\]\(#(.*?)\)", page))
    assert links
    assert links <= headings


def test_every_option_of_every_command_is_told(made):
    page = made.options_page()
    sections = {part.split("\n", 1)[0]: part for part in page.split("\n## ")[1:]}
    assert list(sections) == list(COMMANDS)
    for name, section in sections.items():
        command = group.get_command(click.Context(group), name)
        for option in command.params:
            if isinstance(option, click.Option) and not option.hidden:
                assert all(spelling in section for spelling in option.opts)


def test_what_a_schema_says_is_put_in_words(made):
    def words(value):
        return made.words({}, value)

    assert words({"type": "integer", "minimum": 1, "maximum": 1000}) == "whole number from 1 to 1,000"
    assert words({"type": "number", "exclusiveMinimum": 0, "maximum": 2.5}) == "number above 0, at most 2.5"
    assert words({"anyOf": [{"type": "string"}, {"type": "null"}], "default": None}) == "text"
    assert words({"enum": ["a", "b"]}) == '`"a"`, `"b"`'
    assert (
        words({"type": "array", "items": {"type": "boolean"}, "minItems": 1})
        == "list that is not empty: boolean"
    )
    assert words({}) == "any value"
    with pytest.raises(KeyError):
        words({"type": "cube"})


def test_bars_are_escaped_in_cells(made):
    assert made.table(("a", "b"), [("`x|y`", "z")]) == "| a | b |\n|---|---|\n| `x\\|y` | z |\n"


def test_a_section_without_its_tables_is_an_error(made):
    with pytest.raises(ValueError, match=r"the section of echo has 0 tables param"):
        made.with_tables("# Node types\n\n## echo\n\nSays it.\n")


@pytest.mark.slow
def test_the_script_runs_from_anywhere(tmp_path):
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--check"], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_defaults_are_those_of_the_schema(made):
    page = made.keys_page(json_schema())
    default = json_schema()["$defs"]["BatchSpec"]["properties"]["retry_max_wait"]["default"]
    assert f"| `{json.dumps(default)}` | Longest wait in seconds. |" in page


def test_the_manual_page_tells_every_option_and_reads_without_a_warning(made):
    page = made.man_page()
    options = {
        option
        for name in COMMANDS
        for param in group.get_command(click.Context(group), name).params
        if isinstance(param, click.Option) and not param.hidden
        for option in param.opts
    }
    plain = page.replace("\\-", "-")
    assert [option for option in options if option not in plain] == []
    if shutil.which("groff"):
        read = subprocess.run(
            ["groff", "-man", "-ww", "-Tutf8", "-z"], input=page, capture_output=True, text=True, check=True
        )
        assert read.stderr == ""


def test_the_manual_page_goes_into_the_wheel():
    project = tomllib.loads((SCRIPT.parents[1] / "pyproject.toml").read_text())
    shared = project["tool"]["hatch"]["build"]["targets"]["wheel"]["shared-data"]
    assert shared == {"docs/man/batchmill.1": "share/man/man1/batchmill.1"}
