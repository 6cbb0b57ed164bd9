"""How both sides of a connection prove their identity."""

from __future__ import annotations

import os
import ssl
from collections.abc import Callable
from dataclasses import dataclass, replace

from batchmill.errors import InvalidParams
from batchmill.nodes.bound import BoundParams
from batchmill.nodes.files import full_path

_VARIABLE = "SSL_CERT_FILE"
_NO_KEY = "; `client_key` names the file of its key, if that is not in the same file"
_HEAD_BYTES = 4096
_ENCRYPTED = "; the key is encrypted, and there is no way to give its password: decrypt it"


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
        told = os.environ.get(_VARIABLE)
        try:
            if self.ca_file is not None:
                context = ssl.create_default_context(cafile=self.ca_file)
            else:
                context = usual()
                if told:  # OpenSSL says nothing of a file that it cannot read
                    context.load_verify_locations(told)
        except (OSError, ValueError) as error:  # an SSLError is an OSError
            named, path = ("`ca_file`", self.ca_file) if self.ca_file else (f"the file of {_VARIABLE}", told)
            raise InvalidParams(f"{named} cannot be used: {error}: {path!r}") from error
        if self.client_cert is not None:
            try:
                # without a password it would ask for one on the terminal
                context.load_cert_chain(self.client_cert, self.client_key, password="")  # none
            except (OSError, ValueError) as error:
                hint = "" if self.client_key or isinstance(error, FileNotFoundError) else _NO_KEY
                hint = _ENCRYPTED if self.client_key and _is_encrypted(self.client_key) else hint
                message = f"`client_cert` cannot be used: {error}: {self.client_cert!r}{hint}"
                raise InvalidParams(message) from error
        return context


def _is_encrypted(path: str) -> bool:
    """Whether the file of a key says so."""
    try:
        with open(path, "rb") as file:
            return b"ENCRYPTED" in file.read(_HEAD_BYTES)
    except OSError:
        return False


SYSTEM = Trust()


def trust_of(params: BoundParams) -> Trust:
    """The trust that ``params`` describe."""
    paths = {name: params[name] for name in ("ca_file", "client_cert", "client_key")}
    if paths["client_key"] and not paths["client_cert"]:
        raise InvalidParams("`client_key` needs `client_cert`")
    if not any(paths.values()):
        return SYSTEM
    return Trust(**{name: full_path(path, name) if path else None for name, path in paths.items()})
