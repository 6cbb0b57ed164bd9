"""Secrets that a document binds to hosts: a request that holds one goes to no other host.

A secret is recognised by its value, in the forms that it takes on its way (as it is, in base64, in a URL, in
JSON), wherever it is in the request. So it does not matter how it got there: through a param, a template, or
an answer that repeats it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from batchmill.errors import InvalidSetting
from batchmill.nodes.access.addresses import ANYWHERE, Bounds, ip_of
from batchmill.nodes.access.hosts import is_one, networks_in, not_allowed
from batchmill.values.masking import Masker
from batchmill.values.secret_forms import Forms, forms

OF_ENVIRONMENT = "env."
_OWN_MACHINE = "localhost"


@dataclass(frozen=True, slots=True)
class BoundSecret:
    """``called`` is its name in the document, ``hosts`` where it may go, ``texts`` what is looked for."""

    called: str
    hosts: tuple[str, ...]
    texts: tuple[str, ...] = field(repr=False)

    def is_in(self, parts: Iterable[str | bytes]) -> bool:
        """Whether any of ``parts`` holds it, in any form."""
        looked_for = _forms_of(self.texts)
        return any(looked_for.places(_as_text(part)) for part in parts)

    def bounds(self, host: str, port: int, *, private: bool) -> Bounds:
        """The addresses of ``host`` that the secret may be sent to. A name may lead to private ones only with
        ``private``, because the owner of the name could otherwise direct the secret into this network.

        Raises :class:`~batchmill.errors.NodeError` for a host that is not one of its own.
        """
        secret = f"the request holds the secret `{self.called}`"
        if any(is_one(host, port, one) for one in self.hosts):
            if private or ip_of(host) is not None or host.lower() == _OWN_MACHINE:
                return ANYWHERE
            remedy = "set `allow_private` to true if the host is there"
            return Bounds("public", (), f"and {secret}, which goes to public addresses only; {remedy}")
        if networks := networks_in(self.hosts):
            return Bounds("link-local", networks, f"and {secret}, whose `secret_hosts` do not include that")
        only = f"which `secret_hosts` sends to {', '.join(self.hosts)} only"
        raise not_allowed(f"the host {host!r} was not asked: {secret}, {only}")


def bound_secrets(written: Mapping[str, Sequence[str]], inputs: Mapping[str, Any]) -> tuple[BoundSecret, ...]:
    """The secrets of ``secret_hosts``, in a run with ``inputs``. One without a value cannot be sent and is
    left out.

    Raises :class:`~batchmill.errors.InvalidSetting` for a value that could be anywhere by chance.
    """
    found = []
    for name, hosts in written.items():
        variable = variable_of(name)
        value = inputs.get(name) if variable is None else os.environ.get(variable)
        masker = Masker()
        if not masker.add(value):
            message = (
                f"`secret_hosts` cannot keep {name!r} to its hosts: its value is too ordinary to be "
                "recognised in a request; give it a longer one of its own, or remove it from `secret_hosts`"
            )
            raise InvalidSetting(message)
        if masker.knows_any:
            found.append(BoundSecret(name, tuple(hosts), tuple(sorted(masker.secrets))))
    return tuple(found)


def variable_of(name: str) -> str | None:
    """The variable of the environment that a key of ``secret_hosts`` names, None for an input."""
    return name.removeprefix(OF_ENVIRONMENT) if name.startswith(OF_ENVIRONMENT) else None


@lru_cache(64)
def _forms_of(texts: tuple[str, ...]) -> Forms:
    return Forms(form for text in texts for form in forms(text))


def _as_text(part: str | bytes) -> str:
    return part if isinstance(part, str) else part.decode("utf-8", "surrogateescape")
