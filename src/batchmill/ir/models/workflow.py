"""The whole document, and its edges, inputs and outputs."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Discriminator, Field, Tag

from batchmill.ir.clusters import ADDRESS, FORMS, FUNCTION, VARIABLE_NAME
from batchmill.ir.models.base import Spec
from batchmill.ir.models.defaults import Defaults
from batchmill.ir.models.fields import RANGE, Host, NonEmpty, SchemaValue, TemplateText, Text
from batchmill.ir.models.limits import BudgetSpec
from batchmill.ir.models.node import NodeSpec
from batchmill.ir.models.pipeline import Steps
from batchmill.ir.models.services import FORM_TAG, McpServers, Prices

Address = Annotated[str, Text(ADDRESS, FORMS)]
IR_VERSION = "0.1.0"
NODE_KEYS = ("nodes", "edges", "start_node")
"""The keys that a document with a ``pipeline`` cannot have."""

OWN_KEYS = "x-"
"""The prefix of keys that belong to the author of a document; their values are not checked."""

TypeName = Literal[
    "string", "number", "integer", "boolean", "array", "object", "any",
    "str", "float", "int", "bool", "list", "dict",
]  # fmt: skip
_SAME_AS = {
    "str": "string",
    "float": "number",
    "int": "integer",
    "bool": "boolean",
    "list": "array",
    "dict": "object",
}


class Edge(Spec):
    """An edge between two nodes: the order in which they run."""

    from_: NonEmpty = Field(alias="from", description="Id of the node the edge leaves.")
    to: NonEmpty = Field(description="Id of the node that runs next.")
    action: NonEmpty = Field("default", description="The edge is taken when the node ends with this action.")
    parallel_group: NonEmpty | None = Field(
        None, description="Name of the group of parallel edges it belongs to: of one fan-out or one fan-in."
    )


class InputSpec(Spec):
    """A value the run is given."""

    description: str | None = Field(None, description="What the value is for.")
    type: TypeName = Field("any", description="Type of the value; the Python names mean the same.")
    required: bool = Field(True, description="Refuse a run without it; a default makes it optional.")
    default: Any = Field(None, description="The value if none is given.")
    stdin: bool = Field(False, description="Take the value from standard input if none is given.")
    secret: bool = Field(False, description="Mask the value wherever it would be shown.")
    schema_: Annotated[Any, SchemaValue()] | None = Field(
        None, alias="schema", description="JSON Schema that the value must meet."
    )

    @property
    def has_default(self) -> bool:
        return "default" in self.model_fields_set

    @property
    def must_be_given(self) -> bool:
        """Whether a run needs a value for it."""
        return self.required and not self.has_default

    @property
    def json_type(self) -> str:
        """The declared type under its JSON Schema name, or ``any``."""
        return _SAME_AS.get(self.type, self.type)


class OutputSpec(Spec):
    """A value the run gives."""

    source: TemplateText | None = Field(
        None,
        description="Template such as `${node.stdout}`; if omitted, the node or input with the output's "
        "name.",
    )
    description: str | None = Field(None, description="What the value is.")
    type: TypeName = Field("any", description="Type of the value; a value of another type fails the run.")

    @property
    def json_type(self) -> str:
        """The declared type under its JSON Schema name, or ``any``."""
        return _SAME_AS.get(self.type, self.type)

    def template(self, name: str) -> str:
        """The template that gives the value of the output called ``name``."""
        return self.source if self.source is not None else f"${{{name}}}"


def _one_form(schema: dict[str, Any]) -> None:
    """The steps are written as nodes or as a pipeline; what joins nodes goes with nodes. Keys of the writer's
    own are anything."""
    of_nodes = [{"required": [key]} for key in NODE_KEYS]
    schema["patternProperties"] = {f"^{OWN_KEYS}": {}}
    schema["oneOf"] = [
        {"required": ["nodes"], "not": {"required": ["pipeline"]}},
        {"required": ["pipeline"], "not": {"anyOf": of_nodes}},
    ]


class ClusterSpec(Spec):
    """Where the workers of the executor `dask` are."""

    address: Address | None = Field(None, description="Address of a Dask scheduler, or `local`.")
    python: Annotated[str, Text(FUNCTION, "a function, written `module:function`")] | None = Field(
        None, description="Instead of `address`: a function that returns a `concurrent.futures.Executor`."
    )
    cwd: NonEmpty | None = Field(
        None, description="Folder in which workers run items, if they do not share the folder of the run."
    )
    LATER = frozenset({"env"})
    env: list[Annotated[str, Text(VARIABLE_NAME, "the name of a variable")]] | None = Field(
        None,
        description="Variables of your environment that items get on workers, by name; their values travel "
        "with the job.",
    )
    insecure: bool | None = Field(
        None, description="Whether secrets may be sent over a connection that is not encrypted."
    )


def _form(value: Any) -> str | None:
    if isinstance(value, str):
        return f"{FORM_TAG}address"
    return f"{FORM_TAG}object" if isinstance(value, dict) else None


Cluster = Annotated[
    Annotated[Address, Tag(f"{FORM_TAG}address")] | Annotated[ClusterSpec, Tag(f"{FORM_TAG}object")],
    Discriminator(
        _form,
        custom_error_type=RANGE,
        custom_error_message="must be the address of a cluster, or an object with `address` or `python`",
    ),
]


class Workflow(Spec):
    """A batchmill workflow."""

    model_config = ConfigDict(json_schema_extra=_one_form)

    ir_version: Annotated[str, Text(r"^0\.1\.[0-9]+$", "a version 0.1.x such as `0.1.0`")] = Field(
        IR_VERSION, description="Version of the format."
    )
    nodes: list[NodeSpec] = Field(default_factory=list, min_length=1, description="The steps, at least one.")
    pipeline: Steps = Field(
        default_factory=list,
        description="In place of `nodes` and `edges`: steps in a row, each a node or a block of branches.",
    )
    edges: list[Edge] | None = Field(
        None,
        description="Which node runs after which. If omitted, nodes run in list order. Empty: only the start "
        "node runs.",
    )
    start_node: NonEmpty | None = Field(
        None, description="Id of the first node; by default the first of the list."
    )
    inputs: dict[str, InputSpec] = Field(default_factory=dict, description="Inputs of the run, by name.")
    outputs: dict[str, OutputSpec] = Field(default_factory=dict, description="Outputs of the run, by name.")
    template_resolution_mode: Literal["strict", "permissive"] = Field(
        "strict", description="Whether a template that cannot be resolved fails the node or stays as it is."
    )
    LATER = frozenset({"finally", "defaults", "cluster", "secret_hosts"})
    finally_: list[NodeSpec] = Field(
        default_factory=list,
        alias="finally",
        description="Nodes that run at the end, in this order, even if others failed.",
    )
    defaults: Defaults | None = Field(
        None, description="Default keys for all nodes, or for the nodes of one type."
    )
    budget: BudgetSpec | None = Field(None, description="What the run may spend.")
    prices: Prices | None = Field(
        None, description="US dollars for a million tokens, by model; or the path of a file with them."
    )
    mcp_servers: McpServers | None = Field(
        None,
        description="MCP servers by name, or the path of a file with them; "
        "`.mcp.json` beside the document where it is not given.",
    )
    secret_hosts: dict[NonEmpty, list[Host]] = Field(
        default_factory=dict,
        description="The only hosts to which a secret may be sent, by the name of the secret input, or by "
        "`env.NAME` for a variable of the environment.",
    )
    cluster: Cluster | None = Field(
        None, description="Where the workers of the executor `dask` are: an address, or an object."
    )

    @property
    def cluster_setting(self) -> str | dict[str, Any] | None:
        """The cluster as executors take it."""
        if isinstance(self.cluster, ClusterSpec):
            return self.cluster.model_dump(exclude_none=True)
        return self.cluster
