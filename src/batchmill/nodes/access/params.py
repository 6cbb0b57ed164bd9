"""The params that set which services node types may call, and with which certificates."""

from __future__ import annotations

from batchmill.nodes.contract import Param

ACCESS_PARAMS = (
    Param(
        "allow_hosts",
        "array",
        "the only hosts to connect to, also after redirects: `api.example.com`, "
        "`*.example.com`, with a port to allow only that port; or networks such as "
        "`10.0.0.0/8`",
        content=False,
    ),
    Param(
        "allow_private",
        "boolean",
        "whether to connect to private addresses, this machine included; by default only if "
        "the document names the host, not if data or a redirect names it",
        content=False,
    ),
    Param(
        "ca_file",
        "string",
        "a file of CA certificates to trust, instead of the system's",
        content=False,
    ),
    Param(
        "client_cert",
        "string",
        "a file with the client certificate, shown to the first server only",
        content=False,
    ),
    Param(
        "client_key", "string", "the key of the client certificate, if it is in another file", content=False
    ),
)
