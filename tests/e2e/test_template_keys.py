"""Templates in keys of objects, wherever params of a document have objects."""

from __future__ import annotations

import pytest

import batchmill
from batchmill.errors import InvalidDocument

INPUTS = {"x": {"default": "a"}, "y": {"default": {"z": 7}}}


def flow(*nodes, **more):
    return {"inputs": INPUTS, "nodes": [*nodes, USES], **more}


USES = {"id": "uses", "type": "echo", "params": {"data": ["${x}", "${y}"]}}


def run(node, source):
    return batchmill.run(flow(node, outputs={"out": {"source": source}}))


def test_in_params():
    node = {
        "id": "n",
        "type": "echo",
        "params": {"data": {"${x}": 1, "p${y.z}": ["${x}", {"$${x}": "${y}"}]}},
    }
    result = run(node, "${n.data}")
    assert result.outputs["out"] == {"a": 1, "p7": ["a", {"${x}": {"z": 7}}]}


def test_in_the_environment_of_commands():
    node = {"id": "n", "type": "shell", "params": {"command": "echo $NAME_7", "env": {"NAME_${y.z}": "${x}"}}}
    assert run(node, "${n.stdout}").outputs["out"] == "a"
    node["params"]["env"] = {"${x}=": "1"}
    result = run(node, "${n.stdout}")
    assert "'a=' in `env` cannot be the name of a variable" in result.errors[0]["message"]


def test_in_the_inputs_of_code_and_of_sub_workflows():
    node = {"id": "n", "type": "code", "params": {"code": "result = a", "inputs": {"${x}": 5}}}
    assert run(node, "${n.result}").outputs["out"] == 5
    node["params"]["inputs"] = {"not a name ${x}": 5}
    assert "'not a name a' cannot be a name in Python" in run(node, "${n.result}").errors[0]["message"]
    inner = {"inputs": {"a": {}}, "nodes": [{"id": "e", "type": "echo", "params": {"data": "${a}"}}]}
    node = {"id": "n", "type": "workflow", "params": {"workflow": inner, "inputs": {"${x}": 6}}}
    assert run(node, "${n.data}").outputs["out"] == 6


@pytest.mark.parametrize("executor", ["sequential", "thread", "process"])
def test_in_the_params_of_each_item_and_in_inline_items(executor):
    batch = {"items": [{"${x}": 1}, {"k": {"${y.z}": 2}}], "executor": executor}
    node = {"id": "n", "type": "echo", "params": {"data": {"${__index__}": "${item}"}}, "batch": batch}
    result = run(node, "${n.results[*].data}")
    assert result.outputs["out"] == [{"0": {"a": 1}}, {"1": {"k": {"7": 2}}}]


def test_two_keys_that_become_one_fail_the_node_with_their_place():
    node = {"id": "n", "type": "echo", "params": {"data": {"in": {"a": 1, "${x}": 2}}}}
    result = run(node, "${n.data}")
    assert result.status == "failed"
    (error, *_) = result.errors
    assert error["type"] == "KeyCollision"
    assert error["message"] == "data.in: the keys 'a' and '${x}' both become 'a'"


@pytest.mark.parametrize(
    ("params", "path"),
    [
        ({"data": {"p${nope}": 2}}, '$.nodes[0].params.data["p${nope}"]'),
        ({"data": [{"deep": {"${x.}": 2}}]}, '$.nodes[0].params.data[0].deep["${x.}"]'),
        ({"data": {"${n.data}": 2}}, '$.nodes[0].params.data["${n.data}"]'),
    ],
)
def test_what_is_wrong_with_one_is_told_before_anything_runs(params, path):
    with pytest.raises(InvalidDocument) as caught:
        batchmill.run(flow({"id": "n", "type": "echo", "params": params}))
    assert [problem.path for problem in caught.value.problems] == [path]


def test_a_reference_in_a_key_makes_an_input_used_and_its_value_part_of_the_content(tmp_path):
    document = {
        "inputs": {"x": {}},
        "nodes": [{"id": "n", "type": "echo", "params": {"data": {"${x}": 1}}}],
        "outputs": {"out": {"source": "${n.data}"}},
    }
    journal = tmp_path / "runs.sqlite"
    first = batchmill.run(document, {"x": "a"}, journal=journal)
    assert first.outputs["out"] == {"a": 1}
    again = batchmill.resume("last", {"x": "b"}, journal=journal)
    assert again.outputs["out"] == {"b": 1}
    assert again.resumed["changed"] == 1


def test_permissive_documents_leave_it_as_it_stands():
    node = {"id": "n", "type": "echo", "params": {"data": {"${y.nope}": 1}}}
    document = flow(node, outputs={"out": {"source": "${n.data}"}}, template_resolution_mode="permissive")
    result = batchmill.run(document)
    assert (result.status, result.outputs["out"]) == ("degraded", {"${y.nope}": 1})
