"""Edges, inputs, outputs and the document as models."""

from __future__ import annotations

import pytest

from batchmill.ir.models import InputSpec, OutputSpec, Workflow, read_workflow

NODE = {"id": "a", "type": "echo"}


def test_a_document_needs_nodes_only():
    workflow = Workflow.model_validate({"nodes": [NODE]})
    assert workflow.ir_version == "0.1.0"
    assert workflow.edges is None
    assert workflow.start_node is None
    assert workflow.template_resolution_mode == "strict"
    assert (workflow.inputs, workflow.outputs) == ({}, {})


def test_no_edges_is_not_the_same_as_leaving_them_out():
    assert Workflow.model_validate({"nodes": [NODE], "edges": []}).edges == []


def test_an_edge_has_the_keys_of_the_format():
    workflow = Workflow.model_validate({"nodes": [NODE], "edges": [{"from": "a", "to": "b"}]})
    (edge,) = workflow.edges
    assert (edge.from_, edge.to, edge.action) == ("a", "b", "default")


@pytest.mark.parametrize(
    ("keys", "must_be_given"),
    [
        ({}, True),
        ({"required": False}, False),
        ({"default": 1}, False),
        ({"default": None}, False),
        ({"required": True, "default": 1}, False),
    ],
)
def test_a_default_makes_an_input_optional(keys, must_be_given):
    assert InputSpec.model_validate(keys).must_be_given is must_be_given


@pytest.mark.parametrize(("name", "meant"), [("int", "integer"), ("list", "array"), ("object", "object")])
def test_python_names_of_types_mean_the_same(name, meant):
    assert InputSpec.model_validate({"type": name}).json_type == meant


def test_an_output_without_source_is_the_node_of_its_name():
    assert OutputSpec.model_validate({}).template("a") == "${a}"
    assert OutputSpec.model_validate({"source": "${b.x}"}).template("a") == "${b.x}"


def test_keys_of_the_writer_are_not_looked_at():
    own = {"x-": 1, "x-base": {"nodes": [{"id": 1}], "text": "${unclosed"}}
    workflow, faults = read_workflow({"nodes": [NODE], **own})
    assert faults == []
    assert workflow == Workflow.model_validate({"nodes": [NODE]})


def test_they_stand_at_the_top_only():
    _, faults = read_workflow({"nodes": [{**NODE, "x-note": 1}], "X-note": 1})
    assert [fault.path for fault in faults] == [("nodes", 0, "x-note"), ("X-note",)]
