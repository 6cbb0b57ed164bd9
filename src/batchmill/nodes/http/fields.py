"""Header fields of a request, and which of them are credentials."""

from __future__ import annotations

import re
from collections.abc import Mapping

from batchmill.errors import InvalidParams
from batchmill.nodes.bound import BoundParams
from batchmill.nodes.credentials import credential
from batchmill.template import to_text

DEFAULT_KEY_HEADER = "X-API-Key"

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_BREAK = re.compile(r"[\r\n\0]")
_OURS = frozenset({"content-length", "transfer-encoding", "connection"})
_WORDS_OF_CREDENTIALS = re.compile(
    r"auth|cookie|token|secret|passw|credential|session|signature|key", re.IGNORECASE
)


class Fields:
    """Header fields by name, in the order they were set; names are case-insensitive."""

    def __init__(self) -> None:
        self._fields: dict[str, tuple[str, str]] = {}

    def __contains__(self, name: str) -> bool:
        return name.lower() in self._fields

    def get(self, name: str) -> str:
        """The value of a field, empty if it is not set."""
        return self._fields.get(name.lower(), ("", ""))[1]

    def set(self, name: str, value: str) -> None:
        """Set a field. Raises :class:`~batchmill.errors.InvalidParams` for an invalid one."""
        if not _NAME.fullmatch(name):
            raise InvalidParams(f"http: {name!r} cannot be the name of a header")
        if _BREAK.search(value):
            raise InvalidParams(f"http: the value of the header {name!r} holds a line break or NUL")
        self._fields[name.lower()] = (name, _on_the_wire(name, value.strip()))

    def default(self, name: str, value: str) -> None:
        """Set a field that is not there."""
        if name not in self:
            self.set(name, value)

    def complete(self, usual: Mapping[str, tuple[str, str]]) -> None:
        """Add the missing ones of the ``usual`` fields: names and values, by names in lower case."""
        for name, field in usual.items():
            self._fields.setdefault(name, field)

    def remove(self, *names: str) -> None:
        """Take fields away, where they are there."""
        for name in names:
            self._fields.pop(name.lower(), None)

    def copy(self) -> Fields:
        """The same fields, to be changed by themselves."""
        copied = Fields()
        copied._fields = dict(self._fields)
        return copied

    def without_credentials(self) -> Fields:
        """The fields for another server than the first, without names that indicate a credential."""
        kept = self.copy()
        kept.remove(*filter(is_credential, self._fields))
        return kept

    def as_dict(self) -> dict[str, str]:
        return dict(self._fields.values())


def fields_of(params: BoundParams) -> tuple[Fields, str]:
    """The header fields for ``params``, and the name of the one that holds the API key.

    Raises :class:`~batchmill.errors.InvalidParams` for an invalid header, for a variable of the environment
    that is not set, and for a credential that is given twice.
    """
    fields = Fields()
    for name, value in (params["headers"] or {}).items():
        if name.lower() in _OURS:
            raise InvalidParams(f"http: the header {name!r} is set by the node itself")
        if value is not None:
            fields.set(name, to_text(value))
    token = credential(params, "auth_token")
    if token:
        fields.set("Authorization", f"Bearer {token}")
    key = credential(params, "api_key")
    if key:
        fields.set(params["api_key_header"], key)
    return fields, params["api_key_header"] if key else ""


def is_credential(name: str) -> bool:
    """Whether the name of a header speaks of a credential."""
    return _WORDS_OF_CREDENTIALS.search(name) is not None


def _on_the_wire(name: str, value: str) -> str:
    """``value`` with its UTF-8 bytes as characters, as header values are written."""
    try:
        return value if value.isascii() else value.encode("utf-8").decode("latin-1")
    except UnicodeEncodeError as error:
        raise InvalidParams(f"http: the header {name!r} holds half of a surrogate pair") from error
