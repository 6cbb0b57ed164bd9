"""The workflow node by itself: what it says of its params, and that it runs nothing without a document."""

from __future__ import annotations

import pytest

from batchmill.errors import InternalError


def test_the_path_holds_no_templates(check):
    (fault,) = check("workflow", workflow="${which}.json")
    assert fault == ("workflow", "the path is read before the run and cannot hold templates")


def test_an_inline_document_holds_templates_of_its_own(check):
    assert check("workflow", workflow={"nodes": [{"id": "a", "type": "echo", "params": {"m": "${x}"}}]}) == []


def test_max_depth_is_bounded_by_what_python_can_nest(check):
    assert check("workflow", workflow="a.json", max_depth=40) == []
    ((name, message),) = check("workflow", workflow="a.json", max_depth=41)
    assert (name, message) == ("max_depth", "param 'max_depth' must be 40 or less, not 41")


def test_it_runs_only_where_a_document_was_compiled_for_it(run):
    with pytest.raises(InternalError, match="without its compiled sub-workflow"):
        run("workflow", workflow="a.json")
