"""The warnings of a document, as they come out of checking it."""

from __future__ import annotations

import pytest

from batchmill.graph.compile.check import check
from batchmill.ir.loading import load
from batchmill.nodes.registry import default_registry


@pytest.fixture
def warned():
    """``warned(document)``: its warnings; the document is an object or a path, and without problems."""

    def call(document):
        return check(load(document), default_registry()).warnings

    return call


@pytest.fixture
def codes(warned):
    """``codes(document)``: the code and the path of each of its warnings."""
    return lambda document: [(one.code, one.path) for one in warned(document)]
