"""What the user's own code needs besides: own modules that it imports, and what it reaches in its own."""

import sys

import pytest

from batchmill.graph.compile.helpers import helpers_of
from batchmill.nodes.registry import default_registry

WORK = """
import json
from helper import scale
from package import part
OFFSET = 1
UNUSED = 2
TABLE = {}
TABLE['a'] = OFFSET
def inner(x): return TABLE
def other(x): return UNUSED
def double(x):
    from late import more
    return inner(scale(part.y))
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "work.py").write_text(WORK)
    (tmp_path / "helper.py").write_text("import deeper\ndef scale(x): return x\n")
    (tmp_path / "deeper.py").write_text("import helper\nN = 1\n")
    (tmp_path / "late.py").write_text("more = 1\n")
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "__init__.py").write_text("")
    (tmp_path / "package" / "part.py").write_text("from . import sibling\nfrom .sibling import y\n")
    (tmp_path / "package" / "sibling.py").write_text("y = 1\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def helpers(kind, **params):
    return helpers_of(default_registry().get(kind), params)


def test_modules_that_a_function_leads_to_are_found_and_no_others(folder):
    found = helpers("python", function="work:double")
    assert set(found) == {"work", "helper", "deeper", "late", "package", "package.part", "package.sibling"}

    assert not {"helper", "late"} & sys.modules.keys()


def test_of_its_own_module_counts_what_the_function_reaches(folder):
    text = helpers("python", function="work:double")["work"]
    assert "OFFSET = 1" in text
    assert "TABLE['a']" in text
    assert "def inner" in text
    assert "UNUSED" not in text
    assert "def other" not in text
    assert helpers("python", function="work:other") == {"work": "UNUSED = 2"}


def test_code_in_a_document_counts_what_it_imports(folder):
    found = helpers("code", code="import helper, json, pytest\nresult = 1")
    assert set(found) == {"helper", "deeper"}
    assert helpers("code", code="result = (") == {}
    assert helpers("code", code="import package.part")["package.part"].startswith("from . import")


@pytest.mark.parametrize(
    "function", ["json:loads", "pytest:fixture", "nowhere:f", "${x}", "batchmill.values:plain"]
)
def test_what_is_installed_is_not_the_users_own(folder, function):
    assert helpers("python", function=function) == {}
    assert helpers("shell", command="ls") == {}


def test_a_module_that_changes_counts_as_it_is_now(folder):
    before = helpers("python", function="work:double")
    (folder / "deeper.py").write_text("N = 22\n")
    after = helpers("python", function="work:double")
    assert {name for name in before if before[name] != after[name]} == {"deeper"}


def test_half_written_modules_are_looked_at_as_far_as_they_go(folder):
    (folder / "helper.py").write_text("def scale(:")
    assert helpers("python", function="work:double")["helper"] == "def scale(:"
    (folder / "work.py").write_text("def double(:")
    assert helpers("python", function="work:double") == {}
