"""The proxy that a request goes through: ``HTTP_PROXY``, ``HTTPS_PROXY``, ``ALL_PROXY``, ``NO_PROXY``.

The names are those that curl and Python's own library know, in lower case before upper case. Over an HTTPS
address the proxy gets a tunnel (CONNECT): it learns host and port, and nothing of the request.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import unquote
from urllib.request import getproxies_environment, proxy_bypass_environment  # type: ignore[attr-defined]  # the second is not in the stubs

from urllib3.exceptions import LocationParseError
from urllib3.util import Url, make_headers, parse_url

from batchmill.errors import InvalidParams

_NAMES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "request_method")
_VARIABLES = (*_NAMES, *map(str.upper, _NAMES))
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Proxy:
    """``url`` has no credentials in it; ``headers`` has them, for the proxy alone."""

    url: Url
    headers: tuple[tuple[str, str], ...] = ()


def proxy_for(scheme: str, host: str, port: int) -> Proxy | None:
    """The proxy for requests to a server, None where they go there directly.

    Raises :class:`~batchmill.errors.InvalidParams` for a variable that names no proxy.
    """
    values = tuple(map(os.environ.get, _VARIABLES))
    return _found(values, scheme, host, port) if any(values) else None


@lru_cache(maxsize=1024)
def _found(values: tuple[str | None, ...], scheme: str, host: str, port: int) -> Proxy | None:
    """``values`` are those of the variables: what is known of a server holds as long as they do."""
    proxies = getproxies_environment()
    written = proxies.get(scheme) or proxies.get("all")
    if not written or proxy_bypass_environment(f"{host}:{port}", proxies):
        return None
    return _read(written)


def _read(written: str) -> Proxy:
    try:
        url = parse_url(written if "://" in written else f"http://{written}")
    except (LocationParseError, ValueError) as error:
        raise InvalidParams("http: the proxy that the environment names is no URL") from error
    scheme = (url.scheme or "").lower()
    if scheme not in _PORTS or not url.host:
        kind = scheme or "unknown"
        raise InvalidParams(f"http: the environment names a proxy of the kind {kind!r}, not http or https")
    headers = make_headers(proxy_basic_auth=unquote(url.auth)) if url.auth else {}
    bare = Url(scheme=scheme, host=url.host, port=url.port or _PORTS[scheme])
    return Proxy(bare, tuple(headers.items()))
