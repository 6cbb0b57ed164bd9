"""References in the manner of other tools, and numbers of YAML that may have been meant as text."""

from __future__ import annotations

import pytest


def document(params, kind="echo", **more):
    return {
        "inputs": {"name": {"default": "x"}},
        "nodes": [{"id": "first", "type": "echo"}, {"id": "a", "type": kind, "params": params, **more}],
        "outputs": {"n": {"source": "${name}"}},
    }


ITEMS = {"batch": {"items": [1]}}


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("Hello {{ name }}!", "${name}"),
        ("{{first.echo}}", "${first.echo}"),
        ("{{ item }}", "${item}"),
        ("{{ inputs.name }}", "${name}"),
        ("{{steps.first.outputs.x}}", "${first.x}"),
        ("{{ name | upper }}", "${name}"),
        ("#{name} x", "${name}"),
        ("%{item}", "${item}"),
        ("@{first.echo}", "${first.echo}"),
        ("$(params.name)", "${name}"),
        ("$(name)", "${name}"),
        ("<%= name %>", "${name}"),
    ],
)
def test_braces_of_other_tools(warned, text, hint):
    for params in ({"message": text}, {"data": {"k": [text]}}):
        (one,) = warned(document(params, **ITEMS))
        assert one.code == "not-a-template"
        assert one.path.startswith("$.nodes[1].params.")
        assert one.hint == f"a reference is written `{hint}`"


@pytest.mark.parametrize(
    "text", ["{{ other }}", "{{}}", "{name}", "{{1}}", "{ {name} }", "$${name}", "a {{ b"]
)
def test_braces_that_are_text(codes, text):
    assert codes(document({"message": text})) == []


def test_code_is_not_looked_at(codes):
    assert codes(document({"code": "result = f'{{name}} $name'"}, "code")) == []


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("echo $item", ["item"]),
        ('echo "$name, $item"', ["name", "item"]),
        ("echo $first.echo", ["first"]),
        ("for item in a b; do echo $item; done", []),
        ("item=1; echo $item", []),
        ("read -r item; echo $item", []),
        ("export name; echo $name", []),
        ("awk '{print $name}'", []),
        ("echo $(name) $(date) $(ls $HOME)", []),
        ("echo $itemize $HOME $1 $${item} \\$item ${item}", []),
        (["echo", "$item"], []),
    ],
)
def test_variables_of_the_shell_that_nothing_sets(warned, command, told):
    found = warned(document({"command": command}, "shell", **ITEMS))
    assert [one.code for one in found] == ["not-a-template"] * len(told)
    assert [one.message.split("`")[1] for one in found] == [f"${name}" for name in told]


def test_what_env_sets_is_a_variable_of_the_shell(codes):
    assert codes(document({"command": "echo $name", "env": {"name": "x"}}, "shell")) == []


YAML = """
inputs:
  zip: {default: 00501}
  version: {type: string, default: "3.10"}
  rate: {type: number, default: 0.10}
  count: {type: integer, default: 007}
nodes:
  - id: a
    type: http
    timeout: 1.50
    params:
      url: http://localhost/${zip}/${version}/${rate}/${count}
      timeout: 2.50
      headers: {X-Version: 3.10, X-Other: 3.1}
    retry: {max: 2, wait: 0.10}
  - id: b
    type: workflow
    params:
      inputs: {python: 3.10}
      workflow:
        inputs: {python: {}}
        nodes:
          - {id: c, type: echo, params: {message: "${python}", data: [+4917012]}, timeout: 1.10}
    batch: {items: [3.10, 2.0, {v: 1.20}], timeout: 2.50}
  - id: d
    type: echo
    batch: {items: {range: [07]}}
"""


def test_numbers_that_say_more_than_their_value(warned, tmp_path):
    path = tmp_path / "numbers.yaml"
    path.write_text(YAML)
    found = {one.path: one for one in warned(path)}
    assert {one.code for one in found.values()} == {"number-from-text"}
    assert list(found) == [
        "$.inputs.zip.default",
        "$.nodes[0].params.headers.X-Version",
        "$.nodes[1].params.inputs.python",
        "$.nodes[1].params.workflow.nodes[0].params.data[0]",
        "$.nodes[1].batch.items[0]",
        "$.nodes[1].batch.items[2].v",
    ]
    zip_code = found["$.inputs.zip.default"]
    assert zip_code.message == "00501 is read as the number 501"
    assert zip_code.hint == 'write "00501" where text is meant'
    assert (zip_code.line, zip_code.column) == (3, 18)


def test_json_says_what_it_means(codes, tmp_path):
    path = tmp_path / "numbers.json"
    path.write_text('{"nodes": [{"id": "a", "type": "echo", "params": {"data": 3.10}}]}')
    assert codes(path) == []


def test_those_of_a_sub_workflow_in_a_file_name_the_file(warned, tmp_path):
    (tmp_path / "inner.yaml").write_text("nodes: [{id: c, type: echo, params: {data: 007}}]")
    (tmp_path / "outer.yaml").write_text("nodes: [{id: w, type: workflow, params: {workflow: inner.yaml}}]")
    (one,) = warned(tmp_path / "outer.yaml")
    assert one.path == "$.nodes[0].params.data"
    assert one.source == str(tmp_path / "inner.yaml")
    assert str(one).startswith(f"{tmp_path / 'inner.yaml'}: $.nodes[0].params.data (line 1, ")
