"""Finding node types by name: our table, entry points, ``module:Class``."""

from __future__ import annotations

import pickle
import subprocess
import sys
import threading

import pytest

from batchmill.errors import BrokenNodeType, UnknownNodeType
from batchmill.nodes import Node, NodeResult, Registry, default_registry
from batchmill.nodes.registry import BUILT_IN

SOURCE = '''
from batchmill.nodes import Node, NodeResult

class Shout(Node):
    type = "shout"
    summary = "Shouts."
    def run(self, params, attempt):
        return NodeResult({"said": "HEY"})

class Shaped:
    """Has the shape."""
    def prep(self, shared): return 1
    def exec(self, prepared): return prepared + 1
    def post(self, shared, prepared, result): shared["out"] = result

class Asynchronous(Shaped):
    async def exec_async(self, prepared): return 1

class Lacking:
    def prep(self, shared): return 1
    async def exec_async(self, prepared): return 1

number = 5
class Space:
    Inner = Shout
'''


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """A distribution on the import path whose entry points are given as text."""

    def install(entries, source=SOURCE):
        (tmp_path / "loudly.py").write_text(source)
        info = tmp_path / "loudly-1.2.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: loudly\nVersion: 1.2\n")
        (info / "entry_points.txt").write_text(f"[batchmill.nodes]\n{entries}\n")
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.delitem(sys.modules, "loudly", raising=False)
        return Registry()

    yield install
    sys.modules.pop("loudly", None)


@pytest.mark.parametrize("name", sorted(BUILT_IN))
def test_every_built_in_type_loads_and_describes_itself(name):
    node_class = default_registry().get(name)
    assert node_class.type == name
    assert node_class.summary.endswith(".")
    assert node_class.outputs
    for declared in (*node_class.params, *node_class.outputs):
        assert declared.description, f"{name}.{declared.name}"
    node_class()


def test_names_are_sorted_and_hold_the_built_in_ones():
    names = default_registry().names()
    assert names == sorted(names)
    assert set(BUILT_IN) <= set(names)


def test_getting_one_type_does_not_import_the_others():
    code = (
        "import sys; from batchmill.nodes import default_registry as r; r().names(); r().get('echo');"
        "print([m for m in sys.modules if m in ('batchmill.nodes.shell', 'batchmill.nodes.code')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_an_unknown_name_suggests_close_ones():
    with pytest.raises(UnknownNodeType) as caught:
        Registry().get("shel")
    assert caught.value.name == "shel"
    assert caught.value.suggestions == ("shell",)
    assert "did you mean 'shell'?" in str(caught.value)
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_an_unknown_name_like_no_other_points_to_the_list():
    with pytest.raises(UnknownNodeType, match="batchmill nodes"):
        Registry().get("qqqqqqqq")


def test_an_installed_type_is_found_by_its_entry_point(installed):
    registry = installed("shout = loudly:Shout")
    assert "shout" in registry.names()
    assert "loudly" not in sys.modules, "names() imported it"
    assert registry.get("shout").type == "shout"
    assert registry.get("shout") is registry.get("shout")


def test_an_entry_point_does_not_replace_a_built_in_type(installed):
    assert installed("echo = loudly:Shout").get("echo").__name__ == "EchoNode"


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ("bad = nowhere.at.all:Thing", "No module named 'nowhere'"),
        ("bad = loudly:Missing", "has no attribute 'Missing'"),
        ("bad = loudly:number", "neither a Node nor a class with prep, exec and post"),
        ("bad = loudly:Lacking", "neither a Node nor"),
    ],
)
def test_a_broken_entry_point_names_its_distribution_and_only_when_used(installed, entry, words):
    registry = installed(entry)
    assert "bad" in registry.names()
    assert registry.get("echo")
    with pytest.raises(BrokenNodeType) as caught:
        registry.get("bad")
    assert "distribution loudly 1.2" in str(caught.value)
    assert words in str(caught.value)
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_code_that_fails_on_import_breaks_its_own_type_only(installed):
    registry = installed("bad = loudly:Thing", "raise RuntimeError('half done')")
    with pytest.raises(BrokenNodeType, match="RuntimeError: half done"):
        registry.get("bad")


def test_a_type_may_be_written_as_module_and_class(installed):
    registry = installed("x = loudly:Shout")
    assert registry.get("loudly:Shout").type == "shout"
    assert registry.get("loudly:Space.Inner").type == "shout"
    assert registry.get("loudly:Shaped").type == "loudly:Shaped"
    with pytest.raises(BrokenNodeType, match="of the document"):
        registry.get("loudly:Nothing")


def test_a_registered_class_is_found_and_replaces():
    class Mine(Node):
        type = "echo"
        summary = "Mine."

        def run(self, params, attempt):
            return NodeResult()

    registry = Registry()
    registry.register(Mine)
    assert registry.get("echo") is Mine
    assert default_registry().get("echo") is not Mine


def test_threads_that_ask_at_once_get_the_same_class():
    registry = Registry()
    barrier, found = threading.Barrier(8), []

    def ask():
        barrier.wait()
        found.append(registry.get("merge"))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(found)) == 1


def test_tools_of_servers_are_in_no_list():
    registry = Registry()
    assert registry.get("mcp-files-read").type == "mcp-files-read"
    assert "mcp-files-read" not in registry.names()
