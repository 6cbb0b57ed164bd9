"""The proxy of a request: ``HTTP_PROXY``, ``HTTPS_PROXY``, ``ALL_PROXY``, ``NO_PROXY``.

curl and Python's own library use the same names; lower case overrides upper case. For an HTTPS address the
proxy makes a tunnel (CONNECT): it learns only host and port.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import unquote
from urllib.request import getproxies_environment, proxy_bypass_environment  # type: ignore[attr-defined]  # the second is not in the stubs

from batchmill.errors import InvalidParams, NodeError
from batchmill.nodes.access.addresses import ip_of, network_of

_NAMES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "request_method")
_VARIABLES = (*_NAMES, *map(str.upper, _NAMES))
_NAMING = {
    scheme: (f"{scheme}_proxy", f"{scheme}_PROXY".upper(), "all_proxy", "ALL_PROXY")
    for scheme in ("http", "https")
}
_PORTS = {"http": 80, "https": 443}
_SOCKS = ("socks5", "socks5h")
_STATUS = re.compile(r"\b4\d\d\b")  # with which a proxy refuses a tunnel
_NO_CREDENTIALS = "407"
_REMEDY = "; the variable that names the proxy may hold them: http://USER:PASSWORD@HOST:PORT"
_DENIED_IN_A_ROW = 3  # all items go through the proxy


@dataclass(frozen=True, slots=True)
class Proxy:
    """``url`` has no credentials in it; ``headers`` has them, only for the proxy."""

    url: Any  # of urllib3
    headers: tuple[tuple[str, str], ...] = ()


def proxy_for(scheme: str, host: str, port: int, *, socks: bool = False) -> Proxy | None:
    """The proxy for requests to a server, None if they go there directly. With ``socks`` it may be a SOCKS
    proxy, whose URL contains its credentials.

    Raises :class:`~batchmill.errors.InvalidParams` for a variable that names no proxy.
    """
    if not any(map(os.environ.get, _NAMING.get(scheme, _VARIABLES))):  # looked up with every request
        return None
    return _found(tuple(map(os.environ.get, _VARIABLES)), scheme, host, port, socks)


@lru_cache(maxsize=1024)
def _found(values: tuple[str | None, ...], scheme: str, host: str, port: int, socks: bool) -> Proxy | None:
    """``values`` are those of the variables: cached results for a server are valid as long as they stay the
    same."""
    proxies = getproxies_environment()
    written = proxies.get(scheme) or proxies.get("all")
    if not written or proxy_bypass_environment(f"{host}:{port}", proxies):
        return None
    return None if _in_networks(host, proxies.get("no", "")) else _read(written, socks)


def proxy_failed(asked: str, reason: str) -> NodeError:
    """The error for a proxy that cannot be reached, or that rejected the request ``asked``."""
    status = _STATUS.search(reason)
    wants = status is not None and status[0] == _NO_CREDENTIALS
    message = f"{asked}: the proxy on the way there failed: {reason}"
    if wants:
        message += f"; it wants credentials that it knows{_REMEDY}"
    return NodeError(
        message,
        retryable=status is None,
        denied=_DENIED_IN_A_ROW if wants else 0,
        type_name="ProxyFailed",
        outputs={"error": message},
    )


def _in_networks(host: str, excepted: str) -> bool:
    """Whether a host that is written as an address is in one of the networks of ``NO_PROXY``, as curl and Go
    read it."""
    ip = ip_of(host)
    networks = (network_of(one.strip()) for one in excepted.split(","))
    return ip is not None and any(network is not None and ip in network for network in networks)


def _read(written: str, socks: bool) -> Proxy:
    # Imported here, because `llm` needs only this part of it: it takes a megabyte, and most people have no
    # proxy.
    from urllib3.exceptions import LocationParseError
    from urllib3.util import Url, make_headers, parse_url

    try:
        url = parse_url(written if "://" in written else f"http://{written}")
    except (LocationParseError, ValueError) as error:
        raise InvalidParams("the proxy that the environment names is no URL") from error
    scheme = (url.scheme or "").lower()
    if socks and scheme in _SOCKS and url.host:
        return Proxy(url)
    if scheme not in _PORTS or not url.host:
        kind = scheme or "unknown"
        raise InvalidParams(f"the environment names a proxy of the kind {kind!r}, not http or https")
    headers = make_headers(proxy_basic_auth=unquote(url.auth)) if url.auth else {}
    bare = Url(scheme=scheme, host=url.host, port=url.port or _PORTS[scheme])
    return Proxy(bare, tuple(headers.items()))
