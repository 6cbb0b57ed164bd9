"""What is said of a reference to a node that is there and has no outputs, or not that one."""

from __future__ import annotations

import pytest

import batchmill


def echo(name, message=""):
    return {"id": name, "type": "echo", "params": {"message": message}}


def edges(*pairs):
    return [dict(zip(("from", "to", "action"), pair.split(), strict=False)) for pair in pairs]


def choosing(message, **more):
    nodes = [
        {"id": "pick", "type": "code", "params": {"code": "next = 'x'"}},
        echo("taken"),
        echo("other"),
        {**echo("use", message), **more},
    ]
    links = edges("pick taken x", "pick other y", "taken use", "other use")
    return batchmill.run({"nodes": nodes, "edges": links})


@pytest.mark.parametrize(
    "more", [{}, {"batch": {"items": [1]}}, {"batch": {"items": [1], "executor": "process"}}]
)
def test_a_node_whose_branch_was_not_taken(more):
    result = choosing("${other.echo}", **more)
    assert result.status == "failed"
    assert result.errors[0]["message"] == (
        "${other.echo} cannot be resolved: the node 'other' has not run, as no branch that was taken led "
        "to it; give another value with ??: ${other.echo ?? ...}"
    )


def test_all_that_is_missing_in_one_text_is_named():
    result = choosing("${other.echo} and ${pick.result.no} and ${other.data} and ${other.echo}")
    message = result.errors[0]["message"]
    assert message.startswith("${other.echo} cannot be resolved: the node 'other' has not run")
    assert "; ${pick.result.no} cannot be resolved: " in message
    assert "; ${other.data} cannot be resolved: " in message
    assert message.count("${other.echo} cannot be resolved") == 1


def test_a_chain_that_comes_to_nothing_names_the_first():
    result = choosing("${other.echo ?? pick.result.no}")
    assert "${other.echo} cannot be resolved: the node 'other' has not run" in result.errors[0]["message"]


def test_an_output_and_items():
    nodes = [{"id": "pick", "type": "code", "params": {"code": "next = 'x'"}}, echo("taken"), echo("other")]
    links = edges("pick taken x", "pick other y")
    document = {"nodes": nodes, "edges": links, "outputs": {"o": {"source": "${other.echo}"}}}
    result = batchmill.run(document)
    assert (
        "output 'o': ${other.echo} cannot be resolved: the node 'other' has not run"
        in (result.errors[0]["message"])
    )


def test_a_node_of_a_branch_that_failed_under_continue():
    block = {
        "parallel": [[echo("a"), {"id": "b", "type": "shell", "params": {"command": "false"}}], [echo("c")]]
    }
    steps = [{**block, "on_error": "continue"}, echo("use", "${a.echo}")]
    result = batchmill.run({"pipeline": steps})
    assert "the branch of the node 'a' failed; give another value with ??" in result.errors[-1]["message"]


def test_an_output_that_a_failed_node_did_not_come_to():
    nodes = [
        {"id": "b", "type": "read-file", "params": {"file_path": "there/is/none"}},
        echo("handle", "${b.content}"),
    ]
    result = batchmill.run({"nodes": nodes, "edges": edges("b handle error")})
    message = result.errors[-1]["message"]
    assert "${b.content} cannot be resolved: the node 'b' failed and has no 'content', only error" in message
    assert message.endswith("give another value with ??: ${b.content ?? ...}")


def test_in_a_sub_workflow():
    nodes = [{"id": "pick", "type": "code", "params": {"code": "next = 'x'"}}, echo("taken"), echo("other"),
             echo("use", "${other.echo}")]  # fmt: skip
    inner = {"nodes": nodes, "edges": edges("pick taken x", "pick other y", "taken use", "other use")}
    result = batchmill.run({"nodes": [{"id": "w", "type": "workflow", "params": {"workflow": inner}}]})
    assert "the node 'other' has not run" in result.errors[0]["message"]


def test_a_name_that_is_no_node_is_found_before_the_run():
    with pytest.raises(batchmill.InvalidDocument, match="did you mean `other`"):
        choosing("${othre.echo}")


@pytest.mark.parametrize(
    ("kind", "param", "text"),
    [
        ("shell", "command", 'echo ${a.data.x} ${a.echo} "${a.data.y}"'),
        ("http", "url", "http://localhost/${a.data.x}/${a.echo}?q=${a.data.y}"),
        ("echo", "message", "${a.data.x} ${a.echo} ${a.data.y | count}"),
    ],
)
def test_in_every_kind_of_text(kind, param, text):
    nodes = [
        {"id": "a", "type": "echo", "params": {"data": {}}},
        {"id": "b", "type": kind, "params": {param: text}},
    ]
    (error,) = batchmill.run({"nodes": nodes}).errors
    assert error["message"].count(" cannot be resolved: ") == 2
    assert "${a.data.x}" in error["message"]
    assert "${a.data.y}" in error["message"]
