"""IP addresses: which are public, and which lead to internal networks."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

Ip = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Kind = Literal["public", "private", "link-local"]

_LEVELS: dict[Kind, int] = {"public": 0, "private": 1, "link-local": 2}
_THIS_MACHINE = ipaddress.IPv4Address("127.0.0.1")
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_COMPATIBLE = ipaddress.ip_network("::/96")  # an old form of version 4; `::` and `::1` are there too
_METADATA = frozenset(map(ipaddress.ip_address, ("fd00:ec2::254", "100.100.100.200", "192.0.0.192")))
"""Addresses at which clouds give a machine its credentials, besides 169.254.169.254."""


@lru_cache(1024)
def ip_of(host: str) -> Ip | None:
    """The address that ``host`` is, None for a name."""
    try:
        return ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return None


def written_ip(host: str) -> Ip | None:
    """The address that ``host`` means to whoever looks it up, in each of the ways to write it: ``127.1``,
    ``0x7f.0.0.1``, ``2130706433``, ``localhost``. None for a name."""
    if (ip := ip_of(host)) is not None:
        return ip
    name = host.rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost"):  # RFC 6761, 6.3
        return _THIS_MACHINE
    try:
        return ipaddress.IPv4Address(socket.inet_aton(name)) if name[:1].isdigit() else None
    except OSError:
        return None


def network_of(written: str) -> Network | None:
    """The network in notations such as ``10.0.0.0/8``, None for other text."""
    try:
        return ipaddress.ip_network(written) if "/" in written else None
    except ValueError:
        return None


def kind_of(ip: Ip) -> Kind:
    """``private`` are the addresses of this machine, of its networks and of networks that are not public.
    ``link-local`` are those of one cable, where clouds offer the machine's credentials."""
    if isinstance(ip, ipaddress.IPv6Address) and (inner := _within(ip)) is not None:
        return kind_of(inner)
    if ip.is_link_local or ip.is_multicast or ip in _METADATA:
        return "link-local"
    site = isinstance(ip, ipaddress.IPv6Address) and ip.is_site_local  # of old; Python takes it for global
    return "public" if ip.is_global and not site else "private"


def _within(ip: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """The address of version 4 that an address of version 6 leads to."""
    if ip in _NAT64 or (ip in _COMPATIBLE and int(ip) > 1):
        return ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
    return ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)


@dataclass(frozen=True, slots=True)
class Bounds:
    """The allowed addresses of a connection: of this kind or a more public one, and in one of the networks,
    if there are any; and within ``also``. ``why`` ends the sentence that reports a refusal."""

    widest: Kind = "link-local"
    networks: tuple[Network, ...] = ()
    why: str = ""
    also: Bounds | None = None

    def and_also(self, other: Bounds) -> Bounds:
        """The bounds that both allow."""
        return replace(self, also=other if self.also is None else self.also.and_also(other))

    @property
    def in_networks(self) -> bool:
        """Whether only some networks are allowed."""
        return bool(self.networks) or (self.also is not None and self.also.in_networks)

    def allow(self, address: str) -> bool:
        """Whether a connection to ``address`` may be made."""
        return self._allow(address) and (self.also is None or self.also.allow(address))

    def _allow(self, address: str) -> bool:
        ip = ip_of(address)
        if ip is None or _LEVELS[kind_of(ip)] > _LEVELS[self.widest]:
            return False
        return not self.networks or any(ip in network for network in self.networks)

    def allowed(self, addresses: Iterable[str]) -> list[str]:
        """The addresses among ``addresses`` that may be asked."""
        return list(filter(self.allow, addresses))

    def reason(self, addresses: Iterable[str]) -> str:
        """Why none of ``addresses`` is allowed."""
        own = list(filter(self._allow, addresses))
        return self.why if self.also is None or not own else self.also.reason(own)


ANYWHERE = Bounds()
