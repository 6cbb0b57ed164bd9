"""What is said of versions in several places says the same."""

import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.version import Version

REPOSITORY = Path(__file__).parents[2]
PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]


def lower_bounds():
    extras = PROJECT["optional-dependencies"]
    texts = [text for name, texts in extras.items() if name != "mcp" for text in texts]  # tox.ini says why
    requirements = [Requirement(text) for text in PROJECT["dependencies"] + texts]
    return {
        each.name: Version(bound.version)
        for each in requirements
        for bound in each.specifier
        if bound.operator == ">="
    }


def constraints(path):
    lines = [line.split("#")[0].strip() for line in (REPOSITORY / path).read_text().splitlines()]
    return [Requirement(line) for line in lines if line]


def test_every_dependency_has_a_lower_bound():
    named = {Requirement(text).name for text in PROJECT["dependencies"]}
    assert named - lower_bounds().keys() == set()


def test_oldest_installs_the_lower_bounds():
    pinned = {}
    for each in constraints("tests/constraints-oldest.txt"):
        (bound,) = each.specifier
        assert bound.operator == "=="
        pinned[each.name] = Version(bound.version)
    assert pinned == lower_bounds()


def test_the_oldest_mcp_is_the_newest_on_the_free_threaded_interpreter():
    (lower,) = Requirement(PROJECT["optional-dependencies"]["mcp"][0]).specifier
    (constraint,) = [each for each in constraints("docs/constraints-3.13t.txt") if each.name == "mcp"]
    oldest = Version(lower.version)
    assert oldest in constraint.specifier
    assert Version(f"{oldest.major}.{oldest.minor + 1}") not in constraint.specifier


def test_upper_bounds_stand_only_beside_their_reason():
    text = (REPOSITORY / "pyproject.toml").read_text()
    bounded = [line for line in text.splitlines() if '"' in line and ",<" in line.split("#")[0]]
    assert bounded
    assert [line for line in bounded if "#" not in line] == []


def test_classifiers_name_the_interpreters_that_are_tested():
    lanes = (REPOSITORY / "tox.ini").read_text().split("env_list = ")[1].split("\n")[0].split(", ")
    tested = {f"3.{lane[3:]}" for lane in lanes if lane.startswith("py3") and lane[3:].isdigit()}
    prefix = "Programming Language :: Python :: "
    named = {each.removeprefix(prefix) for each in PROJECT["classifiers"] if each.startswith(prefix + "3.")}
    assert named == tested
