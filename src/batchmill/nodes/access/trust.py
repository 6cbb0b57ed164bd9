"""How both sides of a connection prove their identity."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from dataclasses import dataclass, replace

from batchmill.errors import InvalidParams
from batchmill.nodes.bound import BoundParams
from batchmill.nodes.files import full_path


@dataclass(frozen=True, slots=True)
class Trust:
    """Paths of files: ``ca_file`` has the authorities that must sign the servers' certificates, instead of
    the system's; ``client_cert`` is our own certificate, with ``client_key`` if that is a separate file."""

    ca_file: str | None = None
    client_cert: str | None = None
    client_key: str | None = None

    def elsewhere(self) -> Trust:
        """The trust for servers other than the first: they do not get our certificate."""
        return replace(self, client_cert=None, client_key=None) if self.client_cert else self

    def context(self, usual: Callable[[], ssl.SSLContext] = ssl.create_default_context) -> ssl.SSLContext:
        """The TLS context; ``usual`` makes one that trusts the authorities of the system.

        Raises :class:`~batchmill.errors.InvalidParams` for files without certificates or keys.
        """
        try:
            own = self.ca_file is not None
            context = ssl.create_default_context(cafile=self.ca_file) if own else usual()
        except (OSError, ValueError) as error:  # an SSLError is an OSError
            raise InvalidParams(f"`ca_file` cannot be used: {error}: {self.ca_file!r}") from error
        if self.client_cert is not None:
            try:
                # without a password it would ask for one on the terminal
                context.load_cert_chain(self.client_cert, self.client_key, password="")  # none
            except (OSError, ValueError) as error:
                message = f"`client_cert` cannot be used: {error}: {self.client_cert!r}"
                raise InvalidParams(message) from error
        return context


SYSTEM = Trust()


def trust_of(params: BoundParams) -> Trust:
    """The trust that ``params`` describe."""
    paths = {name: params[name] for name in ("ca_file", "client_cert", "client_key")}
    if paths["client_key"] and not paths["client_cert"]:
        raise InvalidParams("`client_key` needs `client_cert`")
    if not any(paths.values()):
        return SYSTEM
    return Trust(**{name: full_path(path, name) if path else None for name, path in paths.items()})
