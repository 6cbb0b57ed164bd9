"""Which servers may be called: the hosts that a document allows, and the addresses behind them.

A host may have a private address if the document, or the inputs of the run, name it. A host that an item,
another node or a redirect names is called only at public addresses, so that data cannot make a run call
services of its own machine and network.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from batchmill.nodes.access.addresses import ANYWHERE, Bounds, Kind, Network, ip_of, kind_of, written_ip
from batchmill.nodes.access.hosts import is_one, networks_in, not_allowed
from batchmill.nodes.access.secrets import BoundSecret
from batchmill.nodes.access.trust import SYSTEM, Trust, trust_of
from batchmill.nodes.bound import BoundParams
from batchmill.template import ForeignUrl

_REMEDY = "set `allow_private` to true, or name the host in `allow_hosts`"
_NOT_NAMED = f"and only data names it; {_REMEDY}"
_FORBIDDEN = "and `allow_private` is false; set it to true for servers of your own"
_NO_NAME = "and the document does not name that address itself; set `allow_private` to true"
_OUTSIDE = "which is in none of the networks of `allow_hosts`"
_WORDS: Mapping[Kind, str] = {
    "public": "a public address",
    "private": "an address of this machine or of a private network",
    "link-local": "a link-local address",
}


@dataclass(frozen=True, slots=True)
class Access:
    """``hosts`` may be called, None for all; ``private`` says whether private addresses are allowed, None if
    that depends on the origin of the host. ``foreign``: the first host came from data. ``secrets`` go to
    their own hosts only."""

    hosts: tuple[str, ...] | None = None
    private: bool | None = None
    trust: Trust = SYSTEM
    foreign: bool = False
    secrets: tuple[BoundSecret, ...] = ()

    def bounds(self, host: str, port: int, *, first: str, behind: str = "") -> Bounds:
        """The allowed addresses of ``host``. ``first`` is the host of the first request, ``behind`` the
        address of the server whose redirect leads here, empty if none does.

        Raises :class:`~batchmill.errors.NodeError` for a host that is not among ``hosts``.
        """
        if self is OPEN and host == first:
            return _NAMED if ip_of(host) is None else ANYWHERE
        listed, networks = self._listed(host, port)
        if self.private is False:
            return Bounds("public", networks, _FORBIDDEN)
        if self.private or networks:
            return Bounds("link-local", networks, _OUTSIDE)
        if listed or (host == first and not self.foreign):
            return _NAMED if ip_of(host) is None else ANYWHERE
        return _NAMED if _is_private(behind) else _UNNAMED

    def bounds_with(self, bounds: Bounds, host: str, port: int, parts: Iterable[str | bytes]) -> Bounds:
        """The part of ``bounds`` to which a request may go that consists of ``parts``: its URL, the values of
        its headers, its body.

        Raises :class:`~batchmill.errors.NodeError` for a secret that does not go to ``host``.
        """
        parts = list(parts)
        for secret in self.secrets:
            if secret.is_in(parts):
                bounds = secret.bounds(host, port, private=self.private is True).and_also(bounds)
        return bounds

    def _listed(self, host: str, port: int) -> tuple[bool, tuple[Network, ...]]:
        """Whether ``hosts`` have this one by its full name, and the networks that it must be in."""
        if self.hosts is None:
            return False, ()
        fitting = [one for one in self.hosts if is_one(host, port, one)]
        if fitting:
            return any(not one.strip().startswith("*") for one in fitting), ()
        if networks := networks_in(self.hosts):
            return False, networks
        raise not_allowed(f"the host {host!r} is not in `allow_hosts`, so it was not asked")


OPEN = Access()
_NAMED = Bounds("private", (), _NO_NAME)
_UNNAMED = Bounds("public", (), _NOT_NAMED)


def access_of(params: BoundParams, url: str, secrets: tuple[BoundSecret, ...] = ()) -> Access:
    """The access that ``params`` allow; ``url`` is the address of the first request, as its param was
    resolved. ``secrets`` are those that the document binds to hosts."""
    trust, hosts, private = trust_of(params), params["allow_hosts"], params["allow_private"]
    foreign = isinstance(url, ForeignUrl)
    if hosts is None and private is None and not foreign and trust is SYSTEM and not secrets:
        return OPEN
    return Access(None if hosts is None else tuple(map(str, hosts)), private, trust, foreign, secrets)


def require_within(bounds: Bounds, host: str, addresses: list[str]) -> list[str]:
    """The allowed addresses of ``host``. Raises :class:`~batchmill.errors.NodeError` if there are none."""
    allowed = bounds.allowed(addresses)
    if allowed or not addresses:
        return allowed
    ip = ip_of(addresses[0])
    kind = "no address of the internet" if ip is None else _WORDS[kind_of(ip)]
    where = f"is {kind}" if ip_of(host) == ip else f"is at {addresses[0]}, {kind}"
    raise not_allowed(f"the host {host!r} was not asked: it {where}, {bounds.reason(addresses)}")


def require_written_within(bounds: Bounds, host: str) -> None:
    """The same for a host that a proxy looks up: only an address that is written in the URL is known."""
    if (ip := written_ip(host)) is not None:
        require_within(bounds, host, [str(ip)])
    elif bounds.in_networks:
        words = "a proxy looks its address up, and `allow_hosts` has only networks that may hold it"
        raise not_allowed(f"the host {host!r} was not asked: {words}; name the host there")


def _is_private(address: str) -> bool:
    ip = ip_of(address)
    return ip is not None and kind_of(ip) == "private"
