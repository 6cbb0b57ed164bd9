"""The models of a document, the one source of its format. Importing this imports pydantic."""

from batchmill.ir.models.batch import BatchSpec, Tolerate
from batchmill.ir.models.fields import NAME
from batchmill.ir.models.limits import BudgetSpec, RateLimit
from batchmill.ir.models.node import LoopSpec, NodeSpec, RetrySpec
from batchmill.ir.models.pipeline import OnError, Parallel, PipelineNode
from batchmill.ir.models.reading import read_workflow
from batchmill.ir.models.services import McpServerSpec, PriceSpec
from batchmill.ir.models.sources import (
    CsvSource,
    GlobSource,
    JsonlSource,
    LinesSource,
    RangeSource,
    StdinSource,
)
from batchmill.ir.models.workflow import IR_VERSION, Edge, InputSpec, OutputSpec, Workflow

__all__ = [
    "IR_VERSION",
    "NAME",
    "BatchSpec",
    "BudgetSpec",
    "CsvSource",
    "Edge",
    "GlobSource",
    "InputSpec",
    "JsonlSource",
    "LinesSource",
    "LoopSpec",
    "McpServerSpec",
    "NodeSpec",
    "OnError",
    "OutputSpec",
    "Parallel",
    "PipelineNode",
    "PriceSpec",
    "RangeSource",
    "RateLimit",
    "RetrySpec",
    "StdinSource",
    "Tolerate",
    "Workflow",
    "read_workflow",
]
