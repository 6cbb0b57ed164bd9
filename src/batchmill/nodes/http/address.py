"""The target of a request: a checked URL in parts."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import quote, unquote, urljoin

from urllib3.exceptions import LocationParseError
from urllib3.util import parse_url

from batchmill.errors import InvalidParams
from batchmill.template import to_text
from batchmill.values.redaction import shortened

PORTS = {"http": 80, "https": 443}
MAX_CHARACTERS = 64 * 1024  # more than any server reads

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_AUTHORITY = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*://)(?P<host>[^/?#]*)")
# An address that needs no further work: nothing to encode, no credentials, no fragment, no dot segments.
_PLAIN = re.compile(
    r"(https?)://([a-z0-9-]+(?:\.[a-z0-9-]+)*)(?::([0-9]{1,4}|[1-5][0-9]{4}))?(/(?!\.)(?:[\w~?&=.-]|/(?!\.))*)",
    re.ASCII,
)
_ZONE = re.compile(r"%[^\]]*")
_SHOWN_CHARACTERS = 200


@dataclass(frozen=True, slots=True)
class Address:
    """An absolute ``http`` or ``https`` URL. ``target`` is its path and query, ``credentials`` the decoded
    part before an ``@``."""

    scheme: str
    host: str
    port: int
    target: str
    credentials: str = ""

    @property
    def origin(self) -> tuple[str, str, int]:
        """The origin of a URL, equal for two URLs of one server."""
        return self.scheme, self.host, self.port

    def __str__(self) -> str:
        """The URL without its credentials."""
        return f"{self.scheme}://{self._server(self.host)}{self.target}"

    def named(self) -> str:
        """The value of a ``Host`` header: without the zone of an address, which only this machine knows."""
        return self._server(_ZONE.sub("", self.host))

    def _server(self, host: str) -> str:
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"

    def shown(self) -> str:
        """The URL for messages: without its query too, which may hold a key."""
        return shortened(str(self).partition("?")[0], _SHOWN_CHARACTERS)

    def basic_credentials(self) -> str:
        """The value of an ``Authorization`` header from the URL's user and password, or an empty text."""
        if not self.credentials:
            return ""
        return "Basic " + base64.b64encode(self.credentials.encode()).decode("ascii")

    def joined(self, location: str) -> Address:
        """The target of a ``Location`` header from this address. Raises InvalidParams if it is not a URL."""
        return address_of(urljoin(str(self), location))


def address_of(url: str, query: Mapping[str, object] | None = None) -> Address:
    """Read a URL, with ``query`` added to its own. Raises :class:`~batchmill.errors.InvalidParams`."""
    plain = _PLAIN.fullmatch(url)
    if plain is not None and not query and len(url) <= MAX_CHARACTERS:
        scheme, host, port, target = plain.groups()
        return Address(scheme, host, int(port) if port else PORTS[scheme], target)
    if not url.strip():
        raise InvalidParams("http: `url` is empty")
    if found := _CONTROL.search(url):
        raise InvalidParams(f"http: `url` holds the control character {found.group()!r}")
    if len(url) > MAX_CHARACTERS:
        raise InvalidParams(f"http: `url` has {len(url):,} characters, more than servers read")
    try:
        parsed = parse_url(_with_ascii_host(url.strip()))
    except (LocationParseError, UnicodeError, ValueError) as error:
        raise InvalidParams(f"http: `url` cannot be read: {error}") from error
    scheme, host = (parsed.scheme or "").lower(), parsed.host or ""
    if scheme not in PORTS or not host:
        raise InvalidParams(f"http: a `url` begins with http:// or https:// and a host, not {_start(url)!r}")
    target = _with_query(parsed.path or "/", parsed.query, query or {})
    return Address(scheme, host, parsed.port or PORTS[scheme], target, unquote(parsed.auth or ""))


def url_fault(url: str) -> str | None:
    """The fault of a URL as written, before its templates are resolved."""
    if url.startswith("${") or re.match(r"https?://", url, re.IGNORECASE):
        return None
    hint = f"; did you mean {'https://' + _start(url)!r}?" if re.match(r"[\w.-]+\.\w+(/|$)", url) else ""
    return f"a URL begins with http:// or https://, not {_start(url)!r}{hint}"


def encoded_pairs(fields: Mapping[str, object]) -> str:
    """``fields`` as in a query or form: a list repeats its key, a null is left out."""
    pairs = [(name, one) for name, value in fields.items() for one in _values(value)]
    return "&".join(f"{_encoded(name)}={_encoded(one)}" for name, one in pairs)


def _values(value: object) -> Iterable[object]:
    if value is None:
        return ()
    return value if isinstance(value, (list, tuple)) else (value,)


def _encoded(value: object) -> str:
    try:
        return quote(to_text(value), safe="", errors="surrogateescape")
    except UnicodeEncodeError as error:
        raise InvalidParams(f"http: {value!r} holds half of a surrogate pair") from error


def _with_query(path: str, own: str | None, added: Mapping[str, object]) -> str:
    parts = [part for part in (own, encoded_pairs(added)) if part]
    return f"{path}?{'&'.join(parts)}" if parts else path


def _with_ascii_host(url: str) -> str:
    """``url`` with a host of other characters in the form the domain name system has for it."""
    found = _AUTHORITY.match(url)
    if not found or found["host"].isascii():
        return url
    user, at, host = found["host"].rpartition("@")
    name, colon, port = host.partition(":")
    ascii_host = f"{quote(user, safe=':%')}{at}{name.encode('idna').decode('ascii')}{colon}{port}"
    return f"{found['scheme']}{ascii_host}{url[found.end() :]}"


def _start(url: str) -> str:
    return shortened(url, 60)
