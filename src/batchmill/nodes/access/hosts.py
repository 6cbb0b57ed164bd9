"""Hosts as documents write them: ``api.example.com``, ``*.example.com``, with or without a port, networks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from batchmill.errors import NodeError
from batchmill.nodes.access.addresses import Network, ip_of, network_of


def not_allowed(message: str) -> NodeError:
    """The error for a host that is not allowed."""
    return NodeError(message, retryable=False, type_name="HostNotAllowed", outputs={"error": message})


def networks_in(written: Iterable[str]) -> tuple[Network, ...]:
    """The entries that are networks."""
    return tuple(found for one in written if (found := network_of(one)) is not None)


def is_one(host: str, port: int, written: str) -> bool:
    """Whether an entry means this host: ``*.example.com`` are the hosts below that name, a port allows no
    other one."""
    wanted = written.strip().lower()
    name, colon, number = wanted.rpartition(":")
    if colon and number.isdecimal() and (":" not in name or name.endswith("]")):
        if int(number) != port:
            return False
        wanted = name
    wanted, host = _one_form(wanted), _one_form(host.lower())
    if wanted.startswith("*."):
        return host.endswith(wanted[1:]) and host != wanted[2:]
    return bool(wanted) and host == wanted


def _one_form(host: str) -> str:
    """A host in lower case in one of the forms that it may be written in: a name as the domain name system
    has it, an address in its shortest form."""
    host = host.strip("[]").rstrip(".")
    if (ip := ip_of(host)) is not None:
        return str(ip)
    try:
        return host if host.isascii() else host.encode("idna").decode("ascii")
    except UnicodeError:  # no name, so nothing can be reached by it
        return host


def host_faults(params: Mapping[str, Any]) -> list[tuple[str, str]]:
    """For ``check``: entries that are not hosts."""
    hosts = params.get("allow_hosts")
    wrong = [one for one in (hosts if isinstance(hosts, list) else []) if not may_be_host(one)]
    words = "a host is a name such as api.example.com or *.example.com, or a network such as 10.0.0.0/8, not"
    return [("allow_hosts", f"{words} {one!r}") for one in wrong]


def may_be_host(written: Any) -> bool:
    """Whether an entry can be one."""
    if not isinstance(written, str) or not written.strip():
        return False
    if "${" in written or network_of(written) is not None:
        return True
    return "/" not in written and "*" not in written.removeprefix("*.")
