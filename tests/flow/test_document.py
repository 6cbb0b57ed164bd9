"""Document nodes in flows, and flow nodes as node types of a document."""

from __future__ import annotations

import pytest

from batchmill.attempt import Attempt
from batchmill.errors import InvalidParams, NodeError, UnknownNodeType
from batchmill.flow import BatchFlow, DocumentNode, Flow, Node
from batchmill.nodes import bind, default_registry


def test_a_document_node_runs_on_the_store_and_puts_its_outputs_there():
    hello = DocumentNode("echo", message="Hello, ${name}!")
    hello >> DocumentNode("echo", {"message": "${echo.echo}"}, name="again", uppercase=True)
    shared: dict = {"name": "you"}
    assert Flow(hello).run(shared) is None
    assert shared["echo"]["echo"] == "Hello, you!"
    assert shared["again"]["echo"] == "HELLO, YOU!"


def test_params_handed_down_lie_over_the_store():
    class Each(BatchFlow):
        def prep(self, shared):
            return [{"name": "a"}, {"name": "b"}]

    class Keeps(Node):
        def post(self, shared, prep_res, exec_res):
            shared["kept"].append(shared["echo"]["echo"])

    hello = DocumentNode("echo", message="${name}")
    hello >> Keeps()
    shared: dict = {"name": "store", "kept": []}
    Each(hello).run(shared)
    assert shared["kept"] == ["a", "b"]


@pytest.mark.parametrize("executor", ["thread", "process"])
def test_document_nodes_run_on_executors(executor):
    class Each(BatchFlow):
        def prep(self, shared):
            return [{"n": n} for n in range(3)]

    class Keeps(Node):
        def post(self, shared, prep_res, exec_res):
            shared["by_n"][self.params["n"]] = self.params["n"]

    hello = DocumentNode("echo", message="${n}")
    hello >> Keeps()
    shared: dict = {"by_n": {}}
    Each(hello, executor=executor).run(shared)
    assert shared["by_n"] == {0: 0, 1: 1, 2: 2}


def test_a_shell_command_keeps_values_out_of_its_text():
    shared: dict = {"name": "a b; echo $HOME"}
    DocumentNode("shell", command="echo ${name}").run(shared)
    assert shared["shell"]["stdout"] == "a b; echo $HOME"


def test_a_failure_is_tried_again_and_then_raised():
    with pytest.raises(NodeError):
        DocumentNode("shell", command="exit 3", max_retries=2).run({})


def test_a_failure_goes_the_way_of_errors_where_there_is_one():
    class Notes(Node):
        def post(self, shared, prep_res, exec_res):
            shared["noted"] = shared["shell"]["exit_code"]

    fails = DocumentNode("shell", command="exit 3")
    fails - "error" >> Notes()
    shared: dict = {}
    Flow(fails).run(shared)
    assert shared["noted"] == 3


def test_faults_of_params_are_found_when_the_node_is_made():
    with pytest.raises(InvalidParams, match="did you mean"):
        DocumentNode("shell", comand="true")
    with pytest.raises(UnknownNodeType, match="shel"):
        DocumentNode("shel", command="true")


class Shout(Node):
    """Says a word louder."""

    def prep(self, shared):
        return shared["word"], self.params["times"]

    def exec(self, prep_res):
        word, times = prep_res
        return word.upper() * times

    def post(self, shared, prep_res, exec_res):
        shared["loud"] = exec_res
        return "done"


def test_a_flow_node_is_a_node_type():
    kind = default_registry().get(f"{__name__}:Shout")
    assert kind.summary == "Says a word louder."
    result = kind().run(bind(kind, {"word": "ho", "times": 2}), Attempt())
    assert (result.outputs, result.action) == ({"result": "HOHO", "loud": "HOHO"}, "done")
