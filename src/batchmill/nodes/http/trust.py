"""Whom a request may go to, and how both sides prove who they are."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from batchmill.errors import InvalidParams, NodeError
from batchmill.nodes.files import full_path
from batchmill.nodes.http.address import Address


@dataclass(frozen=True, slots=True)
class Trust:
    """Paths of files: ``ca_file`` holds the certificates that servers' must be signed by, in place of the
    system's; ``client_cert`` what we show, with ``client_key`` where that is a file of its own."""

    ca_file: str | None = None
    client_cert: str | None = None
    client_key: str | None = None

    def elsewhere(self) -> Trust:
        """What holds for another server than the first: it gets no certificate of ours."""
        return replace(self, client_cert=None, client_key=None) if self.client_cert else self

    def context(self) -> ssl.SSLContext:
        """Raises :class:`~batchmill.errors.InvalidParams` for files that hold no such thing."""
        try:
            context = ssl.create_default_context(cafile=self.ca_file)
        except (OSError, ValueError) as error:  # an SSLError is an OSError
            raise InvalidParams(f"http: `ca_file` cannot be used: {error}: {self.ca_file!r}") from error
        if self.client_cert is not None:
            try:
                # without a password it would ask for one on the terminal
                context.load_cert_chain(self.client_cert, self.client_key, password="")  # none
            except (OSError, ValueError) as error:
                message = f"http: `client_cert` cannot be used: {error}: {self.client_cert!r}"
                raise InvalidParams(message) from error
        return context


SYSTEM = Trust()


def trust_of(params: Mapping[str, Any]) -> Trust:
    """What ``params`` say of it."""
    paths = {name: params[name] for name in ("ca_file", "client_cert", "client_key")}
    if paths["client_key"] and not paths["client_cert"]:
        raise InvalidParams("http: `client_key` needs `client_cert`")
    if not any(paths.values()):
        return SYSTEM
    return Trust(**{name: full_path(path, name) if path else None for name, path in paths.items()})


def require_allowed(address: Address, hosts: Any) -> None:
    """Raises :class:`~batchmill.errors.NodeError` for a server that is none of ``hosts``; None allows all."""
    if hosts is None or any(_is_one(address, host) for host in hosts):
        return
    message = f"{address.shown()}: the host {address.host!r} is none of `allow_hosts`, and was not asked"
    raise NodeError(message, retryable=False, type_name="HostNotAllowed", outputs={"error": message})


def host_faults(params: Mapping[str, Any]) -> list[tuple[str, str]]:
    """For ``check``: hosts that are none."""
    hosts = params.get("allow_hosts")
    wrong = [one for one in (hosts if isinstance(hosts, list) else []) if not _may_be_host(one)]
    words = "a host is a name such as api.example.com or *.example.com, not"
    return [("allow_hosts", f"{words} {one!r}") for one in wrong]


def _may_be_host(written: Any) -> bool:
    if not isinstance(written, str) or not written.strip():
        return False
    return "${" in written or ("/" not in written and "*" not in written.removeprefix("*."))


def _is_one(address: Address, written: Any) -> bool:
    """``*.example.com`` are the hosts below that name, a port allows no other one."""
    wanted = str(written).strip().lower()
    name, colon, port = wanted.rpartition(":")
    if colon and port.isdecimal() and (":" not in name or name.endswith("]")):
        if int(port) != address.port:
            return False
        wanted = name
    wanted, host = wanted.strip("[]").rstrip("."), address.host.lower().strip("[]").rstrip(".")
    if wanted.startswith("*."):
        return host.endswith(wanted[1:]) and host != wanted[2:]
    return bool(wanted) and host == wanted
