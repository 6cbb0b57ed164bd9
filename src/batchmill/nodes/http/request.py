"""A request as it is sent, and its changes for a redirect."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from batchmill.errors import InvalidParams, NodeError
from batchmill.nodes.bound import BoundParams
from batchmill.nodes.http.address import Address, address_of
from batchmill.nodes.http.fields import Fields, fields_of
from batchmill.nodes.http.payload import Payload, payload_of
from batchmill.values.redaction import shortened

USER_AGENT = "batchmill"
ENCODINGS = "gzip, deflate"  # what the answer is decoded from
REDIRECTS = frozenset({301, 302, 303, 307, 308})
SAFE_TO_REPEAT = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE"})  # RFC 9110, 9.2.2
IDEMPOTENCY_KEY = "idempotency-key"

_USUAL = {
    name.lower(): (name, value)
    for name, value in (("Accept", "*/*"), ("Accept-Encoding", ENCODINGS), ("User-Agent", USER_AGENT))
}
_WITHOUT_BODY = frozenset({"GET", "HEAD", "DELETE", "TRACE", "OPTIONS"})  # others say that it is empty
_BODIES = ("body", "form", "files", "body_file")
_METHOD = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


@dataclass(frozen=True, slots=True)
class Request:
    """One request. ``key_header`` is the name of the header that holds the API key, or empty."""

    method: str
    address: Address
    fields: Fields
    payload: Payload = field(default_factory=Payload)
    key_header: str = ""

    @property
    def repeatable(self) -> bool:
        """Whether sending it twice does what sending it once does."""
        return self.method in SAFE_TO_REPEAT

    @property
    def identified(self) -> bool:
        """Whether it contains credentials."""
        return "Authorization" in self.fields or bool(self.key_header and self.key_header in self.fields)

    def head(self, length: int | None, for_proxy: Iterable[tuple[str, str]] | None = None) -> bytes:
        """What is sent before the body of ``length`` bytes. A proxy that is asked for it gets the whole URL,
        and the header fields ``for_proxy``."""
        address, fields = self.address, self.fields
        target = address.target if for_proxy is None else str(address)
        lines = [f"{self.method} {target} HTTP/1.1"]
        if "host" not in fields:
            lines.append(f"Host: {address.named()}")
        if length is None and self.method not in _WITHOUT_BODY:
            length = 0
        if length is not None:
            lines.append(f"Content-Length: {length}")
        lines += [f"{name}: {value}" for name, value in (*fields.as_dict().items(), *(for_proxy or ()))]
        return "\r\n".join([*lines, "", ""]).encode("latin-1")

    def parts(self) -> list[str | bytes]:
        """All that is sent, but for the content of a file."""
        return [str(self.address), *self.fields.as_dict().values(), self.payload.data or b""]

    def redirected(self, status: int, location: str) -> Request:
        """The request that follows an answer of ``status`` with this ``Location``.

        Raises :class:`~batchmill.errors.NodeError` where that is no place to go to.
        """
        address = self._target(location)
        same = address.origin == self.address.origin
        fields = self.fields.copy() if same else self.fields.without_credentials()
        if not same and self.key_header:
            fields.remove(self.key_header)
        method, payload = self.method, self.payload
        if _becomes_get(status, method):
            method, payload = "GET", Payload()
            fields.remove("Content-Type", "Content-Encoding", "Content-Language", "Content-Location")
        return Request(method, address, fields, payload, self.key_header)

    def _target(self, location: str) -> Address:
        try:
            return self.address.joined(_decoded(location))
        except (InvalidParams, ValueError) as error:
            where = shortened(location, 200)
            raise NodeError(
                f"{self.address.shown()} redirects to an address that cannot be used: {where!r}",
                retryable=False,
                type_name="BadRedirect",
            ) from error


def request_of(params: BoundParams) -> Request:
    """The request that ``params`` ask for. Raises :class:`~batchmill.errors.InvalidParams`."""
    address = address_of(params["url"], params["params"])
    fields, key_header = fields_of(params)
    payload = payload_of(params, fields.get("Content-Type"))
    if payload.content_type:
        fields.default("Content-Type", payload.content_type)
    if address.credentials:
        fields.default("Authorization", address.basic_credentials())
    fields.complete(_USUAL)
    return Request(_method(params["method"], payload), address, fields, payload, key_header)


def may_repeat(params: Mapping[str, object]) -> bool:
    """Whether a request with these params, as written, is safe to send twice without permission: it is
    idempotent, or has a key by which the service recognises it."""
    method, headers = params.get("method"), params.get("headers")
    if isinstance(headers, Mapping) and any(name.lower() == IDEMPOTENCY_KEY for name in headers):
        return True
    if method is None:
        return not any(params.get(name) for name in _BODIES)
    return isinstance(method, str) and method.upper() in SAFE_TO_REPEAT


def method_fault(method: str) -> str | None:
    """The fault of a method; None if it has none."""
    if not _METHOD.fullmatch(method):
        return f"a method is a word such as GET or POST, not {method!r}"
    return "CONNECT is for proxies" if method.upper() == "CONNECT" else None


def _method(written: str | None, payload: Payload) -> str:
    if written is None:
        return "POST" if payload else "GET"
    fault = method_fault(written)
    if fault:
        raise InvalidParams(f"http: {fault}")
    return written.upper()


def _becomes_get(status: int, method: str) -> bool:
    """Whether the request is repeated as a GET (RFC 9110, 15.4; 301 and 302 as browsers do it)."""
    if status == 303:
        return method != "HEAD"
    return status in (301, 302) and method == "POST"


def _decoded(location: str) -> str:
    """A ``Location`` as text: the library reads headers as Latin-1, servers write UTF-8."""
    try:
        return location.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return location
