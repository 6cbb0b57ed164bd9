"""The ``http`` node: one request and its answer."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from http.client import HTTPException
from typing import Any

from batchmill.attempt import Attempt
from batchmill.errors import NodeError
from batchmill.nodes.access.addresses import Bounds
from batchmill.nodes.access.hosts import host_faults
from batchmill.nodes.access.params import ACCESS_PARAMS
from batchmill.nodes.access.policy import Access, access_of
from batchmill.nodes.access.trust import Trust
from batchmill.nodes.bound import BoundParams
from batchmill.nodes.contract import Node, NodeResult, Output, Param
from batchmill.nodes.credentials import credential_faults
from batchmill.nodes.encodings import encoding_faults, lookup
from batchmill.nodes.files import paths_in
from batchmill.nodes.http.address import url_fault
from batchmill.nodes.http.answer import Answer, drain, read_answer
from batchmill.nodes.http.connections import connections
from batchmill.nodes.http.faults import in_words
from batchmill.nodes.http.fields import DEFAULT_KEY_HEADER, is_credential
from batchmill.nodes.http.payload import payload_faults
from batchmill.nodes.http.reply import Reply
from batchmill.nodes.http.request import REDIRECTS, Request, may_repeat, method_fault, request_of
from batchmill.nodes.http.sockets import Exchange, exchanging
from batchmill.nodes.room import room_for
from batchmill.policy import RetryPolicy

TIMEOUT = 30.0
MAX_REDIRECTS = 5
_CHANGING = frozenset({"PUT", "PATCH", "DELETE"})  # POST is how services are asked questions, too
MAX_RESPONSE_BYTES = 64 * 1024 * 1024
REFUSED_FOR = 120.0
USUAL_RETRY = RetryPolicy(3, wait=0.5, backoff=2.0, refused_for=REFUSED_FOR)


class HttpNode(Node):
    """Sends a request.

    All items of the process share connections, which are kept open. ``timeout`` covers everything: the name
    lookup, the connection, the request, every redirect and the last byte of the body.
    """

    type = "http"
    requests = True
    only_default = True
    summary = "Send an HTTP request; an answer other than 2xx is an error result with its body."
    params = (
        Param(
            "url",
            "string",
            "the address; values of templates are percent-encoded in the path and the query",
            required=True,
            templates="url",
        ),
        Param("method", "string", "GET, POST, ...; by default GET, or POST with a body"),
        Param("params", "object", "added to the query; a list repeats its key, null is left out"),
        Param("headers", "object", "header fields; null leaves one out"),
        Param("body", "any", "text as it is, anything else as JSON"),
        Param("body_is_binary", "boolean", "whether `body` is base64 of the bytes to send", default=False),
        Param("form", "object", "sent as the fields of a form, instead of `body`"),
        Param(
            "files",
            "object",
            "files sent with the fields of `form` as multipart: by field a path, an object with `path`, "
            "`filename` and `content_type`, or a list of those",
        ),
        Param("body_file", "string", "a file to send, instead of `body`"),
        Param("auth_token", "string", "sent as `Authorization: Bearer`", content=False),
        Param("auth_token_env", "string", "the environment variable that holds the token", content=False),
        Param("api_key", "string", "sent in the header `api_key_header`", content=False),
        Param("api_key_env", "string", "the environment variable that holds the key", content=False),
        Param(
            "api_key_header", "string", "the header for the key", default=DEFAULT_KEY_HEADER, content=False
        ),
        Param(
            "timeout",
            "number",
            "seconds for the whole request, redirects and body included",
            default=TIMEOUT,
            minimum=0.001,
            content=False,
        ),
        *ACCESS_PARAMS,
        Param(
            "max_redirects",
            "integer",
            "redirects to follow; credentials go to the first server only",
            default=MAX_REDIRECTS,
            minimum=0,
            content=False,
        ),
        Param(
            "encoding",
            "string",
            "the encoding of a text answer, instead of the one in its Content-Type, or UTF-8; "
            "`binary` gives base64, `auto` gives text if the bytes are UTF-8, and base64 "
            "otherwise",
        ),
        Param(
            "max_response_bytes",
            "integer",
            "refuse a larger body, as sent or decompressed",
            default=MAX_RESPONSE_BYTES,
            minimum=0,
            content=False,
        ),
    )
    outputs = (
        Output("response", "any", "the body: parsed if it was sent as JSON, otherwise text", diagnostic=True),
        Output(
            "response_is_binary",
            "boolean",
            "whether `response` is base64, as for a picture or a PDF, or if `encoding` asks for it",
            diagnostic=True,
        ),
        Output("status_code", "integer", "the status of the answer", diagnostic=True),
        Output("response_headers", "object", "the answer's headers, by name as sent", diagnostic=True),
        Output("response_time", "number", "seconds until the answer was complete", diagnostic=True),
        Output("error", "string", "why the node failed, empty if it did not", diagnostic=True),
    )

    @classmethod
    def changes(cls, params: Mapping[str, object]) -> bool:
        method = params.get("method")
        return isinstance(method, str) and method.upper() in _CHANGING

    @classmethod
    def usual_retry(cls, params: Mapping[str, object]) -> RetryPolicy:
        return (
            USUAL_RETRY if may_repeat(params) else USUAL_RETRY.told(max_attempts=1, refused_for=REFUSED_FOR)
        )

    reads = ("body_file", "files")
    names_files = ("ca_file", "client_cert", "client_key")
    credentials = ("auth_token", "api_key")

    @classmethod
    def credential(cls, params: Mapping[str, object]) -> str:
        headers = params.get("headers")
        told = next(filter(is_credential, headers), "") if isinstance(headers, Mapping) else ""
        return f"its header {told}" if told else super().credential(params)

    @classmethod
    def content(cls, params: Mapping[str, object]) -> dict[str, Any]:
        found, headers = super().content(params), params.get("headers")
        if isinstance(headers, Mapping):
            found["headers"] = {name: value for name, value in headers.items() if not is_credential(name)}
        return found

    @classmethod
    def files_read(cls, params: Mapping[str, object]) -> Iterable[str]:
        return paths_in([params.get(name) for name in cls.reads])

    def check(self, params: Mapping[str, object]) -> list[tuple[str, str]]:
        faults = [*credential_faults(params, "auth_token", "api_key"), *payload_faults(params)]
        faults += [*encoding_faults(params), *host_faults(params)]
        for name, fault_of in (("url", url_fault), ("method", method_fault)):
            written = params.get(name)
            literal = isinstance(written, str) and (name == "url" or "${" not in written)
            fault = fault_of(written) if literal and isinstance(written, str) else None
            if fault:
                faults.append((name, fault))
        return faults

    def run(self, params: BoundParams, attempt: Attempt) -> NodeResult:
        lookup(params["encoding"])
        request = request_of(params)
        with room_for(attempt, connections()):
            left = attempt.remaining()
            seconds = params["timeout"] if left is None else min(params["timeout"], left)
            limit = attempt.given(params["timeout"])
            began = time.monotonic()
            with exchanging(attempt, seconds) as exchange:
                access = access_of(params, params["url"], self.secrets)
                request, answer = _followed(request, exchange, limit, params, access)
        took = time.monotonic() - began
        if not answer.ok:
            raise answer.failure(request, took, params["encoding"])
        return NodeResult(answer.outputs(took, params["encoding"]))


def _followed(
    request: Request, exchange: Exchange, seconds: float, params: BoundParams, access: Access
) -> tuple[Request, Answer]:
    """The answer after all redirects, and the request that it answers; ``seconds`` is the time limit for
    messages."""
    most = params["max_redirects"]
    first, behind = request.address, ""
    for _ in range(most + 1):
        address = request.address
        bounds = access.bounds(address.host, address.port, first=first.host, behind=behind)
        if access.secrets:
            bounds = access.bounds_with(bounds, address.host, address.port, request.parts())
        own = access.trust if address.origin == first.origin else access.trust.elsewhere()
        with in_words(request, seconds, exchange), _sent(request, exchange, own, bounds) as reply:
            location = reply.fields.get("Location")
            if not most or reply.status not in REDIRECTS or not location:
                answer = read_answer(reply, params["max_response_bytes"], request)
                exchange.require_whole()
                return request, answer
            drain(reply)
        behind = exchange.peer
        request = request.redirected(reply.status, location)
    last = request.address.shown()
    message = f"{request.method} {first.shown()}: more than {most} redirects, the last one to {last}"
    raise NodeError(message, retryable=False, type_name="TooManyRedirects", outputs={"error": message})


def _sent(request: Request, exchange: Exchange, trust: Trust, bounds: Bounds) -> Reply:
    """The answer's head. A kept connection that the server has closed meanwhile is replaced by a new one."""
    try:
        return _sent_once(request, trust, bounds)
    except (OSError, HTTPException):
        if not exchange.reused or not request.repeatable:
            raise
    return _sent_once(request, trust, bounds)


def _sent_once(request: Request, trust: Trust, bounds: Bounds) -> Reply:
    data = request.payload.data
    if not request.payload.path:
        return connections().send(request, data, None if data is None else len(data), trust, bounds)
    with request.payload.opened() as (body, length):
        return connections().send(request, body, length, trust, bounds)
