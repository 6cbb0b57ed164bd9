"""The parts of a document that describe services: prices of models, MCP servers."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag

from batchmill.ir.models.base import Spec
from batchmill.ir.models.fields import RANGE, Host, NonEmpty, Number, Text, Timeout

FORM_TAG = "form:"
"""The prefix of the tags below; pydantic puts them into the place of an error, from which they are
removed."""

ServerName = Annotated[
    str, Text(r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$", "a name of letters, digits, `_`, `-`, `.`")
]
Dollars = Annotated[float, Number(0, 10**9)]


class PriceSpec(Spec):
    """The price of a model, in US dollars for a million tokens."""

    LATER = frozenset({"cache_write"})
    input: Dollars = Field(description="For tokens that are sent.")
    output: Dollars = Field(description="For tokens that are answered.")
    cached: Dollars | None = Field(
        None, description="For sent tokens that the provider had kept; as `input` where it is not given."
    )
    cache_write: Dollars | None = Field(
        None,
        description="For sent tokens that the provider put into its cache; as `input` where it is not given.",
    )


class McpServerSpec(Spec):
    """An MCP server: a program to start, or the address of one that runs."""

    type: Literal["stdio", "http"] | None = Field(
        None, description="`stdio` for a program, `http` for an address; what is given decides."
    )
    command: NonEmpty | None = Field(None, description="The program to start.")
    args: list[str] = Field(default_factory=list, description="Its arguments.")
    env: dict[str, str] = Field(
        default_factory=dict,
        description="Its environment, besides PATH, HOME and the like; `${NAME}` is a variable of your "
        "environment.",
    )
    cwd: NonEmpty | None = Field(None, description="The folder it runs in.")
    url: NonEmpty | None = Field(None, description="Address of a server that speaks streamable HTTP.")
    headers: dict[str, str] = Field(
        default_factory=dict,
        description="Headers of every request; `${NAME}` is a variable of your environment.",
    )
    LATER = frozenset({"allow_hosts", "allow_private", "ca_file", "client_cert", "client_key"})
    allow_hosts: list[Host] | None = Field(
        None, description="The only hosts, or networks, to connect to over HTTP, also after redirects."
    )
    allow_private: bool | None = Field(
        None,
        description="Whether to connect to private addresses; otherwise only to those of the host in `url`.",
    )
    ca_file: NonEmpty | None = Field(None, description="CA certificates to trust, instead of the system's.")
    client_cert: NonEmpty | None = Field(None, description="Client certificate to show to the server.")
    client_key: NonEmpty | None = Field(
        None, description="Key of the client certificate, if it is in another file."
    )
    timeout: Timeout = Field(60.0, description="Seconds for one call of a tool.")
    start_timeout: Timeout = Field(
        30.0, description="Seconds until it must have answered for the first time."
    )


def _form(value: object) -> str | None:
    if isinstance(value, str):
        return f"{FORM_TAG}path"
    return f"{FORM_TAG}table" if isinstance(value, dict) else None


def _table_or_path(words: str) -> Discriminator:
    return Discriminator(
        _form,
        custom_error_type=RANGE,
        custom_error_message=f"must be {words}, or the path of a file with them",
    )


Prices = Annotated[
    Annotated[NonEmpty, Tag(f"{FORM_TAG}path")]
    | Annotated[dict[NonEmpty, PriceSpec], Tag(f"{FORM_TAG}table")],
    _table_or_path("an object of prices by model"),
]
McpServers = Annotated[
    Annotated[NonEmpty, Tag(f"{FORM_TAG}path")]
    | Annotated[dict[ServerName, McpServerSpec], Tag(f"{FORM_TAG}table")],
    _table_or_path("an object of servers by name"),
]
